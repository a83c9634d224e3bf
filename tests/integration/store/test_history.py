from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from receiver.model.errors import StoreError
from receiver.model.incident import IncidentState
from receiver.model.message import MessageState, Place
from receiver.model.remediation import Outcome, RunState
from receiver.model.request import Kind
from receiver.store import requests
from receiver.store.database import Database
from receiver.store.history import (
    deadletters,
    decisions,
    incidents,
    messages,
    playbooks,
    remediations,
    stories,
    timeline,
)
from receiver.store.history.decisions import DecisionFilter
from receiver.store.history.incidents import IncidentFilter
from receiver.store.history.messages import MessageFilter
from receiver.store.history.remediations import RunFilter

NOW: Final = datetime(2026, 11, 24, 3, 22, 31, 673412, UTC)
OUT_OF_RANGE: Final = (0, -1, 2**63, 10**30)


async def test_incidents_are_found_newest_first_by_each_filter(database: Database, records: Any) -> None:
    closed = await records.incident(key="a", state="closed", severity="warning")
    other = await records.incident(key="b", namespace="other", workflow="")
    newest = await records.incident(key="c", severity="warning")

    async with database.transaction() as tx:
        answers = {
            "all": await incidents.page(tx, IncidentFilter()),
            "open": await incidents.page(tx, IncidentFilter(state=IncidentState.OPEN)),
            "namespace": await incidents.page(tx, IncidentFilter(namespace="other")),
            "workflow": await incidents.page(tx, IncidentFilter(workflow="etl-42", severity="warning")),
        }
        absent = [await incidents.get(tx, number) for number in OUT_OF_RANGE]

    assert {name: [one.id for one in page.items] for name, page in answers.items()} == {
        "all": [newest, other, closed],
        "open": [newest, other],
        "namespace": [other],
        "workflow": [newest, closed],
    }
    assert absent == [None] * len(OUT_OF_RANGE)


async def test_a_timeline_is_paged_in_order_of_time(database: Database, records: Any) -> None:
    later = await records.event(at=NOW + timedelta(seconds=1), incident_id=7, alert_id="202611-1")
    ties = [await records.event(at=NOW, incident_id=7) for _ in range(3)]
    await records.event(incident_id=8, alert_id="202611-2")

    async with database.transaction() as tx:
        first = await timeline.of_incident(tx, 7, limit=3)
        second = await timeline.of_incident(tx, 7, limit=3, cursor=first.next)
        back = await timeline.of_incident(tx, 7, limit=3, cursor=second.previous)
        of_alert = await timeline.of_alert(tx, "202611-1")

    assert [one.id for one in first.items] == ties
    assert [one.id for one in second.items] == [one.id for one in of_alert.items] == [later]
    assert back.items == first.items


async def test_events_are_read_on_from_a_number_with_those_that_were_missing(database: Database, records: Any) -> None:
    numbers = [await records.event() for _ in range(5)]

    async with database.transaction() as tx:
        newest = await timeline.newest(tx)
        after = await timeline.after(tx, numbers[2])
        also = await timeline.after(tx, numbers[3], also=[numbers[0]], limit=1)

    assert newest == numbers[-1]
    assert [one.id for one in after] == numbers[3:]
    assert [one.id for one in also] == numbers[:1]


async def test_a_remediation_comes_with_its_journal_and_is_found_by_each_filter(
    database: Database, records: Any
) -> None:
    done = await records.run(state="finished", outcome="succeeded", finished_at=NOW, incident_id=3)
    waiting = await records.run(state="waiting", playbook="other", target=None)
    await records.entry(run_id=done, cursor=1, started_at=NOW + timedelta(seconds=1))
    await records.entry(run_id=done, cursor=0, started_at=NOW)

    async with database.transaction() as tx:
        filters = [
            RunFilter(state=RunState.FINISHED),
            RunFilter(outcome=Outcome.SUCCEEDED),
            RunFilter(playbook="restart-stuck-workflow"),
            RunFilter(workflow="etl-42", namespace="taskmaster"),
            RunFilter(incident_id=3),
        ]
        answers = [await remediations.page(tx, wanted) for wanted in filters]
        whole = await remediations.page(tx, RunFilter())
        one = await remediations.get(tx, done)
        absent = [await remediations.get(tx, number) for number in OUT_OF_RANGE]

    assert [[run.id for run in page.items] for page in answers] == [[done]] * len(filters)
    assert [run.id for run in whole.items] == [waiting, done]
    assert one is not None
    assert [entry.cursor for entry in one.journal] == [0, 1]
    assert one == answers[0].items[0]
    assert absent == [None] * len(OUT_OF_RANGE)


