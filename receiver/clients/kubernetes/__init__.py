"""The Kubernetes API as Receiver uses it: read workflows and what belongs to them, terminate one, resubmit one.

`cluster` has the verbs; `connection` says as whom and to where; `reading` turns answers into nouns; `rerun` says what a
resubmitted workflow looks like, `names` what it is called; `refusals` turns failures into our errors. Nothing of the
`kubernetes` package leaves this folder, nor does any raw object but the one that is kept for the archive and for a
later resubmit.
"""

from receiver.clients.kubernetes.cluster import Cluster
from receiver.clients.kubernetes.names import resubmit_name

__all__ = ["Cluster", "resubmit_name"]
