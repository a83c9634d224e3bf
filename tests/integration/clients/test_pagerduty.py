import asyncio
import json
import traceback
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from receiver.clients.pagerduty import (
    EventAction,
    PagerDutyClient,
    PagerDutyEvent,
    PagerDutyLink,
    PagerDutySeverity,
)
from receiver.model.errors import PagerDutyError, PagerDutyEventInvalid
from receiver.sandbox.pagerduty import EXAMPLE_KEY, AlertStatus, PagerDutyStandIn

OTHER_KEY = "f" * 32

TRIGGER = PagerDutyEvent(
    action=EventAction.TRIGGER,
    dedup_key="receiver/incident/7",
    summary="nightly-report is stuck in argo",
    source="argo/nightly-report",
    severity=PagerDutySeverity.ERROR,
    timestamp=datetime(2026, 11, 24, 3, 29, 48, tzinfo=UTC),
    component="nightly-report",
    group="argo",
    event_class="WorkflowStuck",
    custom_details={"attempts": 2, "step": "train", "wait": None},
    links=(PagerDutyLink(href="https://receiver.example/incidents/7", text="The incident"),),
    client="Receiver",
    client_url="https://receiver.example/incidents/7",
)
ACKNOWLEDGE = PagerDutyEvent(action=EventAction.ACKNOWLEDGE, dedup_key=TRIGGER.dedup_key)
RESOLVE = PagerDutyEvent(action=EventAction.RESOLVE, dedup_key=TRIGGER.dedup_key)


async def refusal(client: PagerDutyClient, event: PagerDutyEvent = TRIGGER) -> PagerDutyError:
    with pytest.raises(PagerDutyError) as caught:
        await client.send(event)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(caught.value.__cause__)
    assert EXAMPLE_KEY not in shown
    return caught.value


async def test_an_alert_is_triggered_acknowledged_and_resolved(
    pagerduty: PagerDutyStandIn, pagerduty_client: PagerDutyClient
) -> None:
    seen = []
    for event in (TRIGGER, ACKNOWLEDGE, RESOLVE):
        await pagerduty_client.send(event)
        seen.append(pagerduty.alert(TRIGGER.dedup_key).status)

    assert seen == [AlertStatus.TRIGGERED, AlertStatus.ACKNOWLEDGED, AlertStatus.RESOLVED]
    assert len(pagerduty.alerts) == 1


async def test_a_trigger_carries_all_that_the_page_needs(
    pagerduty: PagerDutyStandIn, pagerduty_client: PagerDutyClient
) -> None:
    await pagerduty_client.send(TRIGGER)

    assert pagerduty.events[0].document == {
        "event_action": "trigger",
        "dedup_key": "receiver/incident/7",
        "payload": {
            "summary": "nightly-report is stuck in argo",
            "source": "argo/nightly-report",
            "severity": "error",
            "timestamp": "2026-11-24T03:29:48+00:00",
            "component": "nightly-report",
            "group": "argo",
            "class": "WorkflowStuck",
            "custom_details": {"attempts": 2, "step": "train", "wait": None},
        },
        "links": [{"href": "https://receiver.example/incidents/7", "text": "The incident"}],
        "client": "Receiver",
        "client_url": "https://receiver.example/incidents/7",
    }


async def test_a_trigger_after_the_resolve_opens_a_new_alert(
    pagerduty: PagerDutyStandIn, pagerduty_client: PagerDutyClient
) -> None:
    for event in (TRIGGER, RESOLVE, TRIGGER):
        await pagerduty_client.send(event)

    assert [alert.status for alert in pagerduty.alerts] == [AlertStatus.RESOLVED, AlertStatus.TRIGGERED]


async def test_a_resolve_of_an_unknown_key_is_accepted_and_dropped(
    pagerduty: PagerDutyStandIn, pagerduty_client: PagerDutyClient
) -> None:
    await pagerduty_client.send(RESOLVE)

    assert [event.dropped for event in pagerduty.events] == [True]
    assert pagerduty.alerts == []


async def test_a_trigger_does_not_wake_an_acknowledged_alert(
    pagerduty: PagerDutyStandIn, pagerduty_client: PagerDutyClient
) -> None:
    for event in (TRIGGER, ACKNOWLEDGE, TRIGGER):
        await pagerduty_client.send(event)

    assert pagerduty.alert(TRIGGER.dedup_key).status is AlertStatus.ACKNOWLEDGED


