"""The kinds of objects that the stand-in keeps, and what it must know of each."""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
"""A Kubernetes object, or a part of one, as JSON. Objects that are stored are never changed, only replaced."""

_EVERYWHERE = frozenset({"metadata.name", "metadata.namespace"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One kind of object.

    Args:
        group: API group; empty for the core group.
        version: Version of the group.
        plural: As in paths.
        kind: As in bodies.
        namespaced: Whether it lives in a namespace.
        custom: Whether a CustomResourceDefinition made it: then patches may not be strategic, and a replacement must
            name the version that it replaces.
        field_labels: What a field selector may ask for.
        required: Top-level fields without which an object is invalid.
        status_apart: Whether the status is written through the subresource `/status` and not otherwise.
        counted: Whether `metadata.generation` counts the changes of what is wanted.
        returns_deleted: Whether a deletion answers with the object instead of a bare success.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    custom: bool = False
    field_labels: frozenset[str] = _EVERYWHERE
    required: tuple[str, ...] = ()
    status_apart: bool = False
    counted: bool = False
    returns_deleted: bool = False

    @property
    def qualified(self) -> str:
        """The name by which messages speak of it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        """What bodies say as `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version


def _argo(plural: str, kind: str) -> Kind:
    return Kind(
        group="argoproj.io",
        version="v1alpha1",
        plural=plural,
        kind=kind,
        custom=True,
        counted=True,
        required=("metadata", "spec"),
    )


# Argo's definition of a Workflow declares no subresources: its status is written through the object itself.
WORKFLOW = _argo("workflows", "Workflow")
WORKFLOW_TEMPLATE = _argo("workflowtemplates", "WorkflowTemplate")
CRON_WORKFLOW = _argo("cronworkflows", "CronWorkflow")
POD = Kind(
    group="",
    version="v1",
    plural="pods",
    kind="Pod",
    required=("spec",),
    status_apart=True,
    returns_deleted=True,
    field_labels=_EVERYWHERE
    | {"spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "status.phase"},
)
EVENT = Kind(
    group="",
    version="v1",
    plural="events",
    kind="Event",
    required=("involvedObject",),
    field_labels=_EVERYWHERE
    | {f"involvedObject.{part}" for part in ("kind", "namespace", "name", "uid", "apiVersion", "fieldPath")}
    | {"reason", "reportingComponent", "source", "type"},
)
PVC = Kind(
    group="",
    version="v1",
    plural="persistentvolumeclaims",
    kind="PersistentVolumeClaim",
    required=("spec",),
    returns_deleted=True,
)
NAMESPACE = Kind(
    group="",
    version="v1",
    plural="namespaces",
    kind="Namespace",
    namespaced=False,
    field_labels=frozenset({"metadata.name", "status.phase"}),
)
DEPLOYMENT = Kind(
    group="apps",
    version="v1",
    plural="deployments",
    kind="Deployment",
    required=("spec",),
    status_apart=True,
    counted=True,
)
JOB = Kind(
    group="batch",
    version="v1",
    plural="jobs",
    kind="Job",
    required=("spec",),
    status_apart=True,
    counted=True,
    field_labels=_EVERYWHERE | {"status.successful"},
)
SERVICE_ACCOUNT = Kind(group="", version="v1", plural="serviceaccounts", kind="ServiceAccount", returns_deleted=True)

KINDS = (WORKFLOW, WORKFLOW_TEMPLATE, CRON_WORKFLOW, POD, EVENT, PVC, DEPLOYMENT, JOB, NAMESPACE, SERVICE_ACCOUNT)


def kind_of(body: Json) -> Kind | None:
    """Return the kind that a body says it is, if it is kept here."""
    said = (body.get("apiVersion"), body.get("kind"))
    return next((kind for kind in KINDS if (kind.api_version, kind.kind) == said), None)
