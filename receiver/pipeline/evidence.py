"""Evidence first: before a step that destroys something, what was known is gathered, kept, and linked in the story."""

import asyncio
import gzip
import hashlib
import json
from typing import Any, Final

import msgspec

from receiver.clients.kubernetes import Cluster
from receiver.enrich import log as words
from receiver.model.errors import ActionError, ClusterError, NotFound, S3Error
from receiver.model.evidence import Evidence
from receiver.model.remediation import Run
from receiver.model.timeline import Event, Kind
from receiver.model.workflow import Workflow
from receiver.pipeline.rooms import Rooms
from receiver.remediate.evidence import is_asked, put_off
from receiver.remediate.facts import Facts, verb_at
from receiver.remediate.tick import Finished, Wait
from receiver.store import evidence, timeline
from receiver.store.history import decisions

LOG_LINES: Final = 500
"""Last lines of the pod that is stuck: what a person would scroll through, and no more than the client reads."""
MOST_BYTES: Final = 64 * 1024 * 1024
"""Of a bundle before it is compressed; a workflow is at most a few MiB, with steps from Argo Server some ten."""
MOST_IN_POSTGRES: Final = 8 * 1024 * 1024
"""Of a compressed bundle where no bucket is configured."""

_PACKED: Final = "application/gzip"


async def secure(rooms: Rooms, run: Run, facts: Facts) -> bool | Wait | Finished:
    """Keep evidence before the present step, where it asks for it and none is kept yet.

    Returns:
        False when the step may be taken at once; true when evidence was kept just now, so that what was read before
        may be out of date; else what follows since it could not be kept.
    """
    if not is_asked(run):
        return False
    async with rooms.database.transaction() as transaction:
        known = await evidence.of_run(transaction, run.id)
    if any(one.cursor == run.cursor for one in known):
        return False
    try:
        await _keep(rooms, run, await _gather(rooms, run, facts))
    except (ClusterError, S3Error, ActionError) as error:
        return put_off(run, error, rooms.now())
    return True


async def _gather(rooms: Rooms, run: Run, facts: Facts) -> dict[str, Any]:
    """Read everything that the step may destroy, and what led to it, as JSON values.

    Raises:
        ClusterError: The workflow itself could not be read; what else could not is told in the bundle.
    """
    if rooms.cluster is None or run.target is None:
        raise ActionError("there is no workflow of which evidence could be kept.")
    raw = await rooms.cluster.raw_workflow(run.target.namespace, run.target.name)
    if raw.get("metadata", {}).get("uid") != run.target.uid:
        raise NotFound(f"workflow {run.target.namespace}/{run.target.name} was replaced by another of its name")
    async with rooms.database.transaction() as transaction:
        decision = await decisions.of_run(transaction, run)
    workflow = facts.workflow
    return {
        "gathered_at": rooms.now().isoformat(),
        "run": {"id": run.id, "playbook": run.playbook, "version": run.version, "mode": run.mode.value},
        "step": {"cursor": run.cursor, **run.steps[run.cursor]},
        "decision": None if decision is None else _plain(decision),
        "alert": _plain(facts.alert),
        "workflow": raw,
        # Beside the object itself, which may hold its steps compressed, or not at all.
        "steps": _steps(workflow),
        "pods": [_plain(pod) for pod in facts.pods] if facts.pods is not None else "could not be read",
        "events": await _events(rooms, rooms.cluster, workflow, facts),
        "log": await _log(rooms, rooms.cluster, workflow, facts),
    }


async def _keep(rooms: Rooms, run: Run, bundle: dict[str, Any]) -> None:
    """Store a bundle and write down where.

    Raises:
        S3Error: The bucket did not take it.
        ActionError: It is too large.
    """
    packed = await asyncio.to_thread(_pack, bundle)
    at, sha256 = rooms.now(), hashlib.sha256(packed).hexdigest()
    bucket = key = ""
    if rooms.vault is not None:
        # Its hash is part of its name: whoever gathers twice, or late, never replaces what is on record.
        key = f"{rooms.evidence_prefix}/{at:%Y/%m/%d}/run-{run.id}-step-{run.cursor}-{sha256[:16]}.json.gz"
        bucket = rooms.vault.bucket
        await rooms.vault.put(key, packed, fresh=False, kind=_PACKED)
    elif len(packed) > MOST_IN_POSTGRES:
        raise ActionError(
            f"the evidence has {len(packed)} bytes, more than Postgres is given ({MOST_IN_POSTGRES}); "
            "set archive.bucket to keep it on S3."
        )
    kept = Evidence(run_id=run.id, cursor=run.cursor, at=at, bucket=bucket, key=key, sha256=sha256, size=len(packed))
    async with rooms.database.transaction() as transaction:
        await evidence.keep(transaction, kept, None if bucket else packed)
        await timeline.add(transaction, _told(run, kept))


def _told(run: Run, kept: Evidence) -> Event:
    text = (
        f"what {verb_at(run, run.cursor)} may destroy is kept: {kept.size} bytes in {kept.place}; "
        f"GET /api/v1/remediations/{run.id}/evidence/{run.cursor} gives it"
    )
    return Event(
        at=kept.at,
        kind=Kind.EVIDENCE_KEPT,
        text=text,
        incident_id=run.incident_id,
        alert_id=run.alert_id,
        run_id=run.id,
        detail={"cursor": kept.cursor, "place": kept.place, "sha256": kept.sha256, "size": kept.size},
    )


def _pack(bundle: dict[str, Any]) -> bytes:
    # Escaped, so that half of a surrogate pair in somebody's label cannot stand in the way of a remediation.
    whole = json.dumps(bundle, ensure_ascii=True, separators=(",", ":")).encode()
    if len(whole) > MOST_BYTES:
        raise ActionError(f"the evidence has {len(whole)} bytes, more than is kept of one step ({MOST_BYTES}).")
    return gzip.compress(whole, mtime=0)


def _steps(workflow: Workflow | None) -> Any:
    if workflow is None or workflow.nodes is None:
        return f"could not be read: {workflow.nodes_unreadable if workflow else 'the workflow was not there'}"
    return [_plain(node) for node in workflow.nodes]


async def _events(rooms: Rooms, cluster: Cluster, workflow: Workflow | None, facts: Facts) -> Any:
    if workflow is None:
        return "not asked for: the workflow was not there"
    try:
        found = await cluster.warning_events(workflow, facts.pods or ())
    except ClusterError as error:
        return f"could not be read: {error}"
    return [_plain(event) | {"message": rooms.mask.text(event.message)} for event in found]


async def _log(rooms: Rooms, cluster: Cluster, workflow: Workflow | None, facts: Facts) -> Any:
    pod = words.choose(workflow, facts.pods or ()) if workflow is not None else None
    if pod is None:
        return "no pod of the workflow is known"
    try:
        lines = await cluster.log_tail(pod.namespace, pod.name, container=words.CONTAINER, lines=LOG_LINES)
    except ClusterError as error:
        return f"could not be read: {error}"
    return {"pod": pod.name, "container": words.CONTAINER, "lines": rooms.mask.lines(lines)}


def _plain(noun: Any) -> Any:
    return msgspec.to_builtins(noun)
