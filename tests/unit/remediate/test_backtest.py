"""The guards that decide at night, played against the past."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from receiver.enrich import pods as pods_source, workflow as workflow_source
from receiver.enrich.past import Past as Earlier
from receiver.model.backtest import Answer, Backtest, Past, PastAlert, Recollection
from receiver.model.finding import Finding, FindingState
from receiver.model.incident import Subject
from receiver.model.remediation import Check
from receiver.model.standing import Pause
from receiver.model.workflow import Node, Phase, Workflow
from receiver.remediate.backtest import replay
from receiver.remediate.ledger import World
from tests.unit.remediate.scenes import NOW, alert, playbook, workflow

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
WORLD = World(allows=lambda namespace: namespace == "argo", opt_in=False)
CONFIRM = 'workflow.phase == "Running" && workflow.idle > duration("30m")'
TEXT = f"""
name: restart
summary: Restart it.
on: {{matchers: ['alertname="WorkflowStuckDetection"']}}
confirm: {CONFIRM}
guards: GUARDS
steps:
- workflow.terminate: {{}}
- wait: {{until: workflow.finished, timeout: 5m}}
- workflow.resubmit: {{}}
- verify: {{that: '!workflow.failed', hold: 6m, within: 10m}}
"""


def seen(at: datetime, of: Workflow) -> list[Recollection]:
    """What the stages that look around would have stored."""
    looked = Earlier(occurrences=0, last_at=None, runs=[])
    return [
        Recollection(at=at, finding=workflow_source.describe(of, (), looked, at)),
        Recollection(at=at, finding=pods_source.describe(())),
    ]


def stuck(name: str, at: datetime) -> Workflow:
    # Without steps nothing speaks of progress since its start.
    return workflow(name=name, uid=f"uid-{name}", created_at=at - 7 * HOUR, started_at=at - 7 * HOUR, nodes=())


def past_alert(name: str = "etl", at: datetime = NOW, *, lasted: timedelta | None = HOUR, **changes: Any) -> PastAlert:
    fired = alert(
        id=f"202611-{name}-{at:%H%M}",
        subject=Subject(namespace="argo", workflow=name),
        starts_at=at,
        first_seen_at=at,
    )
    told = PastAlert(
        alert=fired,
        over_at=None if lasted is None else at + lasted,
        lineage=f"uid-{name}",
        opened_at=at,
        flaps=0,
        acknowledged_by="",
        healed_by="",
        found=seen(at, stuck(name, at)),
    )
    return replace(told, **changes)


def played(alerts: Sequence[PastAlert], guards: str = "{}", *, text: str = TEXT, **more: Any) -> Backtest:
    past = Past(alerts=sorted(alerts, key=lambda one: one.alert.first_seen_at), **more)
    made = playbook(text.replace("GUARDS", guards))
    return replay(made, past, WORLD, since=NOW - 24 * HOUR, until=NOW + 24 * HOUR)


def many(count: int, apart: timedelta) -> list[PastAlert]:
    return [past_alert(f"w{number}", NOW + number * apart) for number in range(count)]


def answers(found: Backtest) -> dict[str, int]:
    return {answer.value: count for answer, count in found.answers.items() if count}


def test_it_would_have_run_where_all_guards_agree_and_the_context_that_is_stored_confirms_it() -> None:
    found = played([past_alert()])

    assert answers(found) == {"would_run": 1}
    assert found.instances[0].workflow == "argo/etl"
    assert (found.busiest_hour, found.busiest_count) == (NOW, 1)
    assert found.days == {NOW.date(): {Answer.RUN: 1}}
    assert [(one.what, one.count, one.median) for one in found.instead] == [("ended by itself", 1, HOUR)]


@pytest.mark.parametrize(
    ("guards", "expected", "refused_by"),
    [
        ("{budget: {max: 2, per: 1h}}", {"would_run": 2, "refused": 3}, {"budget": 3}),
        ("{concurrency: 1}", {"would_run": 1, "refused": 4}, {"concurrency": 4}),
        ("{storm: {targets: 3, within: 10m}}", {"would_run": 3, "refused": 2}, {"storm": 2}),
        ("{windows: [{deny: 'Tue 12:02-12:30'}]}", {"would_run": 2, "refused": 3}, {"windows": 3}),
        (
            "{blast_radius: {share: 20%, min: 2}}",
            {"would_run": 2, "undecidable": 3},
            {},
        ),
    ],
)
def test_the_very_guards_refuse_and_are_counted(
    guards: str, expected: dict[str, int], refused_by: dict[str, int]
) -> None:
    found = played(many(5, MINUTE), guards)

    assert answers(found) == expected
    assert found.refused_by == refused_by


def test_what_history_does_not_hold_is_never_guessed() -> None:
    found = played(
        [
            past_alert("never", found=()),
            past_alert("stale", found=seen(NOW - HOUR, stuck("stale", NOW - HOUR))),
            past_alert("orphan", lineage=""),
            past_alert("other", found=seen(NOW, stuck("else", NOW))),
            past_alert("opaque", found=seen(NOW, replace(stuck("opaque", NOW), nodes=None, nodes_unreadable="packed"))),
        ],
    )

    assert answers(found) == {"undecidable": 5}
    assert dict.fromkeys(found.undecidable, 1) == {
        "no context stored": 1,
        "no context stored within 2m of the decision": 1,
        "which workflow it descends from is not stored": 1,
        "the context that is stored is about another workflow": 1,
        next(reason for reason in found.undecidable if "packed" in reason): 1,
    }


def test_a_condition_on_what_findings_do_not_hold_is_undecidable() -> None:
    found = played([past_alert()], text=TEXT.replace(CONFIRM, 'workflow.annotations["x"] == "y"'))

    assert "workflow.annotations is not known, since findings do not hold it" in next(iter(found.undecidable))


def test_what_was_measured_of_the_same_condition_at_the_time_counts_more_than_what_was_found() -> None:
    shown = f"`{CONFIRM}`"
    verdicts = [
        ("true", True, "it is true"),
        ("false", False, f"{shown} is not true: workflow.idle is 2m."),
        ("unread", False, "Guard confirm refused: its steps could not be read."),
    ]

    found = played(
        [
            past_alert(
                name,
                confirmed=[(NOW, Check(guard="confirm", passed=passed, measured="m", limit=shown, reason=reason))],
                found=seen(NOW, replace(stuck(name, NOW), nodes=None)),
            )
            for name, passed, reason in verdicts
        ]
    )

    assert {one.workflow: one.answer for one in found.instances} == {
        "argo/true": Answer.RUN,
        "argo/false": Answer.NOT_CONFIRMED,
        "argo/unread": Answer.REFUSED,
    }


def test_a_workflow_that_moved_is_not_confirmed_and_one_that_was_not_there_is_refused() -> None:
    moved = Node(id="n", name="n", display_name="n", type="Pod", phase=Phase.RUNNING, started_at=NOW - 5 * MINUTE)
    gone = Finding(source="workflow", state=FindingState.EMPTY, summary="there is none")

    found = played(
        [
            past_alert("moved", found=seen(NOW, replace(stuck("moved", NOW), nodes=(moved,)))),
            past_alert("gone", found=[Recollection(at=NOW, finding=gone)]),
        ]
    )

    assert answers(found) == {"not_confirmed": 1, "refused": 1}
    assert found.refused_by == {"target": 1}


def test_guards_about_the_whole_need_no_context() -> None:
    pause = Pause(id=1, reason="upgrade", paused_by="kim", paused_at=NOW - HOUR, expires_at=None)

    found = played([past_alert(found=()), past_alert(at=NOW + 2 * HOUR)], pauses=[(pause, NOW + HOUR)])

    assert answers(found) == {"would_run": 1, "refused": 1}
    assert found.refused_by == {"paused": 1}


def test_an_alert_that_was_over_before_its_time_is_left_alone() -> None:
    slow = TEXT.replace("matchers: ['alertname=\"WorkflowStuckDetection\"']", "matchers: ['a=~\".*\"'], for: 30m")

    found = played([past_alert(lasted=10 * MINUTE), past_alert("long", found=())], text=slow)

    assert answers(found) == {"over": 1, "undecidable": 1}
    assert {one.workflow: one.at for one in found.instances}["argo/long"] == NOW + 30 * MINUTE


def test_a_workflow_that_was_or_would_have_been_restarted_is_no_target_any_more() -> None:
    again = past_alert(at=NOW + 3 * HOUR, found=seen(NOW + 3 * HOUR, stuck("etl", NOW + 3 * HOUR)))

    assert played([past_alert(), again]).refused_by == {"superseded": 1}
    assert played([past_alert()], ended={"uid-etl": NOW - HOUR}).refused_by == {"superseded": 1}


def test_what_people_did_instead_is_counted_with_how_long_it_took() -> None:
    found = played(
        [
            past_alert("a", acknowledged_by="kim", lasted=3 * HOUR),
            past_alert("b", acknowledged_by="kim", lasted=HOUR),
            past_alert("c", lasted=None),
            past_alert("d", healed_by="other", lasted=10 * MINUTE),
        ]
    )

    assert {one.what: (one.count, one.median, one.longest) for one in found.instead} == {
        "acknowledged": (2, 3 * HOUR, 3 * HOUR),
        "still fires": (1, None, None),
        "healed by other": (1, 10 * MINUTE, 10 * MINUTE),
    }


def test_the_result_says_what_it_assumes_and_what_it_could_not_read() -> None:
    notes = " ".join(played([past_alert()], cut_short=True, missing_months=["2026-03"]).notes)

    assert "the breaker never opens" in notes
    assert "Alerts of 2026-03 are not in Postgres any more" in notes
    assert "only the newest 1 are in it" in notes
