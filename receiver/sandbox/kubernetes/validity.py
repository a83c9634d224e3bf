"""What the API server demands of names, labels and annotations.

The rules are those of Kubernetes' "Object Names and IDs" and "Labels and Selectors":
https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
"""

import re
from collections.abc import Iterator

from receiver.sandbox.kubernetes import refusal, workload
from receiver.sandbox.kubernetes.kind import NAMESPACE, POD, Json, Kind

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")

_ENDS = "and must start and end with an alphanumeric character"
_LABEL_WORDS = f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', {_ENDS}"
_SUBDOMAIN_WORDS = (
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', {_ENDS}"
)
_QUALIFIED_WORDS = f"consist of alphanumeric characters, '-', '_' or '.', {_ENDS}"

_LONGEST_LABEL = 63
_LONGEST_SUBDOMAIN = 253
_MOST_ANNOTATION_BYTES = 256 * 1024

Cause = tuple[str, str]


def check(kind: Kind, body: Json) -> None:
    """Raise `Refusal` 422 unless the name, the metadata and the required fields of *body* are as they must be."""
    metadata = body["metadata"]
    name = metadata.get("name", "")
    causes = [
        *_name_causes(kind, name),
        *_label_causes(metadata.get("labels") or {}),
        *_annotation_causes(metadata.get("annotations") or {}),
        *((part, "Required value") for part in kind.required if part not in body),
        *_type_causes(kind, body),
        *(_pod_causes(body) if kind is POD else ()),
        *workload.causes(kind, body),
    ]
    if causes:
        raise refusal.invalid(kind, name, *causes)


def check_types(body: Json) -> None:
    """Raise `Refusal` 400 unless labels and annotations are maps of text to text, and lists are lists."""
    metadata = body.get("metadata", {})
    if not isinstance(metadata, dict):
        raise refusal.bad_request("the object provided is unrecognized: metadata must be an object")
    for part in ("labels", "annotations"):
        found = metadata.get(part) or {}
        if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
            raise refusal.bad_request(
                f"json: cannot unmarshal into Go struct field ObjectMeta.metadata.{part} of type string"
            )
    for part in ("finalizers", "ownerReferences"):
        if not isinstance(metadata.get(part) or [], list):
            raise refusal.bad_request(
                f"json: cannot unmarshal into Go struct field ObjectMeta.metadata.{part} of type slice"
            )


def _name_causes(kind: Kind, name: str) -> Iterator[Cause]:
    if not name:
        yield "metadata.name", "Required value: name or generateName is required"
        return
    longest, pattern, words = (
        (_LONGEST_LABEL, _LABEL, _LABEL_WORDS)
        if kind is NAMESPACE
        else (_LONGEST_SUBDOMAIN, _SUBDOMAIN, _SUBDOMAIN_WORDS)
    )
    if len(name) > longest:
        yield "metadata.name", f'Invalid value: "{name}": must be no more than {longest} characters'
    elif not pattern.fullmatch(name):
        yield "metadata.name", f'Invalid value: "{name}": {words}'


def _label_causes(labels: dict[str, str]) -> Iterator[Cause]:
    for key, value in labels.items():
        yield from _key_causes("metadata.labels", key)
        if len(value) > _LONGEST_LABEL:
            yield "metadata.labels", f'Invalid value: "{value}": must be no more than {_LONGEST_LABEL} characters'
        elif value and not _QUALIFIED.fullmatch(value):
            yield "metadata.labels", f'Invalid value: "{value}": a valid label must be empty or {_QUALIFIED_WORDS}'


def _annotation_causes(annotations: dict[str, str]) -> Iterator[Cause]:
    for key in annotations:
        yield from _key_causes("metadata.annotations", key.lower())
    if sum(len(key) + len(value.encode()) for key, value in annotations.items()) > _MOST_ANNOTATION_BYTES:
        yield "metadata.annotations", f"Too long: may not be more than {_MOST_ANNOTATION_BYTES} bytes"


def _key_causes(where: str, key: str) -> Iterator[Cause]:
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > _LONGEST_SUBDOMAIN or not _SUBDOMAIN.fullmatch(prefix)):
        yield where, f'Invalid value: "{key}": prefix part {_SUBDOMAIN_WORDS}'
    if len(name) > _LONGEST_LABEL or not _QUALIFIED.fullmatch(name):
        yield where, f'Invalid value: "{key}": name part must {_QUALIFIED_WORDS}'


def _type_causes(kind: Kind, body: Json) -> Iterator[Cause]:
    for part in ("spec", "status"):
        if kind.custom and part in body and not isinstance(body[part], dict):
            found = "null" if body[part] is None else type(body[part]).__name__
            yield part, f'Invalid value: "{found}": {part} in body must be of type object: "{found}"'


def _pod_causes(body: Json) -> Iterator[Cause]:
    return workload.container_causes("spec", body.get("spec", {}))
