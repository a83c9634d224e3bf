"""The grammar of one delivery: Alertmanager's webhook message of version 4, 0.25 to the newest.

Only `version`, and `labels` and `startsAt` of each alert, are asked for; whatever else a version adds or leaves out is
tolerated. Source: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config and the captured deliveries
in `tests/data/deliveries`.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Final
from uuid import UUID, uuid4

import msgspec
from msgspec.structs import replace

from receiver.model.alert import Alert, AlertStatus, Delivery, Fingerprint
from receiver.model.errors import DeliveryError

MOST_ALERTS: Final = 20_000
"""Alerts of one delivery: twenty times the largest group that was seen; more would hold up all other deliveries."""

MOST_LABELS: Final = 200
"""Labels of one alert. Prometheus' own targets rarely carry thirty."""

MOST_TRUNCATED: Final = 2**31 - 1

_QUOTED: Final = 60
"""Characters of a wrong value that an error repeats."""

_FINGERPRINT: Final = re.compile(r"[0-9a-f]{16}")
# RFC 3339 as Go writes it: at most nine digits of a second's fraction.
_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt](?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_NEVER: Final = datetime(1, 1, 1, tzinfo=UTC)
"""Go's zero time, Alertmanager's word for: it has not ended."""

# One alternative for each kind of escape, so that a backslash that is itself escaped never begins one.
_ESCAPE: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)
_PLACE: Final = re.compile(r"(?P<reason>.*?)(?: - at `(?:key in )?\$\.?(?P<path>.*)`)?", re.DOTALL)

_Text = str | None
_Texts = dict[str, str] | None


class _Alert(msgspec.Struct, rename="camel"):
    labels: dict[str, str]
    starts_at: str
    status: _Text = None
    annotations: _Texts = None
    ends_at: _Text = None
    generator_url: _Text = msgspec.field(default=None, name="generatorURL")
    fingerprint: _Text = None


class _Message(msgspec.Struct, rename="camel"):
    version: msgspec.Raw = msgspec.Raw()
    alerts: list[_Alert] | msgspec.UnsetType = msgspec.UNSET
    receiver: _Text = None
    group_key: _Text = None
    group_labels: _Texts = None
    external_url: _Text = msgspec.field(default=None, name="externalURL")
    truncated_alerts: Annotated[int, msgspec.Meta(ge=0, le=MOST_TRUNCATED)] | None = None


_DECODER: Final = msgspec.json.Decoder(_Message)


def parse(body: bytes, received_at: datetime, *, key: UUID | None = None) -> Delivery:
    """Read one delivery.

    NUL characters, which Postgres cannot keep, and halves of surrogate pairs, which no text can hold, become U+FFFD;
    the body itself is kept byte for byte. An empty list of alerts is accepted: there is nothing to do.

    Args:
        body: The request's body.
        received_at: When it came; aware, UTC.
        key: The key under which it is recorded once; a new one where none was made before.

    Raises:
        DeliveryError: It is not such a message; says why and where.
    """
    message = _decode(body)
    alerts = _checked(message)
    delivery = Delivery(
        key=key or uuid4(),
        received_at=received_at,
        receiver=message.receiver or "",
        group_key=message.group_key or "",
        group_labels=message.group_labels or {},
        external_url=message.external_url or "",
        truncated_alerts=message.truncated_alerts or 0,
        alerts=tuple(_alert(alert, f"alerts[{index}]", received_at) for index, alert in enumerate(alerts)),
        body=body,
    )
    return _without_nul(delivery) if rb"\u0000" in body else delivery


