"""From the JSON of the Kubernetes API to Deployments and Jobs; see `reading` for what is taken for granted: nothing."""

from receiver.clients.kubernetes.marks import OPERATION, RESTARTED_BY
from receiver.clients.kubernetes.reading import Raw, moment, part, text, texts
from receiver.model.workload import Deployment, Job, JobState

_CONDITIONS = {"Complete": JobState.SUCCEEDED, "Failed": JobState.FAILED}


def deployment(raw: Raw) -> Deployment:
    """Read a Deployment."""
    metadata, spec, status = part(raw, "metadata"), part(raw, "spec"), part(raw, "status")
    wanted = spec.get("replicas")
    return Deployment(
        namespace=text(metadata, "namespace"),
        name=text(metadata, "name"),
        uid=text(metadata, "uid"),
        paused=spec.get("paused") is True,
        # The API server fills in 1 where nobody said a number; 0 is one.
        wanted=wanted if isinstance(wanted, int) else 1,
        updated=_number(status, "updatedReplicas"),
        available=_number(status, "availableReplicas"),
        present=_number(status, "replicas"),
        generation=_number(metadata, "generation"),
        observed_generation=_number(status, "observedGeneration"),
        restarted_by=texts(part(part(spec, "template"), "metadata"), "annotations").get(RESTARTED_BY, ""),
        labels=texts(metadata, "labels"),
    )


def job(raw: Raw) -> Job:
    """Read a Job. It has ended only where its condition says so: counted pods may still be replaced."""
    metadata, status = part(raw, "metadata"), part(raw, "status")
    conditions = status.get("conditions")
    ended = [
        one
        for one in (conditions if isinstance(conditions, list) else ())
        if isinstance(one, dict) and one.get("status") == "True" and one.get("type") in _CONDITIONS
    ]
    last = ended[-1] if ended else {}
    return Job(
        namespace=text(metadata, "namespace"),
        name=text(metadata, "name"),
        uid=text(metadata, "uid"),
        state=_CONDITIONS.get(text(last, "type"), JobState.UNFINISHED),
        message=text(last, "message") or text(last, "reason"),
        created_at=moment(metadata.get("creationTimestamp")),
        started_at=moment(status.get("startTime")),
        finished_at=moment(status.get("completionTime")) or moment(last.get("lastTransitionTime")),
        operation=texts(metadata, "annotations").get(OPERATION, ""),
        deleting="deletionTimestamp" in metadata,
    )


def _number(raw: Raw, key: str) -> int:
    number = raw.get(key)
    return number if isinstance(number, int) else 0
