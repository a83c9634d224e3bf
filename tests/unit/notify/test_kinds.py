"""Every kind of message is taken by the rules of its place, whatever others wrote. The kinds are read from the code."""

import inspect
import json
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest

import receiver.notify
from receiver.clients.pagerduty import encoded, encoded_change
from receiver.model.bulletin import Day, Item, Noise
from receiver.model.message import Act, Story
from receiver.model.remediation import Outcome
from receiver.notify import changes, daily, digest, pagerduty, slack, thread
from receiver.notify.deliver import change_of, event_of
from receiver.notify.situation import Situation, assess
from receiver.notify.words import markup
from receiver.sandbox.pagerduty import EXAMPLE_KEY
from receiver.sandbox.pagerduty_rules import change_faults, event_faults
from receiver.sandbox.slack_rules import answer_fault
from tests.unit.notify.published import complaints
from tests.unit.notify.stories import BOTH, NOW, after, ago, alert, ask, asking, closed, quiet, run, story
from tests.unit.notify.test_rendering import HOSTILE, assert_slack_takes, hostile_story

Payload = Mapping[str, Any]

URL: Final = "https://r.example"
CAPTURE: Final = json.loads((Path(__file__).parents[2] / "data/deliveries/unicode.01.firing.json").read_bytes())


def plain(text: str) -> bool:
    return re.fullmatch(r"[\w .:/-]+", text, re.ASCII) is not None


WORDS: Final = dict.fromkeys(
    [
        *HOSTILE,
        "ё" * 10_240,
        *(
            text
            for one in CAPTURE["alerts"]
            for part in ("labels", "annotations")
            for text in one[part].values()
            if not plain(text)
        ),
    ]
)
"""What others wrote: by hand, ten kilobytes of it, and whatever is not plain of what Alertmanager was seen to send."""


def crowd(text: str) -> Story:
    """A story of a thousand alerts."""
    told = hostile_story(text)
    many = [replace(told.alerts[number % len(told.alerts)], id=f"202611-{number}") for number in range(1_000)]
    return replace(told, alerts=many)


def stories(text: str) -> list[Story]:
    """The same words in every state that a story can be in."""
    told = [hostile_story(text, outcome=outcome) for outcome in (Outcome.FAILED, Outcome.SUCCEEDED, Outcome.TIMED_OUT)]
    waiting = replace(told[0], runs=[replace(asking(), playbook=text or "p", reason=text, vars={"loss": text})])
    return [*told, waiting, crowd(text), quiet(told[0]), closed(told[0]), story(title=text)]


def owned(told: Story) -> Situation:
    """The same, and it belongs to somebody."""
    return replace(assess(told, NOW), owner=told.incident.title)


def of_slack(make: Callable[[Story], Payload]) -> Callable[[str], None]:
    def judge(text: str) -> None:
        for told in stories(text):
            assert_slack_takes(make(told))

    return judge


def of_pagerduty(make: Callable[[Story], Payload]) -> Callable[[str], None]:
    def judge(text: str) -> None:
        for told in stories(text):
            body = json.loads(encoded(event_of(make(told)), routing_key=EXAMPLE_KEY))
            assert event_faults(body) == []
            assert complaints("enqueue", body) == []

    return judge


def judge_replies(text: str) -> None:
    """All that a thread can say; what is shown in the channel as well among it."""
    for told in stories(text):
        for line in thread.lines(assess(told, NOW)):
            assert_slack_takes(slack.reply(line.text, broadcast=line.broadcast))


def judge_changes(text: str) -> None:
    for told in stories(text)[:3]:
        situation = assess(told, NOW)
        for one in told.runs[:1]:
            event = change_of(changes.event(situation, one, key="k", public_url=URL))
            body = json.loads(encoded_change(event, routing_key=EXAMPLE_KEY))
            assert change_faults(body) == []
            assert complaints("change/enqueue", body) == []


def judge_digest(text: str) -> None:
    incident = replace(hostile_story(text).incident, flaps=10**6)
    items = [
        Item(incident=replace(incident, id=number, title=f"{text[:200]}{number}"), firing=number % 2, healed_by=text)
        for number in range(300)
    ]
    assert_slack_takes(digest.render(items, since=ago(days=400), now=NOW, public_url=URL))


def judge_summary(text: str) -> None:
    counts = {f"{text}{number}": 10**9 for number in range(20)}
    day = Day(
        since=NOW - timedelta(days=1),
        until=NOW,
        opened=counts,
        open_still=10**9,
        closed=10**9,
        healed=10**9,
        paged=10**9,
        cures=counts,
        alerts=[Noise(alertname=name, fired=10**9, incidents=10**9, acted_on=False) for name in counts],
    )
    assert_slack_takes(daily.render(date(2026, 11, 24), day, public_url=URL))


def judge_answer(text: str) -> None:
    """What whoever pressed a button is told: of a silence, of an approval, and why nothing follows."""
    for told in ("stale", f"run 1 waits: {text}", text or "-"):
        said = slack.answer(told)
        assert answer_fault(said) is None
        assert_slack_takes({**said, "blocks": []})


CASES: Final[Mapping[str, Callable[[str], None]]] = {
    "slack.card": of_slack(lambda told: slack.card(owned(told), public_url=URL, pressed=True)),
    "slack.line": of_slack(lambda told: slack.line(assess(told, NOW))),
    "slack.answer": judge_answer,
    "slack.pointer": of_slack(lambda _: slack.pointer(7, 3, URL)),
    "slack.reply": judge_replies,
    "slack.bulletin": lambda text: assert_slack_takes(
        slack.bulletin(markup(text, 500) or "-", text or "-", [markup(text, 2_900) or "-"], "figures")
    ),
    "digest.render": judge_digest,
    "daily.render": judge_summary,
    "changes.event": judge_changes,
    "pagerduty.trigger": of_pagerduty(
        lambda told: pagerduty.trigger(
            owned(told), urgent=False, why=told.incident.title or "a route says so", public_url=URL
        )
    ),
    "pagerduty.acknowledge": of_pagerduty(lambda told: pagerduty.acknowledge(told.incident.id)),
    "pagerduty.resolve": of_pagerduty(lambda told: pagerduty.resolve(told.incident.id)),
}
"""Each maker of what a place is told, with a judge that has it made of any words."""


def makers() -> Iterator[str]:
    """Find all public functions of the room that make JSON for a place."""
    for found in pkgutil.iter_modules(receiver.notify.__path__):
        module = import_module(f"receiver.notify.{found.name}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            own = function.__module__ == module.__name__ and not name.startswith("_")
            if own and inspect.signature(function).return_annotation == dict[str, Any]:
                yield f"{found.name}.{name}"


def test_no_kind_of_message_is_forgotten_here() -> None:
    assert set(makers()) == set(CASES)


@pytest.mark.parametrize("kind", CASES)
def test_every_kind_of_message_is_taken_whatever_others_wrote(kind: str) -> None:
    for text in WORDS:
        CASES[kind](text)

    assert len(WORDS) > len(HOSTILE)


def test_every_act_is_planned_by_some_story() -> None:
    acts: set[Act] = set()
    for told in (story(), closed(story()), story(runs=[run(Outcome.SUCCEEDED, at=4)]), story(flaps=1)):
        planned = ask(told)
        taken = replace(told, incident=replace(told.incident, acknowledged_by="ann", acknowledged_at=NOW))
        later = ask(after(taken, planned), places=BOTH)
        ended = ask(closed(replace(after(told, planned), alerts=[alert()])))
        acts |= {draft.act for each in (planned, later, ended) for draft in each.drafts}

    assert acts == set(Act) - {Act.CHANGE}