async def test_decisions_say_which_guard_refused(database: Database, records: Any) -> None:
    number = await records.decision(incident_id=3, alert_id="202611-9")
    await records.decision(outcome=None, run_id=1, playbook="other")

    async with database.transaction() as tx:
        filters = [
            DecisionFilter(incident_id=3),
            DecisionFilter(alert_id="202611-9"),
            DecisionFilter(playbook="restart-stuck-workflow"),
            DecisionFilter(outcome=Outcome.BLOCKED),
        ]
        answers = [await decisions.page(tx, wanted) for wanted in filters]

    assert [[one.id for one in page.items] for page in answers] == [[number]] * len(filters)
    assert answers[0].items[0].decision.checks[0].guard == "cooldown"


async def test_messages_and_dead_letters_are_listed_newest_first(database: Database, records: Any) -> None:
    sent = await records.message(key="a", state="sent", place="pagerduty", act="trigger", incident_id=4)
    pending = await records.message(key="b")
    letter = await records.dead_letter(body=b"\x00\xff{")

    async with database.transaction() as tx:
        filters = [
            MessageFilter(state=MessageState.SENT),
            MessageFilter(place=Place.PAGERDUTY),
            MessageFilter(incident_id=4),
        ]
        answers = [await messages.page(tx, wanted) for wanted in filters]
        every = await messages.page(tx, MessageFilter())
        one = await messages.get(tx, sent)
        letters = await deadletters.page(tx)
        whole = await deadletters.get(tx, letter)
        absent = [await deadletters.get(tx, 2**63), await messages.get(tx, 2**63)]

    assert [[message.id for message in page.items] for page in answers] == [[sent]] * len(filters)
    assert [message.id for message in every.items] == [pending, sent]
    assert one == answers[0].items[0]
    assert [(found.size, found.body) for found in letters.items] == [(3, None)]
    assert whole is not None
    assert whole.body == b"\x00\xff{"
    assert absent == [None, None]


async def test_playbooks_are_listed_by_name(database: Database, records: Any) -> None:
    await records.playbook(name="b")
    await records.playbook(name="a", disabled="needs Argo Server")

    async with database.transaction() as tx:
        names = [one.name for one in await playbooks.all_loaded(tx)]
        one, none = await playbooks.get(tx, "a"), await playbooks.get(tx, "\0")

    assert names == ["a", "b"]
    assert one is not None
    assert one.disabled == "needs Argo Server"
    assert none is None


async def test_a_story_has_everything_with_the_newest_finding_of_each_source(database: Database, records: Any) -> None:
    number = await records.incident()
    alert = await records.alert(incident_id=number)
    run = await records.run(incident_id=number)
    await records.entry(run_id=run)
    await records.decision(incident_id=number, run_id=run, outcome=None)
    await records.message(incident_id=number)
    await records.finding(incident_id=number, source="pods", summary="old", detail={"nul": "\0"})
    await records.finding(incident_id=number, source="pods", summary="new")
    await records.finding(incident_id=number, source="log", summary="lines")

    async with database.transaction() as tx:
        story = await stories.story(tx, number)

    assert [one.id for one in story.alerts] == [alert]
    assert [one.summary for one in story.findings] == ["lines", "new"]
    assert [(one.id, len(one.journal)) for one in story.runs] == [(run, 1)]
    assert (len(story.decisions), len(story.messages)) == (1, 1)


async def test_there_is_no_story_without_an_incident(database: Database) -> None:
    async with database.transaction() as tx:
        with pytest.raises(StoreError, match="no incident 7"):
            await stories.story(tx, 7)


async def test_a_request_stays_open_until_its_first_answer(database: Database) -> None:
    async with database.transaction() as tx:
        first = await requests.ask(tx, Kind.APPROVE, 5, asked_by="ann", detail={"note": "go \0"})
        second = await requests.ask(tx, Kind.CANCEL, 5, asked_by="bob")
        await requests.ask(tx, Kind.REJECT, 6, asked_by="bob")
        before = await requests.open_for_run(tx, 5)
        answers = [await requests.answer(tx, first, "done"), await requests.answer(tx, first, "again")]
        after = await requests.open_for_run(tx, 5)
        answered = await requests.get(tx, first)

    assert [one.id for one in before] == [first, second]
    assert before[0].detail == {"note": "go \ufffd"}
    assert answers == [True, False]
    assert [one.id for one in after] == [second]
    assert answered is not None
    assert answered.answer == "done"