@pytest.mark.parametrize("suffix", ["", "/", "/v2/enqueue", "/v2/enqueue/"])
async def test_the_address_may_be_given_with_or_without_its_path(pagerduty: PagerDutyStandIn, suffix: str) -> None:
    async with PagerDutyClient(routing_key=EXAMPLE_KEY, events_url=pagerduty.url + suffix) as client:
        await client.send(TRIGGER)

    assert pagerduty.alert(TRIGGER.dedup_key).summary == TRIGGER.summary


@pytest.mark.parametrize(
    "text",
    [
        'quotes " and \\ back\\slashes',
        "NUL \x00 bell \x07 and \u2028 separators",
        "<!channel> & {{ template }} ${jndi:ldap://x}",
        "кириллица 漢字 🧨 \u202e gnp.exe",
    ],
)
async def test_hostile_texts_arrive_as_they_were(
    pagerduty: PagerDutyStandIn, pagerduty_client: PagerDutyClient, text: str
) -> None:
    event = PagerDutyEvent(
        action=EventAction.TRIGGER, dedup_key=text, summary=text, source=text, custom_details={text: text}
    )

    await pagerduty_client.send(event)

    payload = pagerduty.events[0].document["payload"]
    assert (payload["summary"], payload["custom_details"]) == (text, {text: text})


async def test_a_text_that_is_not_unicode_still_pages(
    pagerduty: PagerDutyStandIn, pagerduty_client: PagerDutyClient
) -> None:
    event = PagerDutyEvent(action=EventAction.TRIGGER, dedup_key="k", summary="half \ud83e here", source="s")

    await pagerduty_client.send(event)

    assert pagerduty.alert("k").summary == "half ? here"


async def test_an_event_over_a_limit_is_not_sent(
    pagerduty: PagerDutyStandIn, pagerduty_client: PagerDutyClient
) -> None:
    event = PagerDutyEvent(action=EventAction.TRIGGER, dedup_key="k", summary="x" * 1025, source="s")

    error = await refusal(pagerduty_client, event)

    assert isinstance(error, PagerDutyEventInvalid)
    assert (error.part, error.retryable) == ("payload.summary", False)
    assert pagerduty.faults.requests == []


async def test_an_unknown_routing_key_is_refused_for_good(pagerduty: PagerDutyStandIn) -> None:
    async with PagerDutyClient(routing_key=OTHER_KEY, events_url=pagerduty.url) as client:
        error = await refusal(client)

    assert not error.retryable
    assert "Invalid routing key" in str(error)
    assert OTHER_KEY not in str(error)


async def test_a_key_that_is_quoted_back_is_not_shown(
    pagerduty: PagerDutyStandIn, pagerduty_client: PagerDutyClient
) -> None:
    pagerduty.faults.answer(400, body={"status": "invalid event", "message": "", "errors": [f"no key {EXAMPLE_KEY}"]})

    error = await refusal(pagerduty_client)

    assert "no key (secret)" in str(error)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_a_busy_or_broken_pagerduty_is_asked_again_later(
    pagerduty: PagerDutyStandIn, pagerduty_client: PagerDutyClient, status: int
) -> None:
    pagerduty.faults.answer(status, body="<html>not now</html>", headers={"Retry-After": "7"})

    error = await refusal(pagerduty_client)
    await pagerduty_client.send(TRIGGER)

    assert (error.retryable, error.retry_after) == (True, timedelta(seconds=7))
    assert pagerduty.alert(TRIGGER.dedup_key).status is AlertStatus.TRIGGERED


async def test_more_events_than_the_limit_allows_are_told_to_come_later() -> None:
    async with (
        PagerDutyStandIn(per_minute=2, clock=lambda: 0.0) as pagerduty,
        PagerDutyClient(routing_key=EXAMPLE_KEY, events_url=pagerduty.url) as client,
    ):
        await client.send(TRIGGER)
        await client.send(ACKNOWLEDGE)

        error = await refusal(client, RESOLVE)

    assert error.retryable
    assert pagerduty.alert(TRIGGER.dedup_key).status is AlertStatus.ACKNOWLEDGED


