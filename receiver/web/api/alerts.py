"""Alerts: `GET /api/v1/alerts`, one of them, and what happened to it."""

from typing import Annotated

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, QueryParameter

from receiver.model.alert import AlertStatus
from receiver.model.history import AlertFilter
from receiver.model.incident import Occurrence
from receiver.model.shapes.alerts import AlertItems, AlertShape, EventItems
from receiver.model.timeline import Event
from receiver.store.history.tiers import TieredAlerts, TieredPage
from receiver.web.access import needs
from receiver.web.api.shapes import Cursor, Limit
from receiver.web.api.timeline import event_shape
from receiver.web.problems import not_found
from receiver.web.question import matchers, time
from receiver.webhook.access import Role


def alert_shape(alert: Occurrence) -> AlertShape:
    """Give an occurrence its shape."""
    return AlertShape(
        id=alert.id,
        fingerprint=alert.fingerprint,
        status=alert.status,
        inferred=alert.inferred,
        alertname=alert.alertname,
        severity=alert.severity,
        cluster=alert.subject.cluster,
        namespace=alert.subject.namespace,
        workflow=alert.subject.workflow,
        labels=dict(alert.labels),
        annotations=dict(alert.annotations),
        starts_at=alert.starts_at,
        ends_at=alert.ends_at,
        first_seen_at=alert.first_seen_at,
        last_seen_at=alert.last_seen_at,
        deliveries=alert.deliveries,
        group_key=alert.group_key,
        receiver=alert.receiver,
        generator_url=alert.generator_url,
        incident_id=alert.incident_id,
    )


def alert_items(found: TieredPage[Occurrence]) -> AlertItems:
    """Give a page its shape."""
    return AlertItems(
        items=[alert_shape(alert) for alert in found.page.items],
        next=found.page.next,
        previous=found.page.previous,
        tiers=list(found.tiers),
    )


def event_items(found: TieredPage[Event]) -> EventItems:
    """Give a page of what happened its shape."""
    return EventItems(
        items=[event_shape(event) for event in found.page.items],
        next=found.page.next,
        previous=found.page.previous,
        tiers=list(found.tiers),
    )


@get(
    "/",
    summary="List alerts, newest first",
    operation_id="listAlerts",
    responses={
        503: ResponseSpec(
            data_container=None,
            generate_examples=False,
            description="Postgres does not answer, or a month that is asked for lies on S3 and cannot be read now.",
        )
    },
)
async def list_alerts(
    *,
    alerts_of_all_tiers: NamedDependency[TieredAlerts],
    status: FromQuery[AlertStatus | None] = None,
    alertname: FromQuery[str | None] = None,
    severity: FromQuery[str | None] = None,
    namespace: FromQuery[str | None] = None,
    workflow: FromQuery[str | None] = None,
    fingerprint: FromQuery[str | None] = None,
    label: Annotated[
        list[str] | None,
        QueryParameter(description="Condition on a label, repeatable: `team=a`, `team!=a`, `team=~a|b`, `team!~a|b`."),
    ] = None,
    since: Annotated[str | None, QueryParameter(description="Earliest `starts_at`, RFC 3339.")] = None,
    until: Annotated[str | None, QueryParameter(description="First `starts_at` that is too late, RFC 3339.")] = None,
    q: Annotated[
        str | None,
        QueryParameter(description="Words in values of labels or annotations, in capitals or not."),
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> AlertItems:
    """Answer with the newest alerts that all filters want. A long search may give a short page with a `next`."""
    wanted = AlertFilter(
        status=status,
        alertname=alertname,
        severity=severity,
        namespace=namespace,
        workflow=workflow,
        fingerprint=fingerprint,
        labels=matchers(label),
        since=time(since, "since"),
        until=time(until, "until"),
        q=q,
    )
    return alert_items(await alerts_of_all_tiers.page(wanted, limit=limit, cursor=cursor))


@get("/{alert_id:str}", summary="Show one alert", operation_id="getAlert")
async def get_alert(alerts_of_all_tiers: NamedDependency[TieredAlerts], alert_id: FromPath[str]) -> AlertShape:
    """Answer with one occurrence of an alert, wherever it lies."""
    found = await alerts_of_all_tiers.get(alert_id)
    if found is None:
        raise _absent(alert_id)
    return alert_shape(found)


@get("/{alert_id:str}/timeline", summary="Tell what happened to an alert", operation_id="getAlertTimeline")
async def get_alert_timeline(
    alerts_of_all_tiers: NamedDependency[TieredAlerts],
    alert_id: FromPath[str],
    limit: Limit = 100,
    cursor: Cursor = None,
) -> EventItems:
    """Answer with everything that happened to one alert, oldest first, wherever it lies."""
    found = await alerts_of_all_tiers.timeline(alert_id, limit=limit, cursor=cursor)
    if found is None:
        raise _absent(alert_id)
    return event_items(found)


def _absent(alert_id: str) -> Exception:
    return not_found(f"there is no alert {alert_id!r}; ids look like 202611-42, and GET /api/v1/alerts lists them")


ROUTER = Router(
    "/alerts", route_handlers=[list_alerts, get_alert, get_alert_timeline], opt=needs(Role.VIEWER), tags=["alerts"]
)
