from dataclasses import replace
from typing import Any

import pytest

from receiver.clients.kubernetes import resubmit_name
from receiver.model.errors import ClusterError
from receiver.model.workflow import Phase
from receiver.remediate.actions.workflow_resubmit import WorkflowResubmit
from receiver.remediate.actions.workflow_terminate import WorkflowTerminate
from receiver.remediate.facts import KEPT, operation_of, watched
from tests.unit.remediate.scenes import World, facts, run, turn, workflow

TERMINATE, RESUBMIT = WorkflowTerminate(), WorkflowResubmit()
AT_RESUBMIT = run(cursor=2)
assert AT_RESUBMIT.target is not None
OPERATION = operation_of(AT_RESUBMIT, AT_RESUBMIT.target)
ENDED = workflow(phase=Phase.FAILED, shutdown="Terminate", terminated_by="12:0:uid-etl")
MADE = workflow(name="etl-r1", uid="new", operation=OPERATION, resubmitted_from_uid="uid-etl")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"phase": Phase.SUCCEEDED}, "finished by itself (Succeeded)"),
        ({"uid": "other"}, "another one has its name"),
        ({"deleting": True}, "being deleted"),
        ({"shutdown": "Stop"}, "somebody else is ending"),
    ],
)
def test_terminating_is_moot_when_there_is_nothing_to_end(changes: dict[str, Any], reason: str) -> None:
    said = TERMINATE.moot(turn(run(), facts(workflow=workflow(**changes))))

    assert (reason in said) if reason else (said == "")


def test_terminating_spares_another_workflow_of_the_same_name() -> None:
    assert TERMINATE.refusal(turn(run(), facts(workflow=workflow(uid="other"))))
    assert TERMINATE.refusal(turn(run(), facts(workflow=None)))
    assert TERMINATE.refusal(turn(run(), facts())) == ""


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"shutdown": "Terminate", "terminated_by": "12:0:uid-etl"}, True),
        ({"shutdown": "Terminate", "terminated_by": "12:0:uid-etl", "phase": Phase.FAILED}, True),
        ({"shutdown": "Terminate", "terminated_by": "13:0:uid-etl"}, False),
        ({"shutdown": "Terminate"}, False),
        ({"terminated_by": "12:0:uid-etl"}, False),
        ({"shutdown": "Terminate", "terminated_by": "12:0:uid-etl", "uid": "other"}, False),
    ],
)
def test_a_termination_is_recognised_by_its_mark(changes: dict[str, Any], *, expected: bool) -> None:
    done = TERMINATE.recover(turn(run(), facts(workflow=workflow(**changes))))

    assert (done is not None) is expected


async def test_terminating_keeps_what_a_restart_needs() -> None:
    world = World()

    done = await TERMINATE.perform(world.means, turn(run(), facts()))

    assert world.workflows["etl"].terminated_by == "12:0:uid-etl"
    assert done.vars[KEPT]["spec"] == {"x": 1}
    assert "managedFields" not in done.vars[KEPT]["metadata"]
    assert KEPT not in done.result


@pytest.mark.parametrize("spec", ["x" * 300_000, "a\x00b", "\ud800"])
async def test_what_the_database_could_not_take_is_not_kept(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()

    async def raw_workflow(namespace: str, name: str) -> dict[str, Any]:
        return {"metadata": {"namespace": namespace, "name": name, "uid": "uid-etl"}, "spec": {"text": spec}}

    monkeypatch.setattr(world, "raw_workflow", raw_workflow)

    done = await TERMINATE.perform(world.means, turn(run(), facts()))

    assert world.terminated == 1
    assert KEPT not in done.vars


@pytest.mark.parametrize("found", [None, workflow(uid="other")])
async def test_terminating_what_is_not_there_is_an_error_and_changes_nothing(found: Any) -> None:
    world = World()

    with pytest.raises(ClusterError):
        await TERMINATE.perform(world.means, turn(run(), facts(workflow=found)))

    assert world.terminated == 0


@pytest.mark.parametrize(
    ("found", "variables", "reason"),
    [
        (ENDED, {}, ""),
        (replace(ENDED, terminated_by="someone", shutdown="Stop"), {}, ""),
        (replace(ENDED, phase=Phase.RUNNING), {}, "has not ended yet"),
        (replace(ENDED, uid="other"), {}, "somebody may have started it anew"),
        (replace(ENDED, shutdown="", terminated_by=""), {}, "was not ended by this run"),
        (replace(ENDED, shutdown="", terminated_by="13:0:uid-etl"), {}, "was not ended by this run"),
        (None, {}, "nothing of it was kept"),
        (None, {KEPT: {"spec": {}}}, ""),
    ],
)
def test_only_what_this_run_has_ended_is_restarted(found: Any, variables: dict[str, Any], reason: str) -> None:
    said = RESUBMIT.refusal(turn(replace(AT_RESUBMIT, vars=variables), facts(workflow=found)))

    assert (reason in said) if reason else (said == "")


def test_a_workflow_that_succeeded_meanwhile_is_not_run_again() -> None:
    assert "succeeded by itself" in RESUBMIT.moot(
        turn(AT_RESUBMIT, facts(workflow=replace(ENDED, phase=Phase.SUCCEEDED)))
    )
    assert RESUBMIT.moot(turn(AT_RESUBMIT, facts(workflow=ENDED))) == ""


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (MADE, True),
        (None, False),
        (replace(MADE, operation="13:2:uid-etl"), False),
        (replace(MADE, resubmitted_from_uid="other"), False),
    ],
)
def test_a_new_run_is_recognised_by_its_marks(made: Any, *, expected: bool) -> None:
    scene = facts(workflow=ENDED, seen=made)

    assert (RESUBMIT.recover(turn(AT_RESUBMIT, scene)) is not None) is expected
    assert bool(RESUBMIT.refusal(turn(AT_RESUBMIT, scene))) is (made is not None)


@pytest.mark.parametrize("gone", [False, True])
async def test_after_a_restart_the_new_run_is_watched_and_nothing_is_kept(*, gone: bool) -> None:
    world = World(workflows={} if gone else {"etl": ENDED})
    before = replace(AT_RESUBMIT, vars={KEPT: {"spec": {}}, "held_since": "x", "own": 1})

    done = await RESUBMIT.perform(world.means, turn(before, facts(workflow=None if gone else ENDED)))

    name = resubmit_name("etl", OPERATION)
    reference = watched(replace(before, vars=done.vars))
    assert reference is not None
    assert (reference.name, reference.uid) == (name, world.workflows[name].uid)
    assert set(done.vars) == {"own", "workflow"}