@pytest.mark.parametrize("status", [301, 302, 307, 401, 403, 404, 405])
async def test_a_wrong_address_is_not_followed_and_not_repeated(
    pagerduty: PagerDutyStandIn, pagerduty_client: PagerDutyClient, status: int
) -> None:
    pagerduty.faults.answer(status, headers={"Location": f"{pagerduty.url}/elsewhere"})

    error = await refusal(pagerduty_client)

    assert not error.retryable
    assert "pagerduty.events_url" in str(error)
    assert len(pagerduty.faults.requests) == 1


async def test_an_answer_that_is_not_pagerdutys_is_no_acceptance(
    pagerduty: PagerDutyStandIn, pagerduty_client: PagerDutyClient
) -> None:
    pagerduty.faults.answer(200, body="<html>Please log in</html>")

    error = await refusal(pagerduty_client)

    assert error.retryable


async def test_an_event_whose_answer_was_lost_can_be_sent_again_without_a_second_alert(
    pagerduty: PagerDutyStandIn, pagerduty_client: PagerDutyClient
) -> None:
    pagerduty.faults.reset_after_effect()

    error = await refusal(pagerduty_client)
    await pagerduty_client.send(TRIGGER)

    assert error.retryable
    assert [len(alert.events) for alert in pagerduty.alerts] == [2]


async def test_an_event_that_never_arrived_can_be_sent_again(
    pagerduty: PagerDutyStandIn, pagerduty_client: PagerDutyClient
) -> None:
    pagerduty.faults.reset_before_effect()

    error = await refusal(pagerduty_client)

    assert error.retryable
    assert pagerduty.events == []


async def test_a_pagerduty_that_hangs_is_left_after_the_timeout(pagerduty: PagerDutyStandIn) -> None:
    pagerduty.faults.hang()
    async with PagerDutyClient(
        routing_key=EXAMPLE_KEY, events_url=pagerduty.url, timeout=timedelta(seconds=0.2)
    ) as client:
        error = await refusal(client)

    assert error.retryable
    assert "0.2 s" in str(error)


async def test_a_pagerduty_that_is_not_there_can_be_tried_again() -> None:
    async with PagerDutyStandIn() as pagerduty:
        gone = pagerduty.url
    async with PagerDutyClient(routing_key=EXAMPLE_KEY, events_url=gone) as client:
        error = await refusal(client)

    assert error.retryable


async def test_many_events_go_over_one_client_at_once(
    pagerduty: PagerDutyStandIn, pagerduty_client: PagerDutyClient
) -> None:
    events = [
        PagerDutyEvent(action=EventAction.TRIGGER, dedup_key=str(n), summary=f"alert {n}", source="s")
        for n in range(40)
    ]

    await asyncio.gather(*map(pagerduty_client.send, events))

    assert {alert.dedup_key for alert in pagerduty.alerts} == {str(n) for n in range(40)}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v2/change/enqueue", {"payload": {"summary": "deployed", "custom_details": {"build": "220"}}}, 202),
        ("/v2/change/enqueue", {"payload": {}}, 400),
        ("/v2/enqueue", {"event_action": "resolve"}, 400),
        (
            "/v2/enqueue",
            {"event_action": "trigger", "payload": {"summary": "s", "source": "x", "severity": "bad"}},
            400,
        ),
        ("/v2/enqueue", {"event_action": "resolve", "dedup_key": "k", "incident_key": "k"}, 400),
        ("/v2/enqueue", {"event_action": "resolve", "dedup_key": "k", "client": "x" * 512_000}, 413),
        ("/v1/enqueue", {"event_action": "resolve", "dedup_key": "k"}, 404),
    ],
)
async def test_the_stand_in_judges_what_others_send(
    pagerduty: PagerDutyStandIn, path: str, body: dict[str, object], status: int
) -> None:
    document = {"routing_key": EXAMPLE_KEY, **body}
    async with aiohttp.ClientSession() as session, session.post(pagerduty.url + path, json=document) as response:
        answered = response.status

    assert answered == status


async def test_the_stand_in_refuses_what_is_not_json(pagerduty: PagerDutyStandIn) -> None:
    async with aiohttp.ClientSession() as session:
        for body in (b"", b"[]", b'{"a": NaN}', json.dumps("text").encode()):
            async with session.post(f"{pagerduty.url}/v2/enqueue", data=body) as response:
                assert response.status == 400

    assert pagerduty.events == []


def test_the_key_is_in_no_repr() -> None:
    client = PagerDutyClient(routing_key=EXAMPLE_KEY)

    assert repr(client) == "PagerDutyClient(events_url='https://events.pagerduty.com/v2/enqueue')"
