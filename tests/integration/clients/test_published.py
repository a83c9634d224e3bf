"""What Slack and PagerDuty refuse by their published schemas, their stand-ins refuse as well: nothing slips by."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Final

import aiohttp
import pytest

from receiver.sandbox.pagerduty import EXAMPLE_KEY, PagerDutyStandIn
from receiver.sandbox.slack import SlackStandIn
from tests.unit.notify.published import complaints

MESSAGE: Final[Mapping[str, Any]] = {
    "channel": "C0ALERTS",
    "text": "stuck",
    "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "*stuck*"}}],
    "metadata": {"event_type": "receiver_message", "event_payload": {"id": "1"}},
    "reply_broadcast": False,
    "link_names": False,
    "parse": "none",
}
PAYLOAD: Final[Mapping[str, Any]] = {
    "summary": "stuck",
    "source": "receiver",
    "timestamp": "2026-11-24T03:00:00Z",
    "custom_details": {"what": "it is stuck"},
}
LINKS: Final = [{"href": "https://r.example", "text": "timeline"}]
REQUESTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "chat.postMessage": {**MESSAGE, "unfurl_links": False, "unfurl_media": False, "mrkdwn": True},
    "chat.update": MESSAGE,
    "enqueue": {
        "routing_key": EXAMPLE_KEY,
        "event_action": "trigger",
        "dedup_key": "receiver-incident-7",
        "payload": {**PAYLOAD, "severity": "critical", "component": "a", "group": "b", "class": "c"},
        "client": "Receiver",
        "client_url": "https://r.example",
        "links": LINKS,
        "images": [{"src": "https://r.example/x.png", "href": "https://r.example", "alt": "a picture"}],
    },
    "change/enqueue": {"routing_key": EXAMPLE_KEY, "payload": PAYLOAD, "links": LINKS},
}
"""Requests that are taken, with all that the clients ever put into one."""

WRONG: Final[tuple[Any, ...]] = (None, 7, True, "x" * 2_000, [], {}, [7], {"colour": "red"})


def spoilt(value: Any) -> Iterator[Any]:
    """Spoil one place after the other: exchange it for something else, leave it out, put something beside it."""
    yield from (wrong for wrong in WRONG if type(wrong) is not type(value) or isinstance(wrong, str))
    if isinstance(value, dict):
        yield {**value, "colour": "red"}
    places = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for place in places:
        rest = copy.copy(value)
        del rest[place]
        yield rest
        for other in spoilt(value[place]):
            changed = copy.copy(value)
            changed[place] = other
            yield changed


async def takes(session: aiohttp.ClientSession, url: str, body: Any) -> bool:
    async with session.post(url, json=body) as response:
        answer = await response.json()
        return response.ok and answer.get("ok", True)


@pytest.mark.parametrize("request_", REQUESTS)
async def test_what_the_published_schemas_refuse_the_stand_ins_refuse_too(
    request_: str, slack: SlackStandIn, pagerduty: PagerDutyStandIn
) -> None:
    whole = dict(REQUESTS[request_])
    url = f"{slack.url}{request_}" if request_.startswith("chat.") else f"{pagerduty.url}/v2/{request_}"
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {slack.token}"}) as session:
        if request_ == "chat.update":
            async with session.post(f"{slack.url}chat.postMessage", json=REQUESTS["chat.postMessage"]) as posted:
                whole["ts"] = (await posted.json())["ts"]
        assert complaints(request_, whole) == []
        assert await takes(session, url, whole)

        refused = [body for body in spoilt(whole) if isinstance(body, dict) and complaints(request_, body)]
        taken = [body for body in refused if await takes(session, url, body)]
        slipped = [complaints(request_, body) for body in taken]

    assert len(refused) > len(whole)
    assert slipped == []
