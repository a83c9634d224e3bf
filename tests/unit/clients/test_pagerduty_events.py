import json

import pytest

from receiver.clients.pagerduty import BODY_BYTES, EventAction, PagerDutyClient, PagerDutyEvent, encoded
from receiver.model.errors import PagerDutyEventInvalid, SettingsError
from receiver.sandbox.pagerduty_rules import event_faults

KEY = "a1" * 16


def trigger(**changes: object) -> PagerDutyEvent:
    parts = {"action": EventAction.TRIGGER, "dedup_key": "k", "summary": "s", "source": "x", **changes}
    return PagerDutyEvent(**parts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("event", "part"),
    [
        (trigger(dedup_key=""), "dedup_key"),
        (trigger(dedup_key="k" * 256), "dedup_key"),
        (trigger(summary="  "), "payload.summary"),
        (trigger(summary="я" * 1025), "payload.summary"),
        (trigger(source=""), "payload.source"),
        (trigger(custom_details={"moment": object()}), "payload.custom_details"),
        (trigger(custom_details={"ratio": float("nan")}), "payload.custom_details"),
        (trigger(custom_details={"log": "x" * BODY_BYTES}), "body"),
        (trigger(custom_details={"log": "я" * (BODY_BYTES // 2)}), "body"),
        (PagerDutyEvent(action=EventAction.RESOLVE, dedup_key=""), "dedup_key"),
    ],
)
def test_what_pagerduty_could_only_refuse_names_its_part(event: PagerDutyEvent, part: str) -> None:
    with pytest.raises(PagerDutyEventInvalid) as caught:
        encoded(event, routing_key=KEY)

    assert caught.value.part == part
    assert not caught.value.retryable


@pytest.mark.parametrize(
    "event",
    [
        trigger(dedup_key="k" * 255, summary="я" * 1024),
        trigger(custom_details={"log": "x" * (BODY_BYTES - 1000)}),
        PagerDutyEvent(action=EventAction.ACKNOWLEDGE, dedup_key="k"),
        PagerDutyEvent(action=EventAction.RESOLVE, dedup_key="k"),
    ],
)
def test_an_event_within_the_limits_is_one_that_pagerduty_accepts(event: PagerDutyEvent) -> None:
    body = encoded(event, routing_key=KEY)

    assert len(body) <= BODY_BYTES
    assert event_faults(json.loads(body)) == []


def test_a_resolve_carries_nothing_but_its_key() -> None:
    event = PagerDutyEvent(action=EventAction.RESOLVE, dedup_key="k", summary="unused", client="unused")

    assert json.loads(encoded(event, routing_key=KEY)) == {
        "routing_key": KEY,
        "event_action": "resolve",
        "dedup_key": "k",
    }


@pytest.mark.parametrize("key", ["", "short", "x" * 33, "secret-secret-secret-secret-secr", "ключ" * 8])
def test_a_key_that_cannot_be_one_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        PagerDutyClient(routing_key=key)

    assert "Integration Key" in str(caught.value)
    assert not key or key not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://events.pagerduty.com", "events.pagerduty.com", "https://user:pw@host", "ftp://x"]
)
def test_an_address_to_which_no_key_may_travel_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"pagerduty\.events_url"):
        PagerDutyClient(routing_key=KEY, events_url=url)
