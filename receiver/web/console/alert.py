"""`/alerts/{id}`: one occurrence of an alert, what happened to it, and how often its series has fired before."""

from typing import Any, Final
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from receiver.model.history import AlertFilter
from receiver.model.incident import Occurrence
from receiver.store.history.page import MOST
from receiver.store.history.tiers import TieredAlerts
from receiver.web.access import needs
from receiver.web.console.incident import by_day
from receiver.web.console.links import is_web
from receiver.web.console.page import page
from receiver.web.problems import not_found
from receiver.webhook.access import Role

SHOWN: Final = 50
"""Occurrences of the series on one page."""


@get("/alerts/{alert_id:str}", opt=needs(Role.VIEWER), include_in_schema=False)
async def show_alert(
    *,
    request: Request[Any, Any, Any],
    alerts_of_all_tiers: NamedDependency[TieredAlerts],
    alert_id: FromPath[str],
    cursor: FromQuery[str | None] = None,
) -> Response[str]:
    """Show one occurrence with its labels, and all of its series, newest first."""
    alert = await alerts_of_all_tiers.get(alert_id)
    if alert is None:
        raise not_found(f"there is no alert {alert_id!r}; the history has those that there are")
    happened = await alerts_of_all_tiers.timeline(alert.id, limit=MOST)
    series = await alerts_of_all_tiers.page(
        AlertFilter(fingerprint=alert.fingerprint), limit=SHOWN, cursor=cursor or None
    )
    return page(
        request,
        "alert.html",
        alert=alert,
        links=_links(alert),
        days=by_day(happened.page.items if happened else (), ()),
        listed=series.page,
        following=_address(alert, series.page.next),
        previous=_address(alert, series.page.previous),
    )


def _address(alert: Occurrence, cursor: str | None) -> str | None:
    """Give the address of another page of the same series."""
    return f"/alerts/{alert.id}?{urlencode({'cursor': cursor})}#series" if cursor else None


def _links(alert: Occurrence) -> list[tuple[str, str]]:
    """Give the links that it carries itself: its expression, and annotations that are addresses."""
    carried = {"expression": alert.generator_url, **alert.annotations}
    return [(name, url) for name, url in carried.items() if is_web(url)]
