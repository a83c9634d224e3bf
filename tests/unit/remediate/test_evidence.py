from dataclasses import replace
from datetime import timedelta

import pytest

from receiver.model.errors import S3Unreachable
from receiver.model.remediation import Mode, Outcome, Run
from receiver.remediate.evidence import PATIENCE, is_asked, put_off
from receiver.remediate.tick import Finished, Wait
from tests.unit.remediate.scenes import NOW, run

AWAY = S3Unreachable("the store does not answer")


@pytest.mark.parametrize(
    ("begun", "expected"),
    [
        (run(), True),
        (run(cursor=1), False),  # wait: destroys nothing
        (run(cursor=2), False),  # resubmit: brings it back
        (run(mode=Mode.DRY_RUN), False),
        (run(steps=({"action": "workflow.terminate", "params": {}},)), True),
    ],
)
def test_evidence_is_asked_for_before_what_destroys_something(begun: Run, *, expected: bool) -> None:
    assert is_asked(begun) is expected


def test_once_a_workflow_was_ended_nothing_keeps_it_from_its_new_beginning() -> None:
    verbs = ("workflow.stop", "workflow.terminate", "workflow.resubmit")
    ending = run(steps=tuple({"action": verb, "params": {}} for verb in verbs))

    assert [is_asked(replace(ending, cursor=cursor)) for cursor in range(3)] == [True, False, False]


def test_it_is_tried_again_ever_more_slowly_and_then_the_run_fails_with_the_reason() -> None:
    begun, now, pauses = run(), NOW, []

    while isinstance(said := put_off(begun, AWAY, now), Wait):
        pauses.append(said.until - now)
        begun, now = replace(begun, vars=said.vars), said.until

    assert isinstance(said, Finished)
    assert (said.outcome, said.must_page) == (Outcome.FAILED, False)
    assert "5m the evidence could not be: the store does not answer" in said.text
    assert (pauses[0], max(pauses)) == (timedelta(seconds=2), timedelta(seconds=30))
    assert sum(pauses, timedelta()) == PATIENCE
    assert not {"unkept_since", "unkept_tries"} & set(said.vars)
