"""Every error: what was wrong with the question, and nothing of our insides.

Programs are answered `application/problem+json`, browsers a page; who has to log in first is led there.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from receiver.model.errors import EvidenceAway, HistoryAway, QueryRefused, StoreUnavailable
from receiver.web.console.page import page
from receiver.webhook.problem import PROBLEM_TYPE, problem

RETRY_AFTER: Final = "5"
"""Seconds after which a client may ask again while the database is away."""

LOGIN: Final = "/login"
"""Where a browser is led that has not said who it is."""

_API: Final = "/api/"

_DETAILS: Final = {
    HTTPStatus.NOT_FOUND: "there is nothing at this address; GET /schema lists what there is",
    HTTPStatus.METHOD_NOT_ALLOWED: "this address does not answer that method; GET /schema lists what it answers",
}

_log = structlog.get_logger(__name__)

AnyRequest = Request[Any, Any, Any]
Answer = Response[bytes] | Response[str]


def not_found(detail: str) -> HTTPException:
    """Make the error for something that is not there."""
    return HTTPException(status_code=HTTPStatus.NOT_FOUND.value, detail=detail)


def conflict(detail: str) -> HTTPException:
    """Make the error for something that cannot be asked as things stand."""
    return HTTPException(status_code=HTTPStatus.CONFLICT.value, detail=detail)


def _of_http(request: AnyRequest, error: HTTPException) -> Answer:
    status = HTTPStatus(error.status_code)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _of_bug(request, error)
    reasons = _reasons(error.extra)
    if reasons:
        detail = "; ".join(
            f"{one['parameter']}: {one['reason']}" if one["parameter"] else one["reason"] for one in reasons
        )
        return _answer(request, status, detail, error.headers, errors=reasons)
    return _answer(request, status, _detail(status, error), error.headers)


def _of_query(request: AnyRequest, error: QueryRefused) -> Answer:
    reasons = [{"parameter": error.parameter, "reason": error.reason}]
    return _answer(request, HTTPStatus.BAD_REQUEST, str(error), errors=reasons)


def _of_outage(request: AnyRequest, error: StoreUnavailable) -> Answer:
    _log.warning("request_without_database", path=request.scope["path"], reason=str(error))
    detail = "the database does not answer at the moment; ask again"
    return _answer(request, HTTPStatus.SERVICE_UNAVAILABLE, detail, {"retry-after": RETRY_AFTER})


def _of_cold(request: AnyRequest, error: HistoryAway | EvidenceAway) -> Answer:
    _log.warning("request_without_s3", path=request.scope["path"], reason=str(error), cause=str(error.__cause__ or ""))
    return _answer(request, HTTPStatus.SERVICE_UNAVAILABLE, str(error), {"retry-after": RETRY_AFTER})


def _of_bug(request: AnyRequest, error: Exception) -> Answer:
    _log.error("request_failed", path=request.scope["path"], method=request.scope["method"], exc_info=error)
    return _answer(request, HTTPStatus.INTERNAL_SERVER_ERROR, "this could not be answered; the service's log says why")


HANDLED: Final[ExceptionHandlersMap] = {
    HTTPException: _of_http,
    QueryRefused: _of_query,
    StoreUnavailable: _of_outage,
    HistoryAway: _of_cold,
    EvidenceAway: _of_cold,
    Exception: _of_bug,
}


def wants_page(request: AnyRequest) -> bool:
    """Answer whether a browser asks: whoever accepts HTML by name, of anything but the API."""
    return "text/html" in request.headers.get("accept", "") and not request.scope["path"].startswith(_API)


def _answer(
    request: AnyRequest,
    status: HTTPStatus,
    detail: str,
    headers: Mapping[str, str] | None = None,
    **more: object,
) -> Answer:
    if wants_page(request):
        return _shown(request, status, detail)
    return Response(
        problem(status, detail, **more), status_code=status.value, media_type=PROBLEM_TYPE, headers=dict(headers or {})
    )


def _shown(request: AnyRequest, status: HTTPStatus, detail: str) -> Response[str]:
    """Answer a browser. It is not challenged: it would ask for a password, and keep it."""
    query = request.scope["query_string"].decode("ascii", "replace")
    asked = request.scope["path"] + (f"?{query}" if query else "")
    shown = page(request, "error.html", status=status.value, title=status.phrase, detail=detail)
    if status is not HTTPStatus.UNAUTHORIZED:
        return shown
    if "hx-request" in request.headers:
        shown.headers["hx-redirect"] = LOGIN
    elif request.scope["method"] == "GET":
        shown.status_code = HTTPStatus.SEE_OTHER.value
        shown.headers["location"] = f"{LOGIN}?{urlencode({'next': asked})}"
    return shown


def _detail(status: HTTPStatus, error: HTTPException) -> str:
    said = error.detail
    return _DETAILS.get(status, said) if not said or said == status.phrase else said


def _reasons(extra: object) -> list[dict[str, str]]:
    """Read what Litestar says about each wrong parameter."""
    if not isinstance(extra, list):
        return []
    return [
        {"parameter": str(one.get("key", "")), "reason": str(one.get("message", ""))}
        for one in extra
        if isinstance(one, Mapping)
    ]
