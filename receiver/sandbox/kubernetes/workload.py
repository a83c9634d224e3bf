"""What the API server fills in and demands of Deployments and Jobs, and of the pods that they describe.

Their controllers do not run here: a Deployment replaces nothing and a Job starts nothing unless a test writes the
status, as it must on a real API server without a controller manager.
https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/
"""

from collections.abc import Iterator
from typing import Any

from receiver.sandbox.kubernetes import refusal
from receiver.sandbox.kubernetes.kind import DEPLOYMENT, JOB, Json, Kind

_LONGEST_JOB = 63
"""Of a Job's name, for it becomes a label of its pods."""
_JOB_POLICIES = frozenset({"Never", "OnFailure"})
_ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}
_DEFAULTS: dict[Kind, Json] = {
    DEPLOYMENT: {"replicas": 1, "strategy": _ROLLING, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600},
    JOB: {"parallelism": 1, "completions": 1, "backoffLimit": 6, "suspend": False, "completionMode": "NonIndexed"},
}
_SETTLED = {DEPLOYMENT: ("selector",), JOB: ("selector", "template", "completions", "completionMode")}
"""Parts of the specification that stay as they were created."""


def completed(kind: Kind, made: Json) -> Json:
    """Return an object that is being created with what its kind fills in; status is never taken from its author."""
    if kind not in _DEFAULTS or not isinstance(made.get("spec"), dict):
        return made
    made = made | {"spec": _DEFAULTS[kind] | made["spec"], "status": {}}
    return _labelled(made) if kind is JOB else made


def causes(kind: Kind, body: Json) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a Deployment or Job: pairs of field and reason."""
    spec = body.get("spec")
    if kind not in _DEFAULTS or not isinstance(spec, dict):
        return
    template = spec.get("template") or {}
    pod = template.get("spec") or {}
    yield from container_causes("spec.template.spec", pod)
    if kind is JOB:
        yield from _job_causes(body["metadata"].get("name", ""), pod.get("restartPolicy"))
        return
    wanted = (spec.get("selector") or {}).get("matchLabels") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    if not wanted:
        yield "spec.selector", "Required value"
    elif not wanted.items() <= labels.items():
        yield "spec.template.metadata.labels", f"Invalid value: {labels}: `selector` does not match template `labels`"


def container_causes(where: str, pod: Json) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the containers of a pod, or of the template of one."""
    containers = pod.get("containers") or []
    if not containers:
        yield f"{where}.containers", "Required value"
    for place, container in enumerate(containers):
        for part in ("name", "image"):
            if not container.get(part):
                yield f"{where}.containers[{place}].{part}", "Required value"


def check_change(kind: Kind, before: Json, after: Json) -> None:
    """Raise `Refusal` 422 where a part is changed that stays as it was created."""
    for part in _SETTLED.get(kind, ()):
        old, new = before["spec"].get(part), after["spec"].get(part)
        if old != new:
            why = f"Invalid value: {new}: field is immutable"
            raise refusal.invalid(kind, before["metadata"]["name"], (f"spec.{part}", why))


def _job_causes(name: str, policy: Any) -> Iterator[tuple[str, str]]:
    if len(name) > _LONGEST_JOB:
        why = f'Invalid value: "{name}": must be no more than {_LONGEST_JOB} characters'
        yield "spec.template.labels", why
    if policy not in _JOB_POLICIES:
        said = f'Unsupported value: "{policy}"' if policy else "Required value"
        yield "spec.template.spec.restartPolicy", f'{said}: valid values: "OnFailure", "Never"'


def _labelled(made: Json) -> Json:
    """Give a Job the selector and the labels of its pods, which follow from its uid and name."""
    metadata, template = made["metadata"], made["spec"].get("template") or {}
    uid = {"batch.kubernetes.io/controller-uid": metadata["uid"]}
    labels = uid | {"batch.kubernetes.io/job-name": metadata["name"], "controller-uid": metadata["uid"]}
    inner = template.get("metadata") or {}
    inner = inner | {"labels": (inner.get("labels") or {}) | labels | {"job-name": metadata["name"]}}
    return made | {
        "spec": made["spec"] | {"selector": {"matchLabels": uid}, "template": template | {"metadata": inner}}
    }
