"""What the reports of operations share: a look that fails is a line of its report, and no error."""

from collections.abc import Coroutine
from typing import Any

from receiver.model.errors import ReceiverError
from receiver.model.report import Line, unknown


async def tried(subject: str, look: Coroutine[Any, Any, list[Line]], *, advice: str) -> list[Line]:
    """Take a look, and turn what failed into a line.

    Args:
        subject: What is looked at; the line's subject where the look fails.
        look: Gives the lines.
        advice: What to do where it fails.
    """
    try:
        return await look
    except ReceiverError as error:
        return [unknown(subject, str(error), limit="known", advice=advice)]
