"""Objects from YAML files, as test data is written: with times that are relative to the moment of loading.

Two things are ours: a text such as `@now-7h30m@` becomes a time, and a top-level `x-owner: [Workflow, name]` becomes an
owner reference to an object that was loaded before.
"""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from receiver.sandbox.kubernetes import refusal
from receiver.sandbox.kubernetes.kind import KINDS, Json
from receiver.sandbox.kubernetes.log import Line
from receiver.sandbox.kubernetes.registry import timestamp
from receiver.sandbox.kubernetes.server import ApiServer

_MOMENT = re.compile(r"@now-((?:\d+[dhms])+)@")
_PART = re.compile(r"(\d+)([dhms])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


def load(server: ApiServer, files: Iterable[Path]) -> None:
    """Store all objects of *files*, in order; kinds that the stand-in does not keep are left out."""
    now = server.clock()
    kept = {kind.kind for kind in KINDS}
    for file in files:
        for document in YAML(typ="safe", pure=True).load_all(file):
            if document and document["kind"] in kept:
                server.adopt(_owned(server, _aged(_moments(document, now))))


def load_logs(server: ApiServer, folder: Path) -> None:
    """Give pods their logs from files `<namespace>/<pod>/<container>.log`; each line begins with its time."""
    for file in sorted(folder.glob("*/*/*.log")):
        pod = server.registry.read(KINDS[[kind.kind for kind in KINDS].index("Pod")], file.parts[-3], file.parts[-2])
        lines = (line.partition(" ") for line in file.read_text().splitlines())
        server.logs.write(pod, file.stem, [Line(at=datetime.fromisoformat(at), text=text) for at, _, text in lines])


def _moments(part: Any, now: datetime) -> Any:
    if isinstance(part, dict):
        return {key: _moments(value, now) for key, value in part.items()}
    if isinstance(part, list):
        return [_moments(value, now) for value in part]
    if isinstance(part, str):
        return _MOMENT.sub(lambda match: timestamp(now - _duration(match[1])), part)
    return part


def _duration(text: str) -> timedelta:
    return timedelta(**{_UNITS[unit]: int(number) for number, unit in _PART.findall(text)})


def _aged(document: Json) -> Json:
    """Let an object be as old as its status says."""
    status = document.get("status") or {}
    started = status.get("startedAt") or status.get("startTime")
    if started:
        document["metadata"].setdefault("creationTimestamp", started)
    return document


def _owned(server: ApiServer, document: Json) -> Json:
    owner = document.pop("x-owner", None)
    if owner is None:
        return document
    kind = next(kind for kind in KINDS if kind.kind == owner[0])
    found = server.storage.get(kind, document["metadata"]["namespace"], owner[1])
    if found is None:
        raise refusal.not_found(kind, owner[1])
    reference = {"apiVersion": kind.api_version, "kind": kind.kind, "name": owner[1], "uid": found["metadata"]["uid"]}
    document["metadata"]["ownerReferences"] = [reference | {"controller": True, "blockOwnerDeletion": True}]
    return document
