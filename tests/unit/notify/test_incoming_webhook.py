"""What is said where Slack can change nothing and has no threads: the whole once, then what is news."""

from dataclasses import replace

import pytest

from receiver.model.errors import DocumentError
from receiver.model.message import Act, Lane, Place, Story
from receiver.notify.plan import Plan
from receiver.settings import Slack, read_settings
from tests.unit.notify.stories import BLOCKED, BOTH, HEALED, LOST, acts, after, alert, ask, asking, closed, quiet, story

WEBHOOK = replace(BOTH, pagerduty=False, channel="incoming webhook", in_place=False, buttons=False)


def posts(planned: Plan) -> list[str]:
    assert all(draft.act is Act.POST for draft in planned.drafts if draft.place is Place.SLACK)
    return [draft.payload["text"] for draft in planned.drafts if draft.place is Place.SLACK]


def told(one: Story) -> Story:
    return after(one, ask(one, places=WEBHOOK))


def test_an_incident_is_told_once_in_full_whatever_changes_about_it() -> None:
    first = ask(story(decisions=[BLOCKED]), places=WEBHOOK)
    later = after(story(decisions=[BLOCKED]), first)
    later = replace(later, alerts=[alert(), alert(2)])

    assert acts(first)[0] == (Place.SLACK, Act.POST)
    assert len(posts(first)) == 1
    assert posts(ask(later, places=WEBHOOK)) == []
    assert posts(ask(quiet(later), places=WEBHOOK)) == []


def test_what_is_news_is_a_message_of_its_own_and_once() -> None:
    asked = told(replace(told(story()), runs=[asking()]))
    ended = replace(asked, runs=[LOST])

    [text] = posts(ask(ended, places=WEBHOOK))
    over = told(ended)

    assert [one for one in asked.messages if "waits for a person" in one.draft.payload.get("text", "")]
    assert text.startswith("WorkflowStuckDetection: argo/etl-nightly: RESTART NOT COMPLETED")
    assert posts(ask(over, places=WEBHOOK)) == []
    assert [one for one in posts(ask(closed(over), places=WEBHOOK)) if "Over: critical, resolved" in one]


def test_what_the_first_message_told_is_not_said_again() -> None:
    first = told(story(runs=[LOST]))

    assert len(first.messages) == 2  # the card, and a line on the console for PagerDuty
    assert posts(ask(first, places=WEBHOOK)) == []


def test_a_healed_incident_is_one_quiet_line() -> None:
    assert [text[:8] for text in posts(ask(closed(story(runs=[HEALED])), places=WEBHOOK))] == ["🟢 Healed"]


def test_all_channels_are_the_one_of_the_webhook() -> None:
    assert WEBHOOK.through(Lane(Place.SLACK, "#team-a")) == Lane(Place.SLACK, "incoming webhook")
    assert BOTH.through(Lane(Place.SLACK, "#team-a")) == Lane(Place.SLACK, "#team-a")


def test_a_token_and_a_webhook_are_not_configured_at_once() -> None:
    environment = {"RECEIVER_SLACK__BOT_TOKEN": "xoxb-1", "RECEIVER_SLACK__WEBHOOK_URL": "https://hooks.slack.com/x"}

    with pytest.raises(DocumentError, match="slack has both bot_token and webhook_url"):
        read_settings(None, environment)
    assert "hooks" not in repr(Slack(webhook_url=read_settings(None, {}).slack.webhook_url))
