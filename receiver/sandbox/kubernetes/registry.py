"""What happens to an object when it is created, changed or deleted: the rules between the paths and the storage."""

import secrets
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from receiver.sandbox.kubernetes import refusal, validity, workload
from receiver.sandbox.kubernetes.kind import NAMESPACE, POD, Json, Kind, kind_of
from receiver.sandbox.kubernetes.storage import Storage

_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_LONGEST_GENERATED = 58
_DEFAULT_GRACE_SECONDS = 30
_POLICY_FINALIZERS = {"Foreground": "foregroundDeletion", "Orphan": "orphan", "Background": "", None: ""}
_OURS = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")
"""Metadata that only the server writes."""


class Registry:
    """Creates, changes and deletes objects as the API server does. Everything is done at once; nothing runs by itself.

    Args:
        storage: Where the objects are.
        clock: The present time.
    """

    def __init__(self, storage: Storage, clock: Callable[[], datetime]) -> None:
        self.storage = storage
        self._clock = clock

    def read(self, kind: Kind, namespace: str, name: str) -> Json:
        """Return an object, or raise `Refusal` 404."""
        found = self.storage.get(kind, namespace, name)
        if found is None:
            raise refusal.not_found(kind, name)
        return found

    def create(self, kind: Kind, namespace: str, body: Json, *, dry_run: bool = False) -> Json:
        """Create an object. A pod begins Pending whatever its body says."""
        _check_kind(kind, body)
        if kind.namespaced:
            self._check_namespace(kind, namespace)
        metadata = _said(body)
        if metadata.get("resourceVersion"):
            raise refusal.Refusal(500, "", "resourceVersion should not be set on objects to be created")
        metadata["name"] = metadata.get("name") or _generated(metadata.get("generateName", ""))
        _stay(metadata, "namespace", namespace if kind.namespaced else "")
        metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": timestamp(self._clock()), "generation": 1}
        for part in ("deletionTimestamp", "deletionGracePeriodSeconds"):
            metadata.pop(part, None)
        made = body | {"metadata": metadata}
        if kind is POD:
            made["status"] = {"phase": "Pending", "qosClass": "BestEffort"}
        made = workload.completed(kind, made)
        if kind is NAMESPACE:
            made |= {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
        return self._admit(kind, made, dry_run=dry_run)

    def adopt(self, body: Json) -> Json:
        """Store an object as it stands, with its own status and age, and make its namespace if there is none.

        This is how scenarios begin; a real server has no such thing.
        """
        kind = kind_of(body)
        if kind is None:
            raise refusal.bad_request(f"no kind {body.get('kind')!r} is kept here")
        metadata: Json = {"uid": str(uuid.uuid4()), "creationTimestamp": timestamp(self._clock()), "generation": 1}
        made = body | {"metadata": metadata | body["metadata"]}
        if kind.namespaced:
            namespace = made["metadata"].setdefault("namespace", "default")
            if self.storage.get(NAMESPACE, "", namespace) is None:
                self.create(NAMESPACE, "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        return self._admit(kind, made, dry_run=False)

    def replace(
        self, kind: Kind, namespace: str, name: str, body: Json, *, subresource: str = "", dry_run: bool = False
    ) -> Json:
        """Replace an object by *body*, which names the version that it replaces."""
        _check_kind(kind, body)
        before = self.read(kind, namespace, name)
        metadata = body.get("metadata") or {}
        if kind.custom and metadata.get("resourceVersion", "") in {"", "0"}:
            raise refusal.invalid(
                kind, name, ("metadata.resourceVersion", "Invalid value: 0: must be specified for an update")
            )
        uid, known = metadata.get("uid"), before["metadata"]["uid"]
        if uid and uid != known:
            raise refusal.conflict(
                kind, name, f"Precondition failed: UID in precondition: {uid}, UID in object meta: {known}"
            )
        return self._update(kind, before, body, subresource=subresource, dry_run=dry_run)

    def patch(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        change: Callable[[Json], Json],
        *,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Json:
        """Change an object by a function from its present state to the next."""
        before = self.read(kind, namespace, name)
        after = change(before)
        uid = (after.get("metadata") or {}).get("uid", before["metadata"]["uid"])
        if uid != before["metadata"]["uid"]:
            raise refusal.invalid(kind, name, ("metadata.uid", f'Invalid value: "{uid}": field is immutable'))
        _check_kind(kind, after)
        return self._update(kind, before, after, subresource=subresource, dry_run=dry_run)

    def delete(self, kind: Kind, namespace: str, name: str, options: Json, *, dry_run: bool = False) -> Json:
        """Delete an object, or mark it as being deleted while a finalizer or a kubelet still holds it.

        Returns:
            The body of the answer: the object while it stays, else what the kind answers with.
        """
        found = self.read(kind, namespace, name)
        _check_preconditions(kind, found, options.get("preconditions") or {})
        policy = options.get("propagationPolicy")
        if policy not in _POLICY_FINALIZERS:
            raise refusal.unprocessable(
                f'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "{policy}": '
                'supported values: "Background", "Foreground", "Orphan"'
            )
        marked = self._marked(kind, found, options, _POLICY_FINALIZERS[policy])
        if dry_run:
            return marked
        if _held(kind, marked):
            return found if marked == found else self.storage.put(kind, marked)
        self.storage.remove(kind, found)
        return found if kind.returns_deleted else _deleted(kind, found)

    def _check_namespace(self, kind: Kind, namespace: str) -> None:
        found = self.read(NAMESPACE, "", namespace)
        if found["metadata"].get("deletionTimestamp"):
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise refusal.forbidden(kind, "", why)

    def _admit(self, kind: Kind, made: Json, *, dry_run: bool) -> Json:
        validity.check_types(made)
        validity.check(kind, made)
        metadata = made["metadata"]
        if self.storage.get(kind, metadata.get("namespace", "") if kind.namespaced else "", metadata["name"]):
            raise refusal.already_exists(kind, metadata["name"])
        return made if dry_run else self.storage.put(kind, made)

    def _update(self, kind: Kind, before: Json, after: Json, *, subresource: str, dry_run: bool) -> Json:
        validity.check_types(after)
        old, new = before["metadata"], _said(after)
        for part in ("name", "namespace"):
            _stay(new, part, old.get(part, ""))
        if new.get("resourceVersion", old["resourceVersion"]) not in {old["resourceVersion"], "0", ""}:
            raise refusal.conflict(kind, old["name"])
        for part in _OURS:
            new.pop(part, None)
        new |= {part: old[part] for part in (*_OURS, "resourceVersion") if part in old}
        after = after | {"metadata": new}
        _check_finalizers(kind, before, after)
        if kind.status_apart:
            after = _apart(kind, before, after, subresource)
        validity.check(kind, after)
        workload.check_change(kind, before, after)
        if after == before:
            return before
        if kind.counted and _wanted(kind, after) != _wanted(kind, before):
            new["generation"] = old["generation"] + 1
        if dry_run:
            return after
        if new.get("deletionTimestamp") and not _held(kind, after):
            self.storage.remove(kind, before)
            return after
        return self.storage.put(kind, after)

    def _marked(self, kind: Kind, found: Json, options: Json, finalizer: str) -> Json:
        metadata = dict(found["metadata"])
        grace = _grace(kind, found, options)
        if finalizer and finalizer not in metadata.get("finalizers", []):
            metadata["finalizers"] = [*metadata.get("finalizers", []), finalizer]
        if grace < metadata.get("deletionGracePeriodSeconds", grace + 1):
            metadata["deletionTimestamp"] = timestamp(self._clock() + timedelta(seconds=grace))
            metadata["deletionGracePeriodSeconds"] = grace
        marked = found | {"metadata": metadata}
        return marked | {"status": {"phase": "Terminating"}} if kind is NAMESPACE else marked


def timestamp(at: datetime) -> str:
    """Return a time as Kubernetes writes it, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _said(body: Json) -> Json:
    """Return a new copy of the metadata of a body, without what is null."""
    metadata = body.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise refusal.bad_request("the object provided is unrecognized: metadata must be an object")
    return {part: value for part, value in metadata.items() if value is not None}


def _generated(prefix: str) -> str:
    if not prefix:
        return ""
    return prefix[:_LONGEST_GENERATED] + "".join(secrets.choice(_SUFFIX_LETTERS) for _ in range(5))


def _check_kind(kind: Kind, body: Json) -> None:
    # A built-in kind may be left out of a body and is known by the path; a custom one may not.
    for part, wanted in (("apiVersion", kind.api_version), ("kind", kind.kind)):
        said = body.get(part) or ("" if kind.custom else wanted)
        if said != wanted:
            raise refusal.bad_request(f"the {part} in the data ({said}) does not match the expected {part} ({wanted})")
        body[part] = wanted


def _stay(metadata: Json, part: str, wanted: str) -> None:
    said = metadata.get(part) or wanted
    if said != wanted:
        raise refusal.bad_request(
            f"the {part} of the provided object does not match the {part} sent on the request ({said}, {wanted})"
        )
    if wanted:
        metadata[part] = wanted


def _check_preconditions(kind: Kind, found: Json, wanted: Json) -> None:
    metadata = found["metadata"]
    for part, spoken, done in (
        ("uid", "UID", "deleted and then recreated"),
        ("resourceVersion", "ResourceVersion", "modified"),
    ):
        said = wanted.get(part)
        if said and said != metadata[part]:
            why = (
                f"the {spoken} in the precondition ({said}) does not match the {spoken} in record ({metadata[part]}). "
                f"The object might have been {done}"
            )
            raise refusal.conflict(kind, metadata["name"], why)


def _check_finalizers(kind: Kind, before: Json, after: Json) -> None:
    old, new = before["metadata"], after["metadata"]
    added = set(new.get("finalizers") or []) - set(old.get("finalizers") or [])
    if old.get("deletionTimestamp") and added:
        why = (
            "Forbidden: no new finalizers can be added if the object is being deleted, "
            f"found new finalizers {sorted(added)}"
        )
        raise refusal.invalid(kind, old["name"], ("metadata.finalizers", why))


def _apart(kind: Kind, before: Json, after: Json, subresource: str) -> Json:
    """Let a write to `/status` change the status only, and any other write everything but the status."""
    if subresource:
        return before | {"status": after.get("status", {})}
    if kind is POD and after.get("spec") != before["spec"]:
        why = "Forbidden: pod updates may not change fields other than `spec.containers[*].image`"
        raise refusal.invalid(kind, before["metadata"]["name"], ("spec", why))
    return after | {"status": before.get("status", {})}


def _grace(kind: Kind, found: Json, options: Json) -> int:
    """Seconds for which a kubelet may hold a pod that is deleted; everything else goes at once."""
    if kind is not POD or not found["spec"].get("nodeName"):
        return 0
    if found.get("status", {}).get("phase") in {"Succeeded", "Failed"}:
        return 0
    asked: Any = options.get("gracePeriodSeconds")
    return int(found["spec"].get("terminationGracePeriodSeconds", _DEFAULT_GRACE_SECONDS) if asked is None else asked)


def _held(kind: Kind, found: Json) -> bool:
    """Whether something still has to be done before a deleted object may go."""
    metadata = found["metadata"]
    return bool(kind is NAMESPACE or metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds"))


def _deleted(kind: Kind, found: Json) -> Json:
    metadata = found["metadata"]
    details = {"name": metadata["name"], "group": kind.group, "kind": kind.plural, "uid": metadata["uid"]}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def _wanted(kind: Kind, found: Json) -> Json:
    """What a change of raises the generation: all but the metadata, and the status where it is written apart."""
    aside = {"metadata", "status"} if kind.status_apart else {"metadata"}
    return {part: value for part, value in found.items() if part not in aside}
