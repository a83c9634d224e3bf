from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, strategies as st

from receiver.model.alert import AlertStatus
from receiver.model.errors import (
    AlreadyExists,
    ClusterBusy,
    ClusterError,
    ClusterUnreachable,
    Conflict,
    Forbidden,
    NotFound,
    PreconditionFailed,
    WorkflowFinished,
)
from receiver.model.remediation import EntryState, Mode, Outcome
from receiver.model.workflow import Phase
from receiver.remediate.attempt import after_failure, backoff
from receiver.remediate.facts import Verdict
from receiver.remediate.progress import advance
from receiver.remediate.tick import Finished, Step, Wait
from tests.unit.remediate.scenes import NOW, Carrier, World, alert, entry, facts, run, workflow


@pytest.mark.parametrize(
    ("error", "number", "pause"),
    [
        (ClusterUnreachable("no answer"), 1, 2),
        (ClusterUnreachable("no answer"), 3, 8),
        (ClusterUnreachable("no answer"), 5, 30),
        (ClusterUnreachable("no answer"), 500, 30),
        (ClusterBusy("later"), 1, 2),
        (ClusterBusy("later", retry_after=timedelta(seconds=60)), 1, 60),
        (Conflict("changed"), 2, 4),
    ],
)
@pytest.mark.parametrize("cursor", [0, 2])
def test_what_may_succeed_later_is_looked_at_again(error: ClusterError, number: int, pause: int, cursor: int) -> None:
    answer = after_failure(run(cursor=cursor), error, number, NOW)

    assert isinstance(answer, Wait)
    assert answer.until == NOW + timedelta(seconds=pause)
    assert str(error) in answer.text


@pytest.mark.parametrize(
    ("error", "number", "outcome", "must_page"),
    [
        (Forbidden("no"), 1, Outcome.FAILED, False),
        (WorkflowFinished("over"), 1, Outcome.SKIPPED, False),
        (WorkflowFinished("over"), 2, Outcome.SKIPPED, False),
        (NotFound("gone"), 1, Outcome.SKIPPED, False),
        (PreconditionFailed("another"), 1, Outcome.SKIPPED, False),
        (NotFound("gone"), 2, Outcome.FAILED, True),
        (PreconditionFailed("another"), 2, Outcome.FAILED, True),
    ],
)
def test_before_anything_was_done_a_refusal_ends_the_run(
    error: ClusterError, number: int, outcome: Outcome, *, must_page: bool
) -> None:
    end = after_failure(run(), error, number, NOW)

    assert isinstance(end, Finished)
    assert (end.outcome, end.must_page) == (outcome, must_page)


@pytest.mark.parametrize("error", [Forbidden("no"), AlreadyExists("taken"), NotFound("gone"), PreconditionFailed("x")])
def test_a_refused_restart_is_told_whatever_the_playbook_says(error: ClusterError) -> None:
    end = after_failure(run(cursor=2), error, 1, NOW)

    assert isinstance(end, Finished)
    assert (end.outcome, end.must_page) == (Outcome.FAILED, True)


def test_pauses_grow_up_to_a_limit() -> None:
    pauses = [backoff(number) for number in range(1, 50)]

    assert pauses == sorted(pauses)
    assert pauses[0] == timedelta(seconds=2)
    assert pauses[-1] == timedelta(seconds=30)


workflows = st.builds(
    workflow,
    uid=st.sampled_from(["uid-etl", "uid-other"]),
    phase=st.sampled_from([Phase.UNKNOWN, Phase.PENDING, Phase.RUNNING, Phase.SUCCEEDED, Phase.FAILED]),
    suspended=st.booleans(),
    shutdown=st.sampled_from(["", "Stop", "Terminate"]),
    terminated_by=st.sampled_from(["", "12:0:uid-etl", "11:0:uid-etl", "x"]),
    deleting=st.booleans(),
    nodes=st.sampled_from([(), None]),
)
scenes = st.builds(
    facts,
    now=st.integers(0, 4000).map(lambda seconds: NOW + timedelta(seconds=seconds)),
    workflow=st.none() | workflows,
    workflow_error=st.sampled_from(["", "no answer"]),
    pods=st.sampled_from([(), None]),
    alert=st.sampled_from([alert(), alert(status=AlertStatus.RESOLVED)]),
    cancelled_by=st.sampled_from(["", "ada"]),
    verdicts=st.lists(
        st.builds(Verdict, cursor=st.integers(0, 4), approved=st.booleans(), by=st.just("ada"), at=st.just(NOW))
    ),
)
journals = st.lists(
    st.builds(entry, st.sampled_from([0, 2]), st.sampled_from(EntryState), st.integers(1, 5)), max_size=4
).map(tuple)
runs = st.builds(
    run,
    mode=st.sampled_from(Mode),
    cursor=st.integers(0, 5),
    journal=journals,
    vars=st.sampled_from([{}, {"kept": {"spec": {}}}]),
)


@given(runs, scenes)
def test_no_step_is_ever_taken_on_another_workflow_than_the_one_decided_upon(found: Any, known: Any) -> None:
    answer = advance(found, known)

    if isinstance(answer, Step):
        assert known.workflow is None or known.workflow.uid == found.target.uid
        assert known.workflow is not None or answer.action == "workflow.resubmit"
        assert found.mode is not Mode.DRY_RUN
        assert answer.attempt <= 6
    if isinstance(answer, Wait):
        assert answer.until > known.now


@given(runs, scenes)
def test_a_workflow_that_bears_our_mark_is_never_terminated_again(found: Any, known: Any) -> None:
    marked = workflow(shutdown="Terminate", terminated_by=f"12:{found.cursor}:uid-etl")

    answer = advance(found, replace(known, workflow=marked))

    assert not isinstance(answer, Step) or answer.action != "workflow.terminate"


@given(st.lists(st.tuples(st.sampled_from([0, 2]), st.booleans()), max_size=4))
async def test_whatever_dies_and_whenever_one_workflow_is_ended_and_one_is_made(
    die: Sequence[tuple[int, bool]],
) -> None:
    carrier = Carrier(world=World(), run=run())

    end = await carrier.carry(die=die)

    assert end.outcome is Outcome.SUCCEEDED
    assert (carrier.world.terminated, carrier.world.created) == (1, 1)