def fingerprint_of(labels: Mapping[str, str]) -> Fingerprint:
    """Compute what Alertmanager would: FNV-1a, 64 bits, over the sorted labels, each name and value ended by 0xff."""
    digest = 0xCBF29CE484222325
    for name, value in sorted(labels.items()):
        for byte in b"%b\xff%b\xff" % (name.encode(), value.encode()):
            digest = ((digest ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return Fingerprint(f"{digest:016x}")


def parse_time(text: str, place: str = "") -> datetime:
    """Read an RFC 3339 time as UTC, truncated (never rounded) to microseconds.

    Args:
        text: The sender's text.
        place: Where it stands, for the error.

    Raises:
        DeliveryError: It is none, or lies outside of the years 1 to 9999 in UTC.
    """
    if _TIME.fullmatch(text) is None:
        raise DeliveryError(
            f"{_quote(text)} is not a time as in RFC 3339, such as 2026-11-24T03:22:31.673Z", place=place
        )
    try:
        # Beyond microseconds it truncates, as it is documented to; what else it would take, the pattern has refused.
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise DeliveryError(f"{_quote(text)} is not a time that exists: {error}", place=place) from error


def _decode(body: bytes) -> _Message:
    try:
        return _decode_strictly(body)
    except msgspec.ValidationError as error:
        raise _explain(error) from error
    except RecursionError as error:
        raise DeliveryError("the body is nested deeper than any Alertmanager message") from error
    except ValueError as error:
        reason = f"the body is not JSON: {error}" if body.strip() else "the body is empty"
        raise DeliveryError(reason) from error


def _decode_strictly(body: bytes) -> _Message:
    """Decode a body; one with halves of surrogate pairs, which the decoder refuses, is mended and decoded again."""
    try:
        return _DECODER.decode(body)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        mended = _ESCAPE.sub(_whole, body)
        if mended == body:
            raise
        return _DECODER.decode(mended)


def _whole(escape: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if escape[1] else escape[0]


def _explain(error: msgspec.ValidationError) -> DeliveryError:
    found = _PLACE.fullmatch(str(error))
    reason, path = (found["reason"], found["path"] or "") if found else (str(error), "")
    if not path and "array" not in reason.partition(",")[0]:
        reason = f"the body is not a JSON object as Alertmanager sends it: {reason}"
    return DeliveryError(reason, place=path.removesuffix("[...]"))


def _checked(message: _Message) -> list[_Alert]:
    """Return the alerts of a message that is what it must be as a whole."""
    version, alerts = bytes(message.version), message.alerts
    if not version and alerts is msgspec.UNSET:
        raise DeliveryError(
            "the body has neither version nor alerts. If the sender is Alertmanager, its webhook_config sets "
            "`payload`, which replaces the whole message: remove it. Else post to an Alertmanager that notifies us"
        )
    if version != b'"4"':
        found = _quote(version.decode(errors="replace")) if version else "none"
        raise DeliveryError(
            f'the version must be "4", found {found}. Receiver reads webhook messages of Alertmanager 0.25 and newer: '
            "point a webhook_config of such a one here",
            place="version",
        )
    if alerts is msgspec.UNSET:
        raise DeliveryError("the list of alerts is missing", place="alerts")
    if len(alerts) > MOST_ALERTS:
        raise DeliveryError(
            f"{len(alerts)} alerts are more than the {MOST_ALERTS} of one delivery: set group_by or max_alerts",
            place="alerts",
        )
    return alerts


def _alert(alert: _Alert, place: str, received_at: datetime) -> Alert:
    if len(alert.labels) > MOST_LABELS:
        raise DeliveryError(f"{len(alert.labels)} labels are more than {MOST_LABELS}", place=f"{place}.labels")
    status, ends_at = _ending(alert, place, received_at)
    return Alert(
        fingerprint=_fingerprint(alert, place),
        status=status,
        labels=alert.labels,
        annotations=alert.annotations or {},
        starts_at=parse_time(alert.starts_at, f"{place}.startsAt"),
        starts_at_text=alert.starts_at,
        ends_at=ends_at,
        generator_url=alert.generator_url or "",
    )


def _ending(alert: _Alert, place: str, received_at: datetime) -> tuple[AlertStatus, datetime | None]:
    """Say whether an alert is over, and since when.

    Each alert has a status of its own; the message's says only that one of them fires. Where it has none, it is over
    when its end has come, as Alertmanager itself judges. A resolve that names no end ended at the latest now.
    """
    if alert.status == "firing":
        return AlertStatus.FIRING, None
    if alert.status not in {None, "resolved"}:
        raise DeliveryError(f'{_quote(str(alert.status))} is neither "firing" nor "resolved"', place=f"{place}.status")
    ends_at = parse_time(alert.ends_at, f"{place}.endsAt") if alert.ends_at else _NEVER
    if alert.status is None and (ends_at == _NEVER or ends_at > received_at):
        return AlertStatus.FIRING, None
    return AlertStatus.RESOLVED, received_at if ends_at == _NEVER else ends_at


def _fingerprint(alert: _Alert, place: str) -> Fingerprint:
    if not alert.fingerprint:
        return fingerprint_of(alert.labels)
    if _FINGERPRINT.fullmatch(alert.fingerprint) is None:
        raise DeliveryError(
            f"{_quote(alert.fingerprint)} is not a fingerprint of 16 hex digits", place=f"{place}.fingerprint"
        )
    return Fingerprint(alert.fingerprint)


def _without_nul(delivery: Delivery) -> Delivery:
    alerts = (
        replace(
            alert,
            labels=_clean_texts(alert.labels),
            annotations=_clean_texts(alert.annotations),
            generator_url=_clean(alert.generator_url),
        )
        for alert in delivery.alerts
    )
    return replace(
        delivery,
        receiver=_clean(delivery.receiver),
        group_key=_clean(delivery.group_key),
        group_labels=_clean_texts(delivery.group_labels),
        external_url=_clean(delivery.external_url),
        alerts=tuple(alerts),
    )


def _clean(text: str) -> str:
    return text.replace("\0", "\ufffd")


def _clean_texts(texts: Mapping[str, str]) -> Mapping[str, str]:
    return {_clean(name): _clean(text) for name, text in texts.items()}


def _quote(text: str) -> str:
    return repr(text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…")
