"""Alerts, and what happened to them, as the API answers."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from receiver.model.alert import AlertStatus
from receiver.model.shapes.timeline import EventShape


class AlertShape(Struct, frozen=True, kw_only=True):
    """One occurrence: one uninterrupted firing of one series."""

    id: Annotated[str, Meta(description="`YYYYMM-number`; stays the same for ever.")]
    fingerprint: Annotated[str, Meta(description="Alertmanager's hash over the labels, 16 hex digits.")]
    status: AlertStatus
    inferred: Annotated[bool, Meta(description="Whether its end was concluded, not delivered by Alertmanager.")]
    alertname: str
    severity: Annotated[str, Meta(description="The label of that name; empty where there is none.")]
    cluster: Annotated[str, Meta(description="What the labels say it is about; empty where they do not.")]
    namespace: Annotated[str, Meta(description="What the labels say it is about; empty where they do not.")]
    workflow: Annotated[str, Meta(description="What the labels say it is about; empty where they do not.")]
    labels: Annotated[dict[str, str], Meta(description="As sent, so they are not to be trusted.")]
    annotations: Annotated[dict[str, str], Meta(description="The newest wording, as sent; not to be trusted.")]
    starts_at: datetime
    ends_at: Annotated[datetime | None, Meta(description="Null while it fires.")]
    first_seen_at: Annotated[datetime, Meta(description="Receipt of the first telling.")]
    last_seen_at: Annotated[datetime, Meta(description="Receipt of the newest telling.")]
    deliveries: Annotated[int, Meta(description="How often it was told.")]
    group_key: str
    receiver: Annotated[str, Meta(description="Name of Alertmanager's receiver.")]
    generator_url: Annotated[str, Meta(description="Link to the expression, as sent; possibly empty.")]
    incident_id: Annotated[int | None, Meta(description="The story that it belongs to.")]


class AlertItems(Struct, frozen=True, kw_only=True):
    """One page of alerts, and where it was read."""

    items: Annotated[list[AlertShape], Meta(description="May be fewer than asked for, or none, although more follow.")]
    next: Annotated[str | None, Meta(description="Cursor of the page that follows; null at the end.")]
    previous: Annotated[str | None, Meta(description="Cursor of the page before; null at the beginning.")]
    tiers: Annotated[
        list[str],
        Meta(
            description="Where the page was read: `postgres`, and `s3` where months that were exported and pruned lie "
            "within `since` and `until`. Without either, Postgres alone is asked."
        ),
    ]


class EventItems(Struct, frozen=True, kw_only=True):
    """One page of what happened to an alert, and where it was read."""

    items: Annotated[list[EventShape], Meta(description="Oldest first.")]
    next: Annotated[str | None, Meta(description="Cursor of the page that follows; null at the end.")]
    previous: Annotated[str | None, Meta(description="Cursor of the page before; null at the beginning.")]
    tiers: Annotated[
        list[str], Meta(description="`postgres`, and `s3` where months of its time were exported and pruned.")
    ]
