"""What is read of a delivery, and how what is no delivery is refused."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from receiver.model.alert import AlertStatus, Delivery
from receiver.model.errors import DeliveryError
from receiver.webhook.message import MOST_ALERTS, MOST_LABELS, fingerprint_of, parse, parse_time

DELIVERIES = Path(__file__).parents[2] / "data" / "deliveries"
CAPTURED = sorted(DELIVERIES.glob("*.json"))
DERIVED = sorted((DELIVERIES / "alertmanager-0.34").glob("*.json"))
NOW = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)


def indexed() -> list[dict[str, str]]:
    with (DELIVERIES / "INDEX.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def read(name: str) -> Delivery:
    return parse((DELIVERIES / f"{name}.json").read_bytes(), NOW)


def message(*alerts: dict[str, Any], **other: Any) -> bytes:
    return json.dumps({"version": "4", "alerts": list(alerts), **other}).encode()


def alert(**other: Any) -> dict[str, Any]:
    return {"status": "firing", "labels": {"alertname": "A"}, "startsAt": "2026-11-24T03:22:31Z", **other}


def refused(body: bytes) -> DeliveryError:
    with pytest.raises(DeliveryError) as refusal:
        parse(body, NOW)
    return refusal.value


def test_all_captured_bodies_are_here() -> None:
    assert len(CAPTURED) == 81
    assert len(DERIVED) == 5


@pytest.mark.parametrize("path", CAPTURED + DERIVED, ids=lambda path: path.stem)
def test_a_captured_body_is_read_as_it_was_written(path: Path) -> None:
    body = path.read_bytes()
    plain = json.loads(body)

    delivery = parse(body, NOW)

    assert delivery.body == body
    assert delivery.received_at == NOW
    assert delivery.receiver == plain["receiver"]
    assert delivery.group_key == plain["groupKey"]
    assert delivery.group_labels == plain["groupLabels"]
    assert delivery.truncated_alerts == plain["truncatedAlerts"]
    assert [one.status.value for one in delivery.alerts] == [one["status"] for one in plain["alerts"]]
    assert [one.starts_at_text for one in delivery.alerts] == [one["startsAt"] for one in plain["alerts"]]
    assert [one.generator_url for one in delivery.alerts] == [one["generatorURL"] for one in plain["alerts"]]
    assert [dict(one.labels) for one in delivery.alerts] == [one["labels"] for one in plain["alerts"]]


@pytest.mark.parametrize("path", CAPTURED + DERIVED, ids=lambda path: path.stem)
def test_the_fingerprint_can_be_computed_from_the_labels(path: Path) -> None:
    delivery = parse(path.read_bytes(), NOW)

    assert [fingerprint_of(one.labels) for one in delivery.alerts] == [one.fingerprint for one in delivery.alerts]


@pytest.mark.parametrize("row", indexed(), ids=lambda row: row["name"])
def test_the_counts_are_those_noted_at_capture(row: dict[str, str]) -> None:
    delivery = read(row["name"])

    assert len(delivery.alerts) == int(row["alerts"])
    assert sum(one.status is AlertStatus.FIRING for one in delivery.alerts) == int(row["firing"])
    assert delivery.truncated_alerts == int(row["truncated"])
    assert len(delivery.body) == int(row["bytes"])
    assert delivery.group_key == row["groupKey"]


@pytest.mark.parametrize("path", CAPTURED, ids=lambda path: path.stem)
def test_only_what_is_over_has_an_end(path: Path) -> None:
    for one in parse(path.read_bytes(), NOW).alerts:
        assert (one.ends_at is None) is (one.status is AlertStatus.FIRING)


def test_nul_characters_become_replacement_characters_and_the_body_keeps_them() -> None:
    delivery = read("unicode.01.firing")

    texts = delivery.alerts[0].annotations.values()
    assert rb"\u0000" in delivery.body
    assert not any("\0" in text for text in texts)
    assert any("\ufffd" in text for text in texts)


def test_nul_characters_are_replaced_everywhere() -> None:
    nul = "a\0b"
    given_alert = alert(labels={nul: nul}, annotations={nul: nul}, generatorURL=nul)

    delivery = parse(message(given_alert, receiver=nul, groupKey=nul, groupLabels={nul: nul}, externalURL=nul), NOW)

    assert "\0" not in repr(delivery).replace("\\x00", "\0").replace(repr(delivery.body), "")
    assert delivery.alerts[0].labels == {"a\ufffdb": "a\ufffdb"}


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        (rb"\ud800", "\ufffd"),
        (rb"x\udc00y", "x\ufffdy"),
        (rb"\ud800\ud83d\ude00", "\ufffd\U0001f600"),
        (rb"\\ud800\udc00", "\\ud800\ufffd"),
        (rb"\ud83d\n", "\ufffd\n"),
    ],
)
def test_half_a_surrogate_pair_becomes_a_replacement_character(escaped: bytes, text: str) -> None:
    body = message(alert(annotations={"summary": "HERE"})).replace(b"HERE", escaped)

    delivery = parse(body, NOW)

    assert delivery.alerts[0].annotations == {"summary": text}
    assert delivery.body == body


def test_nanoseconds_are_cut_in_the_time_and_kept_in_the_text() -> None:
    delivery = parse(message(alert(startsAt="2026-11-24T03:22:33.999999999Z")), NOW)

    assert delivery.alerts[0].starts_at == datetime(2026, 11, 24, 3, 22, 33, 999999, tzinfo=UTC)
    assert delivery.alerts[0].starts_at_text == "2026-11-24T03:22:33.999999999Z"


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-24T03:22:31.673Z", datetime(2026, 11, 24, 3, 22, 31, 673000, tzinfo=UTC)),
        ("2026-11-24T03:22:31.1234567+05:30", datetime(2026, 11, 23, 21, 52, 31, 123456, tzinfo=UTC)),
        ("2026-11-24T03:22:31-00:30", datetime(2026, 11, 24, 3, 52, 31, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00-14:00", datetime(1, 1, 1, 14, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999999Z", datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("9999-12-31T23:59:59+14:00", datetime(9999, 12, 31, 9, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_time_of_any_offset_is_read_as_utc(text: str, time: datetime) -> None:
    assert parse_time(text) == time
    assert parse_time(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-00:01",
        "0000-01-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-11-24T03:22:60Z",
        "2026-11-24T03:22:31+99:99",
        "2026-11-24T03:22:31",
        "2026-11-24",
        "",
        "\u0662026-11-24T03:22:31Z",
        "now",
        "2026-11-24T03:22:31Z\n",
        "2026-11-24T03:22:31." + "1" * 100_000 + "Z",
    ],
)
def test_what_is_no_time_is_refused_at_its_place(text: str) -> None:
    refusal = refused(message(alert(), alert(startsAt=text)))

    assert refusal.place == "alerts[1].startsAt"
    assert len(str(refusal)) < 300


def test_a_resolve_has_the_end_that_it_names() -> None:
    delivery = parse(message(alert(status="resolved", endsAt="2026-11-24T03:30:00.5Z")), NOW)

    assert delivery.alerts[0].status is AlertStatus.RESOLVED
    assert delivery.alerts[0].ends_at == datetime(2026, 11, 24, 3, 30, 0, 500000, tzinfo=UTC)


@pytest.mark.parametrize("ends_at", [None, "0001-01-01T00:00:00Z"])
def test_a_resolve_that_names_no_end_ended_when_it_was_told(ends_at: str | None) -> None:
    delivery = parse(message(alert(status="resolved", endsAt=ends_at)), NOW)

    assert delivery.alerts[0].ends_at == NOW


def test_the_planned_end_of_a_firing_alert_is_no_end() -> None:
    delivery = parse(message(alert(endsAt="2026-11-24T03:30:00Z")), NOW)

    assert delivery.alerts[0].ends_at is None


@pytest.mark.parametrize(
    ("ends_at", "status"),
    [
        (None, AlertStatus.FIRING),
        ("0001-01-01T00:00:00Z", AlertStatus.FIRING),
        ("2026-11-24T04:00:01Z", AlertStatus.FIRING),
        ("2026-11-24T03:59:59Z", AlertStatus.RESOLVED),
    ],
)
def test_an_alert_without_a_status_is_over_when_its_end_has_come(ends_at: str | None, status: AlertStatus) -> None:
    delivery = parse(message(alert(status=None, endsAt=ends_at)), NOW)

    assert delivery.alerts[0].status is status
    assert (delivery.alerts[0].ends_at is None) is (status is AlertStatus.FIRING)


def test_only_version_labels_and_start_are_needed() -> None:
    bare = {"labels": {"alertname": "A"}, "startsAt": "2026-11-24T03:22:31Z"}

    delivery = parse(message(bare), NOW)

    assert delivery.alerts[0].status is AlertStatus.FIRING
    assert delivery.alerts[0].fingerprint == fingerprint_of({"alertname": "A"})
    assert delivery.alerts[0].annotations == {}
    assert (delivery.receiver, delivery.group_key, delivery.group_labels) == ("", "", {})


def test_null_is_as_good_as_absent() -> None:
    nothing = dict.fromkeys(["annotations", "endsAt", "generatorURL", "fingerprint"])

    delivery = parse(message(alert(**nothing), receiver=None, groupLabels=None, truncatedAlerts=None), NOW)

    assert delivery.alerts[0].annotations == {}
    assert delivery.truncated_alerts == 0


def test_an_empty_list_of_alerts_is_a_delivery_with_nothing_to_do() -> None:
    assert parse(message(), NOW).alerts == ()


def test_one_alert_may_stand_twice_in_a_delivery() -> None:
    assert len(parse(message(alert(), alert()), NOW).alerts) == 2


@pytest.mark.parametrize(
    ("body", "place", "words"),
    [
        (b"", "", "empty"),
        (b" \n", "", "empty"),
        (b"alert!", "", "not JSON"),
        (b'{"version": "4", "alerts": [', "", "not JSON"),
        (b'{"version": "4", "alerts": [], "receiver": "\xff"}', "", "not JSON"),
        (b"[]", "", "not a JSON object"),
        (b'"text"', "", "not a JSON object"),
        (b"{}", "", "`payload`"),
        (b'{"text": "Alert!", "channel": "#ops"}', "", "`payload`"),
        (b'{"alerts": []}', "version", "found none"),
        (b'{"version": "3", "alerts": []}', "version", "0.25"),
        (b'{"version": 4, "alerts": []}', "version", "found '4'"),
        (b'{"version": "1", "alerts": []}', "version", "webhook_config"),
        (b'{"version": "4"}', "alerts", "missing"),
        (b'{"version": "4", "alerts": null}', "alerts", "array"),
        (b'{"version": "4", "alerts": {}}', "alerts", "array"),
        (message(alert(), {"startsAt": "2026-11-24T03:22:31Z"}), "alerts[1]", "labels"),
        (message(alert(), {"labels": {}}), "alerts[1]", "startsAt"),
        (message(alert(labels={"a": 1})), "alerts[0].labels", "str"),
        (message(alert(labels=[])), "alerts[0].labels", "object"),
        (message(alert(), alert(), alert(annotations={"a": None})), "alerts[2].annotations", "str"),
        (message(alert(status="pending")), "alerts[0].status", "pending"),
        (message(alert(status="resolved", endsAt="soon")), "alerts[0].endsAt", "soon"),
        (message(alert(fingerprint="x' or 1=1")), "alerts[0].fingerprint", "16 hex digits"),
        (message(alert(), truncatedAlerts=-1), "truncatedAlerts", ">= 0"),
        (message(alert(), truncatedAlerts=2**40), "truncatedAlerts", "<="),
        (message(alert(labels={str(n): "x" for n in range(MOST_LABELS + 1)})), "alerts[0].labels", "201"),
        (message(*[alert()] * (MOST_ALERTS + 1)), "alerts", "max_alerts"),
    ],
)
def test_what_is_no_delivery_is_refused_with_reason_and_place(body: bytes, place: str, words: str) -> None:
    refusal = refused(body)

    assert refusal.place == place
    assert words in refusal.reason


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 1_000_000,
        b'{"version": "4", "alerts": [], "x": ' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}",
        b'{"version": ' + b"[" * 1_000_000 + b"]" * 1_000_000 + b', "alerts": []}',
        b'{"a":' * 1_000_000 + b"1" + b"}" * 1_000_000,
    ],
)
def test_endless_nesting_is_refused(body: bytes) -> None:
    assert refused(body).reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
LIKELY = st.fixed_dictionaries(
    {
        "version": st.just("4"),
        "alerts": st.lists(st.fixed_dictionaries({"labels": JSON, "startsAt": JSON}), max_size=2),
    },
    optional=dict.fromkeys(("receiver", "groupKey", "groupLabels", "truncatedAlerts", "externalURL"), JSON),
)
TIMES = st.datetimes(min_value=datetime(1, 1, 2))  # noqa: DTZ001 - each gets an offset below
ALERTS = st.fixed_dictionaries(
    {"labels": st.dictionaries(st.text(), st.text()), "startsAt": TIMES.map(lambda time: f"{time.isoformat()}Z")},
    optional={
        "status": st.sampled_from(["firing", "resolved", None]),
        "endsAt": TIMES.map(lambda time: f"{time.isoformat()}+01:00"),
        "annotations": st.dictionaries(st.text(), st.text()),
        "generatorURL": st.text(),
    },
)


def read_or_refuse(body: bytes) -> Delivery | DeliveryError:
    try:
        return parse(body, NOW)
    except DeliveryError as refusal:
        return refusal


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    answer = read_or_refuse(body)

    assert isinstance(answer, DeliveryError)
    assert answer.reason


@settings(max_examples=150, derandomize=True, deadline=None)
@given(LIKELY.map(lambda value: json.dumps(value).encode()))
def test_anything_near_a_delivery_is_read_or_refused(body: bytes) -> None:
    answer = read_or_refuse(body)

    assert isinstance(answer, Delivery) or answer.place


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.lists(ALERTS, max_size=3))
def test_what_is_read_can_be_kept_by_postgres(alerts: list[dict[str, Any]]) -> None:
    delivery = parse(message(*alerts), NOW)

    for one in delivery.alerts:
        texts = [*one.labels, *one.labels.values(), *one.annotations.values(), one.generator_url]
        assert "\0" not in "".join(texts)
        assert "".join(texts).encode().decode() == "".join(texts)
        assert one.starts_at.tzinfo is UTC
