"""Pages: templates with what they show, and the headers that keep strangers' text from becoming anything else."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import MediaType, Response
from litestar.connection import ASGIConnection

from receiver import __version__
from receiver.model.duration import format_duration
from receiver.web.console.assets import address
from receiver.webhook.access import LOCAL, Caller, Role

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of a page: nothing inline, nothing from elsewhere."""

HEADERS: Final = {
    "content-security-policy": POLICY,
    # Not `no-referrer`: with it browsers leave out the origin of a form, by which we know our own.
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cross-origin-opener-policy": "same-origin",
}

PAGES: Final = (
    ("/", "Now"),
    ("/history", "History"),
    ("/playbooks", "Playbooks"),
    ("/archives", "Archives"),
    ("/outbox", "Outbox"),
    ("/deadletters", "Dead letters"),
    ("/system", "System"),
)
"""What the line at the top leads to."""

Connection = ASGIConnection[Any, Any, Any, Any]


@cache
def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader("receiver.web.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"length": length, "moment": moment, "size": size, "word": word}
    made.globals |= {"asset": address, "pages": PAGES, "version": __version__}
    return made


def page(request: Connection, name: str, *, status: int = 200, **shown: Any) -> Response[str]:
    """Answer with a page.

    Args:
        request: Who asks, and for which path.
        name: The template's.
        status: Of the answer.
        shown: What the template says.
    """
    caller = request.scope.get("user")
    known = caller if isinstance(caller, Caller) else None
    said: Mapping[str, Any] = {
        "caller": known,
        "is_local": known is LOCAL,
        "may_act": known is not None and known.may(Role.OPERATOR),
        "may_rule": known is not None and known.may(Role.ADMIN),
        "path": request.scope["path"],
        "now": datetime.now(UTC),
    }
    text = _templates().get_template(name).render({**said, **shown})
    return Response(text, status_code=status, media_type=MediaType.HTML, headers=HEADERS)


def length(span: timedelta | float | None) -> str:
    """Write a length of time for people; a number counts seconds."""
    if span is None:
        return "-"
    return format_duration(span if isinstance(span, timedelta) else timedelta(seconds=span))


def moment(at: datetime) -> str:
    """Write a time for people, in UTC as everywhere else."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def size(count: int) -> str:
    """Write a number of bytes for people."""
    number = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:  # noqa: PLR2004 - the step between two units
            return f"{number:.0f} {unit}" if unit == "B" or number >= 100 else f"{number:.1f} {unit}"  # noqa: PLR2004
        number /= 1000
    return f"{number:.1f} TB"


def word(value: Enum) -> str:
    """Write a state for people: `timed_out` is two words."""
    return str(value.value).replace("_", " ")
