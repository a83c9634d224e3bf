"""Failures of the Kubernetes API and of the way to it, in our words."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import urllib3.exceptions
from kubernetes import client, config

from receiver.model.errors import (
    AlreadyExists,
    ClusterBusy,
    ClusterError,
    ClusterUnreachable,
    Conflict,
    Forbidden,
    NotFound,
    PreconditionFailed,
    RequestRefused,
    Unauthorized,
)

_LONGEST_QUOTE = 300
_SERVER_FAILED = 500
_TOO_MANY_REQUESTS = 429
_OTHER_UID = ("the UID in the precondition", "Precondition failed: UID in precondition")
"""The only words by which the API server tells a wrong uid of a deletion from a wrong version: both are 409 Conflict.

The second ones come where the object is replaced while it is being deleted; seen on Kubernetes 1.36.
"""


class ListExpired(ClusterBusy):
    """The later pages of a list are no longer to be had. List again from the beginning."""


@contextmanager
def translated(action: str) -> Iterator[None]:
    """Let every failure inside become a `ClusterError` that names *action*, such as `read workflow argo/etl`."""
    try:
        yield
    except client.ApiException as refused:
        raise _meaning(refused, action) from refused
    except config.ConfigException as broken:
        raise Unauthorized(f"Could not {action}: our credentials cannot be read. Renew them.") from broken
    except (urllib3.exceptions.HTTPError, OSError) as lost:
        raise ClusterUnreachable(
            f"Could not {action}: the Kubernetes API gave no answer ({type(lost).__name__}). "
            "Check that it is up and can be reached from here."
        ) from lost
    except (ValueError, RecursionError) as garbled:
        raise ClusterUnreachable(
            f"Could not {action}: what answered is not the Kubernetes API. Check the address and any proxy before it."
        ) from garbled


def _meaning(refused: client.ApiException, action: str) -> ClusterError:
    status = _status(refused)
    said = _quote(status.get("message") or refused.reason or "no reason given")
    code = refused.status or 0
    if code == _TOO_MANY_REQUESTS or code >= _SERVER_FAILED:
        return ClusterBusy(
            f"Could not {action}: the Kubernetes API is not able to at the moment ({code}: {said}). Try again later.",
            retry_after=_retry_after(refused),
        )
    return _REFUSALS.get(code, _refused)(status, f"Could not {action}: {said}")


def _refused(_: dict[str, Any], said: str) -> ClusterError:
    return RequestRefused(f"{said}.")


def _unreachable(_: dict[str, Any], said: str) -> ClusterError:
    return ClusterUnreachable(f"{said}. Check the certificates on both sides.")


def _unauthorized(_: dict[str, Any], said: str) -> ClusterError:
    return Unauthorized(f"{said}. The token is not accepted: renew it.")


def _forbidden(_: dict[str, Any], said: str) -> ClusterError:
    return Forbidden(f"{said}. Grant that right to Receiver's account, or do without.")


def _not_found(_: dict[str, Any], said: str) -> ClusterError:
    return NotFound(f"{said}. It was deleted, or never was.")


def _conflict(status: dict[str, Any], said: str) -> ClusterError:
    if status.get("reason") == "AlreadyExists":
        return AlreadyExists(f"{said}.")
    if any(words in said for words in _OTHER_UID):
        return PreconditionFailed(f"{said}. Another object has that name now; nothing was changed.")
    return Conflict(f"{said}. Somebody else changed it at the same time: repeat it.")


def _expired(_: dict[str, Any], said: str) -> ClusterError:
    return ListExpired(f"{said}.")


def _invalid(status: dict[str, Any], said: str) -> ClusterError:
    causes = (status.get("details") or {}).get("causes") or []
    if any(cause.get("field") == "metadata.uid" for cause in causes):
        return PreconditionFailed(f"{said}. Another object has that name now; nothing was changed.")
    return RequestRefused(f"{said}.")


_REFUSALS = {
    0: _unreachable,
    401: _unauthorized,
    403: _forbidden,
    404: _not_found,
    409: _conflict,
    410: _expired,
    422: _invalid,
}


def _status(refused: client.ApiException) -> dict[str, Any]:
    """Return the Status object of a refusal; empty where something else than the API server answered."""
    try:
        status = json.loads(refused.body or "")
    except ValueError:
        return {}
    return status if isinstance(status, dict) else {}


def _quote(text: str) -> str:
    calm = " ".join(text.split())
    return calm if len(calm) <= _LONGEST_QUOTE else f"{calm[:_LONGEST_QUOTE]}…"


def _retry_after(refused: client.ApiException) -> timedelta | None:
    said = (refused.headers or {}).get("Retry-After", "")
    return timedelta(seconds=int(said)) if said.isdecimal() else None
