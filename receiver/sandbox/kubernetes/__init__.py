"""A Kubernetes API server of our own: small, stateful, and as strict as the real one where Receiver could notice.

What belongs here is what an API server does: it keeps objects, judges requests, counts versions, tells watchers. What
it does not do is act: no controller, scheduler, kubelet or garbage collector runs in it. Argo's controller is imitated
next door (`receiver.sandbox.argo`), and only when somebody starts it.

`server` opens the port; `routes` says what a request means; `access` who may make it; `registry` holds the rules of
objects, `validity` those of their metadata, `workload` those of Deployments and Jobs; `storage` keeps them; `page`,
`watch`, `selector`, `patch` and `log` are what their names say; `manifest` reads test data. Not played: server-side
apply, strategic merge patches, tables, deletion of whole collections, following a log.
"""

from receiver.sandbox.kubernetes.access import ADMIN, Grant, Identity, holder, operator, reader
from receiver.sandbox.kubernetes.kind import DEPLOYMENT, JOB, NAMESPACE, POD, WORKFLOW, Json
from receiver.sandbox.kubernetes.log import Line
from receiver.sandbox.kubernetes.refusal import Refusal
from receiver.sandbox.kubernetes.server import ApiServer

__all__ = [
    "ADMIN",
    "DEPLOYMENT",
    "JOB",
    "NAMESPACE",
    "POD",
    "WORKFLOW",
    "ApiServer",
    "Grant",
    "Identity",
    "Json",
    "Line",
    "Refusal",
    "holder",
    "operator",
    "reader",
]
