"""Messages on their way to the stand-ins of Slack and PagerDuty, over HTTP, with everything that may go wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from receiver.clients.pagerduty import PagerDutyClient
from receiver.clients.slack import SlackClient
from receiver.model.errors import PagerDutyError, SlackAnswerLost, SlackError, SlackMessageGone
from receiver.model.message import Act, Draft, Message, Place, Story
from receiver.model.remediation import Outcome
from receiver.notify.deliver import Conversation, deliver, next_attempt
from receiver.notify.places import Configured
from receiver.sandbox.pagerduty import AlertStatus, PagerDutyStandIn
from receiver.sandbox.slack import EXAMPLE_TOKEN, SlackStandIn
from tests.unit.notify.stories import BOTH, HEALED, LOST, USELESS, after, ask, closed, message, run, story
from tests.unit.notify.test_rendering import HOSTILE, hostile_story

CHANNEL_ID = "C0ALERTS"
BY_ID = replace(BOTH, channel=CHANNEL_ID)
BEFORE = datetime.now(UTC) - timedelta(minutes=5)


@dataclass
class Postman:
    """Delivers drafts one after the other, as the pipeline does; remembers where the conversation stands."""

    slack: SlackClient | None = None
    pagerduty: PagerDutyClient | None = None
    conversation: Conversation | None = None
    answers: list[Mapping[str, Any]] = field(default_factory=list)

    async def bring(self, draft: Draft, *, attempts: int = 1) -> Mapping[str, Any]:
        return await self.carry(message(draft, attempts=attempts, created_at=BEFORE))

    async def carry(self, one: Message) -> Mapping[str, Any]:
        answer = await deliver(
            one, slack=self.slack, pagerduty=self.pagerduty, console=print, conversation=self.conversation
        )
        if "anchor" in answer:
            self.conversation = Conversation(**answer["anchor"])
        self.answers.append(answer)
        return answer

    async def tell(self, told: Story, *, places: Configured = BOTH) -> Story:
        """Plan, deliver whatever is planned, and give the story with it."""
        planned = ask(told, places=places)
        for draft in planned.drafts:
            if (self.slack if draft.place is Place.SLACK else self.pagerduty) is not None:
                await self.bring(draft)
        return after(told, planned)


@pytest.fixture
def postman(slack_client: SlackClient, pagerduty_client: PagerDutyClient) -> Postman:
    return Postman(slack=slack_client, pagerduty=pagerduty_client)


def draft_of(told: Story, act: Act, *, places: Configured = BOTH) -> Draft:
    return next(draft for draft in ask(told, places=places).drafts if draft.act is act)


async def test_an_incident_is_one_message_with_its_story_beneath_and_one_page(
    postman: Postman, slack: SlackStandIn, pagerduty: PagerDutyStandIn
) -> None:
    told = await postman.tell(story(runs=[run(at=1)]))
    told = await postman.tell(replace(told, runs=[HEALED]))
    await postman.tell(closed(told))

    [card] = slack.messages(CHANNEL_ID)
    alert = pagerduty.alert("receiver-incident-7")
    assert "resolved at" in card.text
    assert [edit.text[0] for edit in card.edits] == ["🔴", "🔴"]
    assert len(slack.replies(CHANNEL_ID, card.ts)) == 5
    assert alert.status is AlertStatus.RESOLVED
    assert [event.action for event in alert.events] == ["trigger", "resolve"]


async def test_a_healed_incident_is_one_line_and_wakes_nobody(
    postman: Postman, slack: SlackStandIn, pagerduty: PagerDutyStandIn
) -> None:
    told = await postman.tell(story(runs=[HEALED]))
    await postman.tell(closed(told))

    [line] = slack.room(CHANNEL_ID).messages
    assert (line.text[:9], line.blocks, line.edits) == ("🟢 Healed:", (), ())
    assert pagerduty.events == []


async def test_a_lost_restart_pages_and_is_seen_in_the_channel(
    postman: Postman, slack: SlackStandIn, pagerduty: PagerDutyStandIn
) -> None:
    await postman.tell(story(runs=[LOST]))

    _, broadcast = slack.messages(CHANNEL_ID)
    assert broadcast.is_broadcast
    assert "RESTART NOT COMPLETED" in broadcast.text
    assert pagerduty.alert("receiver-incident-7").summary.startswith("WorkflowStuckDetection: argo/etl-nightly")


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.SUCCEEDED])
async def test_whatever_others_write_arrives(
    postman: Postman, slack: SlackStandIn, pagerduty: PagerDutyStandIn, text: str, outcome: Outcome
) -> None:
    told = await postman.tell(hostile_story(text, outcome=outcome))
    await postman.tell(closed(told))

    assert slack.messages(CHANNEL_ID)
    assert all("blocks_refused" not in answer for answer in postman.answers)
    assert all(event.action in {"trigger", "resolve"} for event in pagerduty.events)


async def test_slack_is_told_again_when_it_has_room(postman: Postman, slack: SlackStandIn) -> None:
    draft = draft_of(story(), Act.POST)
    slack.faults.answer(429, path="chat.postMessage", headers={"Retry-After": "7"}, body={"ok": False})

    with pytest.raises(SlackError) as caught:
        await postman.bring(draft)
    now = datetime.now(UTC)
    await postman.bring(draft, attempts=2)

    assert caught.value.retryable
    assert next_attempt(1, caught.value, now=now, first_at=now, jitter=0) == now + timedelta(seconds=7)
    assert len(slack.messages(CHANNEL_ID)) == 1


async def test_a_post_whose_answer_was_lost_is_not_posted_twice(postman: Postman, slack: SlackStandIn) -> None:
    draft = draft_of(story(), Act.POST, places=BY_ID)
    slack.faults.reset_after_effect(path="chat.postMessage")

    with pytest.raises(SlackAnswerLost):
        await postman.bring(draft)
    answer = await postman.bring(draft, attempts=2)

    [card] = slack.messages(CHANNEL_ID)
    assert answer == {
        "channel_id": CHANNEL_ID,
        "ts": card.ts,
        "found": True,
        "anchor": {"channel_id": CHANNEL_ID, "ts": card.ts},
    }


async def test_the_id_of_a_channel_known_by_name_may_come_from_an_earlier_answer(
    postman: Postman, slack: SlackStandIn
) -> None:
    postman.conversation = Conversation(channel_id=CHANNEL_ID)
    slack.faults.reset_after_effect(path="chat.postMessage")

    with pytest.raises(SlackAnswerLost):
        await postman.bring(draft_of(story(), Act.POST))
    await postman.bring(draft_of(story(), Act.POST), attempts=2)

    assert len(slack.messages(CHANNEL_ID)) == 1


async def test_a_reply_whose_answer_was_lost_is_not_posted_twice(postman: Postman, slack: SlackStandIn) -> None:
    await postman.bring(draft_of(story(), Act.POST))
    draft = draft_of(story(runs=[USELESS]), Act.REPLY)
    slack.faults.reset_after_effect(path="chat.postMessage")

    with pytest.raises(SlackAnswerLost):
        await postman.bring(draft)
    answer = await postman.bring(draft, attempts=2)

    [card] = slack.messages(CHANNEL_ID)
    [reply] = slack.replies(CHANNEL_ID, card.ts)
    assert answer == {"channel_id": CHANNEL_ID, "ts": reply.ts, "found": True}


async def test_a_post_that_never_arrived_is_posted_at_the_second_try(postman: Postman, slack: SlackStandIn) -> None:
    draft = draft_of(story(), Act.POST, places=BY_ID)
    slack.faults.reset_before_effect(path="chat.postMessage")

    with pytest.raises(SlackAnswerLost):
        await postman.bring(draft)
    answer = await postman.bring(draft, attempts=2)

    assert "found" not in answer
    assert len(slack.messages(CHANNEL_ID)) == 1


async def test_without_the_right_to_look_it_is_posted_rather_twice_than_never() -> None:
    async with (
        SlackStandIn(scopes=("chat:write",)) as slack,
        SlackClient(token=EXAMPLE_TOKEN, api_url=slack.url) as client,
    ):
        answer = await Postman(slack=client).bring(draft_of(story(), Act.POST, places=BY_ID), attempts=2)

        assert "missing_scope" in answer["not_searched"]
        assert len(slack.messages(CHANNEL_ID)) == 1


async def test_while_slack_cannot_be_searched_nothing_is_posted_twice(postman: Postman, slack: SlackStandIn) -> None:
    slack.faults.answer(503, path="conversations.history")

    with pytest.raises(SlackError) as caught:
        await postman.bring(draft_of(story(), Act.POST, places=BY_ID), attempts=2)

    assert caught.value.retryable
    assert slack.messages(CHANNEL_ID) == []


@pytest.mark.parametrize("code", ["invalid_blocks", "msg_blocks_too_long"])
async def test_blocks_that_are_refused_are_left_out_once(postman: Postman, slack: SlackStandIn, code: str) -> None:
    slack.faults.answer(200, path="chat.postMessage", body={"ok": False, "error": code})

    answer = await postman.bring(draft_of(story(), Act.POST))

    [card] = slack.messages(CHANNEL_ID)
    assert (card.text[0], card.blocks) == ("🔴", ())
    assert code in answer["blocks_refused"]


async def test_an_update_whose_blocks_are_refused_is_made_with_its_text(postman: Postman, slack: SlackStandIn) -> None:
    told = await postman.tell(story())
    slack.faults.answer(200, path="chat.update", body={"ok": False, "error": "invalid_blocks"})

    await postman.tell(closed(told))

    [card] = slack.messages(CHANNEL_ID)
    assert "resolved at" in card.text
    assert card.blocks == ()


async def test_a_text_that_is_refused_as_well_is_an_error(postman: Postman, slack: SlackStandIn) -> None:
    slack.faults.answer(200, path="chat.postMessage", body={"ok": False, "error": "invalid_blocks"}, times=2)

    with pytest.raises(SlackError) as caught:
        await postman.bring(draft_of(story(), Act.POST))

    assert not caught.value.retryable


async def test_a_message_that_is_gone_is_posted_anew_and_the_thread_goes_on_there(
    postman: Postman, slack: SlackStandIn
) -> None:
    told = await postman.tell(story())
    first = slack.messages(CHANNEL_ID)[0]
    slack.room(CHANNEL_ID).delete(first.ts)

    await postman.tell(closed(told))

    card = slack.messages(CHANNEL_ID)[-1]
    reposted = [answer for answer in postman.answers if answer.get("reposted")]
    assert [answer["anchor"]["ts"] for answer in reposted] == [card.ts]
    assert [reply.text for reply in slack.replies(CHANNEL_ID, card.ts)] != []


async def test_an_update_of_a_message_that_never_arrived_is_posted(postman: Postman, slack: SlackStandIn) -> None:
    told = after(story(), ask(story()))

    answer = await postman.bring(draft_of(closed(told), Act.UPDATE))

    assert answer["reposted"]
    assert len(slack.messages(CHANNEL_ID)) == 1


async def test_an_update_that_is_sent_twice_changes_nothing_more(postman: Postman, slack: SlackStandIn) -> None:
    told = await postman.tell(story())
    draft = draft_of(closed(told), Act.UPDATE)
    slack.faults.reset_after_effect(path="chat.update")

    with pytest.raises(SlackAnswerLost):
        await postman.bring(draft)
    await postman.bring(draft, attempts=2)

    [card] = slack.messages(CHANNEL_ID)
    assert card.text == draft.payload["text"]


async def test_a_reply_without_a_thread_is_dead_unless_everybody_was_to_see_it(
    postman: Postman, slack: SlackStandIn
) -> None:
    postman.conversation = Conversation(channel_id=CHANNEL_ID, ts="1700000000.000001")
    replies = [draft for draft in ask(story(runs=[LOST])).drafts if draft.act is Act.REPLY]

    with pytest.raises(SlackMessageGone):
        await postman.bring(replies[0])
    await postman.bring(replies[-1])

    [said] = slack.messages(CHANNEL_ID)
    assert "RESTART NOT COMPLETED" in said.text


async def test_a_reply_to_nothing_says_so(postman: Postman) -> None:
    with pytest.raises(SlackError, match="no message to reply to") as caught:
        await postman.bring(draft_of(story(runs=[LOST]), Act.REPLY))

    assert not caught.value.retryable


async def test_a_channel_that_does_not_exist_is_not_tried_again(postman: Postman) -> None:
    with pytest.raises(SlackError, match="channel_not_found") as caught:
        await postman.bring(draft_of(story(), Act.POST, places=replace(BOTH, channel="#nowhere")))

    assert next_attempt(1, caught.value, now=BEFORE, first_at=BEFORE, jitter=0) is None


async def test_a_page_whose_answer_was_lost_makes_no_second_alert(
    postman: Postman, pagerduty: PagerDutyStandIn
) -> None:
    draft = draft_of(story(), Act.TRIGGER)
    pagerduty.faults.reset_after_effect()

    with pytest.raises(PagerDutyError) as caught:
        await postman.bring(draft)
    answer = await postman.bring(draft, attempts=2)

    assert caught.value.retryable
    assert answer == {"dedup_key": "receiver-incident-7"}
    assert len(pagerduty.alerts) == 1


async def test_pagerduty_without_room_is_told_later(postman: Postman, pagerduty: PagerDutyStandIn) -> None:
    pagerduty.faults.answer(429, headers={"Retry-After": "30"})

    with pytest.raises(PagerDutyError) as caught:
        await postman.bring(draft_of(story(), Act.TRIGGER))

    assert next_attempt(1, caught.value, now=BEFORE, first_at=BEFORE, jitter=0) == BEFORE + timedelta(seconds=30)


async def test_what_pagerduty_shows_is_what_was_planned(postman: Postman, pagerduty: PagerDutyStandIn) -> None:
    await postman.bring(draft_of(story(runs=[LOST]), Act.TRIGGER))

    [event] = pagerduty.events
    payload = event.document["payload"]
    assert (payload["severity"], payload["source"], payload["class"]) == (
        "critical",
        "argo/etl-nightly",
        "WorkflowStuckDetection",
    )
    assert "what to do" in payload["custom_details"]
    assert event.document["client_url"] == "https://r.example"
