"""Pods and claims that name a workflow as their owner, and the deletion of exactly one of them."""

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from receiver.clients.kubernetes.looking import Looking
from receiver.clients.kubernetes.names import check_name, check_namespace
from receiver.clients.kubernetes.reading import moment, part, text, texts
from receiver.model.cleanup import Belonging, Kind, Owner

_ENDED: Final = frozenset({"Succeeded", "Failed"})
_QUANTITY: Final = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)(Ki|Mi|Gi|Ti|Pi|Ei|m|k|M|G|T|P|E|[eE][+-]?\d{1,2})?")
_UNITS: Final = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}


class Belongings(Looking):
    """The verbs of what workflows leave behind."""

    async def belongings(self, namespace: str) -> list[Belonging]:
        """List the pods and claims of a namespace, or of all where it is empty, whoever owns them.

        They are listed from etcd itself, not from a cache that may lie behind.

        Raises:
            ClusterError: They could not be listed.
        """
        core, where = self._pods, {}
        pods: Callable[..., Any] = core.list_pod_for_all_namespaces
        claims: Callable[..., Any] = core.list_persistent_volume_claim_for_all_namespaces
        if namespace:
            check_namespace(namespace)
            where = {"namespace": namespace}
            pods, claims = core.list_namespaced_pod, core.list_namespaced_persistent_volume_claim
        said = namespace or "all namespaces"
        return [
            *await self._each(f"list the pods of {said}", pods, _pod, **where),
            *await self._each(f"list the claims of {said}", claims, _claim, **where),
        ]

    async def delete_belonging(self, one: Belonging) -> None:
        """Delete exactly this pod or claim, in the state in which it was read. Finalizers are respected.

        Raises:
            PreconditionFailed: The name belongs to another object now.
            Conflict: It has changed since it was read.
            NotFound: It is gone already.
            ClusterError: It could not be deleted; after `ClusterUnreachable` the request may have arrived.
        """
        check_namespace(one.namespace)
        check_name(one.kind.value, one.name)
        delete = {
            Kind.POD: self._pods.delete_namespaced_pod,
            Kind.CLAIM: self._pods.delete_namespaced_persistent_volume_claim,
        }[one.kind]
        await self._json(
            f"delete {one.kind.value} {one.namespace}/{one.name}",
            delete,
            namespace=one.namespace,
            name=one.name,
            body={
                "propagationPolicy": "Background",
                "preconditions": {"uid": one.uid, "resourceVersion": one.resource_version},
            },
        )


def quantity(said: object) -> int:
    """Read a quantity such as `10Gi`, in whole units; 0 for whatever is not one.

    https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
    """
    found = _QUANTITY.fullmatch(said) if isinstance(said, str) else None
    if found is None:
        return 0
    number, unit = Decimal(found[1]), found[2] or ""
    if unit[:1] in {"e", "E"} and unit not in _UNITS:
        return int(number.scaleb(int(unit[1:])))
    return int(number * _UNITS[unit])


def _pod(raw: Mapping[str, Any]) -> Belonging:
    ended = text(part(raw, "status"), "phase") in _ENDED
    return _belonging(raw, kind=Kind.POD, ended=ended, claims=tuple(_mounted(part(raw, "spec"))))


def _claim(raw: Mapping[str, Any]) -> Belonging:
    given = part(part(raw, "status"), "capacity").get("storage")
    wanted = part(part(part(raw, "spec"), "resources"), "requests").get("storage")
    return _belonging(raw, kind=Kind.CLAIM, capacity=quantity(given or wanted))


def _belonging(raw: Mapping[str, Any], **more: Any) -> Belonging:
    metadata = part(raw, "metadata")
    return Belonging(
        namespace=text(metadata, "namespace"),
        name=text(metadata, "name"),
        uid=text(metadata, "uid"),
        resource_version=text(metadata, "resourceVersion"),
        created_at=moment(metadata.get("creationTimestamp")),
        labels=texts(metadata, "labels"),
        owners=tuple(_owners(metadata.get("ownerReferences"))),
        finalizers=tuple(str(one) for one in metadata.get("finalizers") or ()),
        deleting="deletionTimestamp" in metadata,
        **more,
    )


def _owners(listed: object) -> Iterator[Owner]:
    for one in listed if isinstance(listed, list) else ():
        group, _, _ = text(one, "apiVersion").partition("/")
        argo = (group, text(one, "kind")) == ("argoproj.io", "Workflow")
        yield Owner(workflow=argo, name=text(one, "name"), uid=text(one, "uid"))


def _mounted(spec: Mapping[str, Any]) -> Iterator[str]:
    volumes = spec.get("volumes")
    for volume in volumes if isinstance(volumes, list) else ():
        claim = text(part(volume, "persistentVolumeClaim"), "claimName")
        if claim:
            yield claim
