"""Whether a request was signed by Slack for us, and now: https://docs.slack.dev/authentication/verifying-requests-from-slack."""

import hashlib
import hmac
import re
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

WINDOW: Final = timedelta(minutes=5)
"""A request is signed no longer ago than this, nor from further in the future."""

_TIMESTAMP: Final = re.compile(rb"[0-9]{1,12}")


class Fault(Enum):
    """Why a request is not believed to come from Slack."""

    FORGED = "forged"
    """It is not signed with our secret, or says not when."""
    EXPIRED = "expired"
    """It is signed, at another time: somebody may have kept it."""


def fault_of(secret: str, *, timestamp: bytes, signature: bytes, body: bytes, now: datetime) -> Fault | None:
    """Judge a request; None for one that Slack signed within `WINDOW`.

    The signature is compared in constant time, so that the time of the answer tells nothing.

    Args:
        secret: The app's signing secret.
        timestamp: Header `X-Slack-Request-Timestamp`, empty where it is missing.
        signature: Header `X-Slack-Signature`, likewise.
        body: As it came, byte for byte.
        now: The present time.
    """
    expected = b"v0=" + hmac.new(secret.encode(), b"v0:" + timestamp + b":" + body, hashlib.sha256).hexdigest().encode()
    if not hmac.compare_digest(expected, signature) or _TIMESTAMP.fullmatch(timestamp) is None:
        return Fault.FORGED
    return Fault.EXPIRED if abs(now.timestamp() - int(timestamp)) > WINDOW.total_seconds() else None
