"""When a message is tried again, and what the console says; what goes over HTTP is proven with the stand-ins."""

from datetime import timedelta

import pytest

from receiver.model.errors import (
    PagerDutyError,
    PagerDutyEventInvalid,
    ReceiverError,
    SlackAnswerLost,
    SlackBlocksRefused,
    SlackError,
    StoreUnavailable,
)
from receiver.model.message import Act, Draft, Place
from receiver.notify.deliver import console_line, deliver, next_attempt
from tests.unit.notify.stories import NEITHER, NOW, ask, message, story


def wait(attempts: int, error: ReceiverError, *, jitter: float = 1.0, tried_for: timedelta = timedelta()) -> timedelta:
    again = next_attempt(attempts, error, now=NOW, first_at=NOW - tried_for, jitter=jitter)
    assert again is not None
    return again - NOW


BUSY = SlackError("busy", retryable=True)


@pytest.mark.parametrize(
    ("attempts", "pause"),
    [(1, 2), (2, 4), (3, 8), (6, 64), (9, 512), (10, 900), (11, 900), (10_000, 900)],
)
def test_each_pause_is_twice_the_one_before_up_to_a_quarter_of_an_hour(attempts: int, pause: int) -> None:
    assert wait(attempts, BUSY) == timedelta(seconds=pause)


def test_jitter_takes_away_up_to_half_of_a_pause() -> None:
    assert [wait(3, BUSY, jitter=jitter).total_seconds() for jitter in (0, 0.5, 1)] == [4, 6, 8]


def test_a_pause_without_jitter_given_is_drawn_within_the_same_bounds() -> None:
    drawn = {next_attempt(3, BUSY, now=NOW, first_at=NOW) for _ in range(20)}

    assert len(drawn) > 1
    assert all(again and timedelta(seconds=4) <= again - NOW <= timedelta(seconds=8) for again in drawn)


@pytest.mark.parametrize("kind", [SlackError, PagerDutyError])
def test_what_the_place_asks_for_is_obeyed_also_beyond_our_longest_pause(
    kind: type[SlackError | PagerDutyError],
) -> None:
    asked = kind("slow down", retryable=True, retry_after=timedelta(hours=1))

    assert wait(1, asked, jitter=0) == timedelta(hours=1)
    assert wait(1, asked) == timedelta(hours=1, seconds=2)


def test_a_shorter_wait_than_ours_does_not_hasten_us() -> None:
    asked = SlackAnswerLost("lost", retry_after=timedelta(seconds=1))

    assert wait(6, asked) == timedelta(seconds=64)


@pytest.mark.parametrize(
    "error",
    [
        SlackError("not_in_channel"),
        SlackBlocksRefused("no"),
        PagerDutyError("400"),
        PagerDutyEventInvalid("x", part="y"),
    ],
)
def test_what_cannot_succeed_is_given_up_at_once(error: ReceiverError) -> None:
    assert next_attempt(1, error, now=NOW, first_at=NOW, jitter=1) is None


def test_after_a_day_it_is_given_up() -> None:
    assert wait(100, BUSY, tried_for=timedelta(hours=23, minutes=44)) == timedelta(minutes=15)
    assert next_attempt(100, BUSY, now=NOW, first_at=NOW - timedelta(hours=23, minutes=46), jitter=1) is None


def test_an_error_of_another_family_is_tried_again_if_it_says_so() -> None:
    assert wait(1, StoreUnavailable("gone")) == timedelta(seconds=2)


def test_the_console_says_what_would_have_been_said_in_one_line() -> None:
    post, *_, trigger = ask(story(), places=NEITHER).drafts

    assert console_line(message(post)).startswith(
        "slack would be told (post, incident 7): 🔴 WorkflowStuckDetection: argo/etl-nightly: critical, firing since"
    )
    assert console_line(message(trigger)).startswith("pagerduty would be told (trigger, incident 7): WorkflowStuck")


def test_the_console_shows_words_unescaped_and_harmless() -> None:
    draft = Draft(
        place=Place.CONSOLE,
        address="slack",
        act=Act.POST,
        key="k",
        payload={"text": "a &lt;b&gt; &amp; c\x1b[2J\nd", "blocks": []},
        cause="",
    )

    assert console_line(message(draft)) == "slack would be told (post, incident 7): a <b> & c [2J d"


def test_a_resolve_on_the_console_needs_no_words() -> None:
    payload = {"action": "resolve", "dedup_key": "receiver-incident-7"}
    draft = Draft(place=Place.CONSOLE, address="pagerduty", act=Act.RESOLVE, key="k", payload=payload, cause="")

    assert console_line(message(draft)) == "pagerduty would be told (resolve, incident 7)."


async def test_a_message_for_the_console_is_said_there() -> None:
    said: list[str] = []
    [post, *_] = ask(story(), places=NEITHER).drafts

    answer = await deliver(message(post), slack=None, pagerduty=None, console=said.append, conversation=None)

    assert answer == {"console": True}
    assert said == [console_line(message(post))]


async def test_a_place_that_was_configured_when_it_was_planned_is_tried_again_until_it_is_so_anew() -> None:
    post, *_, trigger = ask(story()).drafts

    for draft, setting in ((post, "slack.bot_token"), (trigger, "pagerduty.routing_key")):
        with pytest.raises(ReceiverError, match=setting) as caught:
            await deliver(message(draft), slack=None, pagerduty=None, console=print, conversation=None)
        assert caught.value.retryable
