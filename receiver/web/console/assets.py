"""Stylesheet and scripts, from this package: none of them comes from elsewhere, and none is built.

`htmx.min.js` and `hx-sse.min.js` are htmx 4.0.1, unchanged as the npm package `htmx.org` has them; their licence is
beside them. An address names the content, so that browsers keep a file for ever and never an old one.
"""

import hashlib
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from typing import Final

from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from receiver.web.access import OPEN

_TYPES: Final = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "hx-sse.min.js": "text/javascript; charset=utf-8",
    "login.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_FOR_EVER: Final = "public, max-age=31536000, immutable"


@cache
def _content(name: str) -> tuple[bytes, str]:
    body = (files("receiver.web.console") / "assets" / name).read_bytes()
    return body, hashlib.sha256(body).hexdigest()[:16]


def address(name: str) -> str:
    """Give the address of a file, which changes with its content."""
    return f"/assets/{_content(name)[1]}/{name}"


@get("/assets/{digest:str}/{name:str}", opt=OPEN, include_in_schema=False)
async def asset(digest: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """Answer with a file; everybody may have it, since the page on which one logs in needs it."""
    if name not in _TYPES:
        raise NotFoundException(detail="there is no such file")
    body, current = _content(name)
    keep = _FOR_EVER if digest == current else "no-store"
    return Response(body, media_type=_TYPES[name], status_code=HTTPStatus.OK.value, headers={"cache-control": keep})
