"""Names of objects: which are possible, and what a repeated run is called. Pure.

The rules are those of https://kubernetes.io/docs/concepts/overview/working-with-objects/names/. A name that breaks them
is never sent: it could point at another path of the API.
"""

import hashlib
import re

from receiver.model.errors import RequestRefused

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LONGEST_SUBDOMAIN = 253
_LONGEST_LABEL = 63
_LONGEST_WORKFLOW = 63
"""Argo refuses longer names, since they become label values."""
_OUR_SUFFIX = re.compile(r"-r[0-9a-f]{10}$")
_QUOTED = 80


def check_namespace(namespace: str) -> None:
    """Raise `RequestRefused` unless this can be the name of a namespace."""
    if len(namespace) > _LONGEST_LABEL or not _LABEL.fullmatch(namespace):
        raise RequestRefused(
            f"{namespace[:_QUOTED]!r} cannot be the name of a namespace (RFC 1123): nothing was asked."
        )


def check_name(what: str, name: str) -> None:
    """Raise `RequestRefused` unless this can be the name of an object, of which *what* says the kind."""
    if len(name) > _LONGEST_SUBDOMAIN or not _SUBDOMAIN.fullmatch(name):
        raise RequestRefused(f"{name[:_QUOTED]!r} cannot be the name of a {what} (RFC 1123): nothing was asked.")


def resubmit_name(workflow_name: str, run_id: str) -> str:
    """Return the name for the run that repeats *workflow_name* on behalf of *run_id*.

    It is the same each time, at most 63 characters, a valid RFC 1123 name whenever *workflow_name* is one, and of no
    greater length when a run so named is repeated in its turn.
    """
    suffix = f"-r{hashlib.sha256(run_id.encode()).hexdigest()[:10]}"
    stem = _OUR_SUFFIX.sub("", workflow_name)
    return stem[: _LONGEST_WORKFLOW - len(suffix)].rstrip("-.") + suffix
