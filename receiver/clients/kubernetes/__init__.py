"""The Kubernetes API as Receiver uses it: look at workflows and what belongs to them, end, repeat, suspend, restart.

`cluster` is all verbs in one: `looking` asks, `changing` changes workflows, `creating` creates, `workloads` has those
of pods and Deployments, `belongings` those of what workflows leave behind, `watching` follows what changes, and all of
them ask by way of `asking`. `connection` says as whom and to where; `reading` and `reading_workloads` turn answers into
nouns, `packed` unpacks steps; `marks` are what we leave in the cluster to know our own work again; `rerun` says what a
created workflow looks like, `resuming` what a resume changes, `names` what is called how; `refusals` turns failures
into our errors. Nothing of the `kubernetes` package leaves this folder, nor does any raw object but the one that is
kept for the archive and for a later resubmit.
"""

from receiver.clients.kubernetes.cluster import Cluster
from receiver.clients.kubernetes.names import resubmit_name
from receiver.clients.kubernetes.refusals import ListExpired
from receiver.clients.kubernetes.watching import EVERYWHERE, FOLLOWING, Listed, Seen, Watching

__all__ = ["EVERYWHERE", "FOLLOWING", "Cluster", "ListExpired", "Listed", "Seen", "Watching", "resubmit_name"]
