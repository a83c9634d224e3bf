"""How an error is worded over HTTP: RFC 9457, `application/problem+json`, the same at every door."""

from http import HTTPStatus
from typing import Final

import msgspec

PROBLEM_TYPE: Final = "application/problem+json"


def problem(status: HTTPStatus, detail: str, **more: object) -> bytes:
    """Write the body of an error.

    Args:
        status: The answer's status, whose phrase is the title.
        detail: What happened and what to do, for a person; never a secret.
        more: Further members as JSON values, such as `place`.
    """
    members = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    return msgspec.json.encode(members | more)
