"""The incoming webhook against the stand-in of Slack: what arrives, what is refused, and what may be tried again."""

import traceback
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from receiver.clients.slack_webhook import SlackWebhook
from receiver.model.errors import SettingsError, SlackAnswerLost, SlackBlocksRefused, SlackError
from receiver.model.message import Act
from receiver.notify.deliver import deliver
from receiver.sandbox.slack import EXAMPLE_WEBHOOK_SECRET, SlackStandIn
from receiver.sandbox.slack_room import SlackChannel
from tests.unit.notify.stories import BOTH, LOST, ask, message, story

CHANNEL = "C0ALERTS"
PATIENCE = timedelta(seconds=60)


@pytest.fixture
async def webhook(slack: SlackStandIn) -> AsyncIterator[SlackWebhook]:
    async with SlackWebhook(slack.webhook_url, timeout=PATIENCE) as client:
        yield client


async def refusal(client: SlackWebhook, text: str = "hello") -> SlackError:
    with pytest.raises(SlackError) as caught:
        await client.post(text)
    shown = "".join(traceback.format_exception(caught.value)) + repr(client)
    assert EXAMPLE_WEBHOOK_SECRET not in shown
    return caught.value


async def test_a_card_and_whatever_else_is_said_arrive_as_messages_of_their_own(
    slack: SlackStandIn, webhook: SlackWebhook
) -> None:
    drafts = [one for one in ask(story(runs=[LOST])).drafts if one.act in {Act.POST, Act.REPLY}][:2]

    answers = [
        await deliver(message(draft), slack=webhook, pagerduty=None, console=print, conversation=None)
        for draft in drafts
    ]

    assert answers == [{"webhook": True}, {"webhook": True}]
    assert [one.text for one in slack.messages(CHANNEL)] == [draft.payload["text"] for draft in drafts]
    assert [len(one.blocks) > 1 for one in slack.messages(CHANNEL)] == [True, False]


async def test_refused_blocks_leave_the_text(slack: SlackStandIn, webhook: SlackWebhook) -> None:
    [card] = [one for one in ask(story(), places=BOTH).drafts if one.act is Act.POST]
    slack.faults.answer(400, body="invalid_blocks")

    answer = await deliver(message(card), slack=webhook, pagerduty=None, console=print, conversation=None)

    assert answer["blocks_refused"] == "the incoming webhook answered HTTP 400 (invalid_blocks)"
    assert [one.blocks for one in slack.messages(CHANNEL)] == [()]


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, "rate_limited", SlackError),
        (500, "rollup_error", SlackAnswerLost),
        (503, "<html>", SlackAnswerLost),
        (200, "<html>Please log in</html>", SlackAnswerLost),
        (302, "", SlackError),
        (400, "no_text", SlackError),
        (400, "invalid_blocks", SlackBlocksRefused),
        (403, "action_prohibited", SlackError),
        (404, "no_service", SlackError),
        (410, "channel_is_archived", SlackError),
    ],
)
async def test_each_answer_says_whether_to_try_again(
    slack: SlackStandIn, webhook: SlackWebhook, status: int, body: str, kind: type[SlackError]
) -> None:
    slack.faults.answer(status, body=body, headers={"Retry-After": "7", "Location": "/elsewhere"})

    error = await refusal(webhook)

    again = status in {200, 429} or status >= 500
    assert (type(error), error.retryable) == (kind, again)
    assert error.retry_after == (timedelta(seconds=7) if again and status != 200 else None)
    assert len(slack.faults.requests) == 1


async def test_an_answer_that_is_lost_may_be_said_twice_and_one_that_never_arrived_once(
    slack: SlackStandIn, webhook: SlackWebhook
) -> None:
    slack.faults.reset_after_effect()
    after_effect = await refusal(webhook)
    await webhook.post("hello")
    twice = len(slack.messages(CHANNEL))
    slack.faults.reset_before_effect()
    before_effect = await refusal(webhook, "again")
    await webhook.post("again")

    assert (type(after_effect), type(before_effect)) == (SlackAnswerLost, SlackAnswerLost)
    assert (twice, len(slack.messages(CHANNEL))) == (2, 3)


async def test_the_stand_in_is_as_strict_as_slack() -> None:
    archived = SlackChannel(id=CHANNEL, name="alerts", is_archived=True)
    async with (
        SlackStandIn(post_every=timedelta(hours=1)) as slack,
        SlackStandIn(channels=[archived]) as closed,
        SlackWebhook(slack.webhook_url) as webhook,
        SlackWebhook(f"{slack.webhook_url}x") as stranger,
        SlackWebhook(closed.webhook_url) as late,
    ):
        empty, foreign, gone = await refusal(webhook, ""), await refusal(stranger), await refusal(late)
        with pytest.raises(SlackBlocksRefused):
            await webhook.post("x", [{"type": "marquee"}])
        await webhook.post("x")
        busy = await refusal(webhook)

    assert [str(one).split("(")[1].split(")")[0] for one in (empty, foreign, gone, busy)] == [
        "no_text",
        "invalid_token",
        "channel_is_archived",
        "rate_limited",
    ]
    assert (busy.retryable, busy.retry_after) == (True, timedelta(hours=1))


@pytest.mark.parametrize(
    "url", ["http://hooks.slack.com/services/x", "hooks.slack.com", "https://hooks.slack.com/", ""]
)
def test_an_address_that_cannot_be_one_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"slack\.webhook_url"):
        SlackWebhook(url)
