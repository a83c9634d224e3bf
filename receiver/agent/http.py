"""Questions to other places over HTTP: asked once, within a time and a length."""

import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import timedelta
from http.client import HTTPException
from typing import Final

from receiver.agent.run import one_line
from receiver.agent.trouble import CheckFailed

MOST_BYTES: Final = 64 * 1024
"""Of an answer; an agent says of its health less than a tenth of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, whatever its status."""

    status: int
    body: bytes


def ask(url: str, limit: timedelta) -> Answer:
    """Ask for a page.

    Args:
        url: Over http or https; nothing else is opened.
        limit: Of each wait for the other side. Whoever drips byte by byte can take longer: the caller holds the whole.

    Raises:
        CheckFailed: No answer came.
    """
    if not url.startswith(("http://", "https://")):
        raise CheckFailed(f"{one_line(url)} is no address of a web server: it must begin with http:// or https://")
    try:
        with urllib.request.urlopen(url, timeout=limit.total_seconds()) as answer:  # noqa: S310 - its scheme is checked above
            return Answer(status=answer.status, body=answer.read(MOST_BYTES))
    except urllib.error.HTTPError as refusal:
        with refusal:
            return Answer(status=refusal.code, body=refusal.read(MOST_BYTES))
    except (OSError, HTTPException, ValueError) as error:
        raise CheckFailed(f"{url} does not answer: {one_line(str(error) or type(error).__name__)}") from error
