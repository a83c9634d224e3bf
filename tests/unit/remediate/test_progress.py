from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from receiver.model.alert import AlertStatus
from receiver.model.remediation import EntryState, Mode, Outcome, Run
from receiver.model.workflow import Phase
from receiver.remediate.attempt import UNREADABLE_LIMIT
from receiver.remediate.facts import KEPT, Facts, Verdict
from receiver.remediate.progress import advance
from receiver.remediate.tick import Finished, Passed, Step, Wait
from tests.unit.notify.stories import story
from tests.unit.remediate.scenes import NOW, Carrier, World, alert, entry, facts, run, workflow

ENDED = workflow(phase=Phase.FAILED, shutdown="Terminate", terminated_by="12:0:uid-etl")
NEW = workflow(name="etl-r1", uid="uid-new", phase=Phase.RUNNING, created_at=NOW, started_at=NOW)
WATCHING_NEW = {"workflow": {"namespace": "argo", "name": "etl-r1", "uid": "uid-new"}}


def waiting(**changes: Any) -> Run:
    """A run that has terminated its workflow and waits for it to end."""
    return run(cursor=1, **changes)


def verifying(**changes: Any) -> Run:
    """A run that has restarted its workflow and checks whether that helped."""
    return run(cursor=3, **({"vars": WATCHING_NEW} | changes))


def ended(found: Run, known: Facts) -> Finished:
    answer = advance(found, known)
    assert isinstance(answer, Finished), answer
    return answer


def waits(found: Run, known: Facts) -> Wait:
    answer = advance(found, known)
    assert isinstance(answer, Wait), answer
    assert answer.until > known.now
    return answer


async def test_a_stuck_workflow_is_restarted_once_and_watched_until_it_moves() -> None:
    carrier = Carrier(world=World(), run=run())

    end = await carrier.carry()

    assert end.outcome is Outcome.SUCCEEDED
    assert not end.must_page
    assert (carrier.world.terminated, carrier.world.created) == (1, 1)
    assert carrier.world.now - NOW >= timedelta(minutes=6)
    assert [text.split(" ")[0] for text in carrier.story] == ["Workflow", "`workflow.finished`", "Workflow", "It"]


@pytest.mark.parametrize("die", [((cursor, taken),) for cursor in (0, 2) for taken in (False, True)])
async def test_a_death_at_any_effect_leaves_exactly_one_effect(die: tuple[tuple[int, bool], ...]) -> None:
    carrier = Carrier(world=World(), run=run())

    end = await carrier.carry(die=die)

    assert end.outcome is Outcome.SUCCEEDED
    assert (carrier.world.terminated, carrier.world.created) == (1, 1)


async def test_many_deaths_are_survived_up_to_the_limit_of_attempts() -> None:
    survived = Carrier(world=World(), run=run())
    given_up = Carrier(world=World(), run=run())

    end = await survived.carry(die=[(0, False)] * 4)
    over = await given_up.carry(die=[(0, False)] * 5)

    assert end.outcome is Outcome.SUCCEEDED
    assert over.outcome is Outcome.FAILED
    assert "tried 5 times in vain" in over.text
    assert given_up.world.terminated == 0


async def test_a_restart_that_was_tried_in_vain_always_tells_people() -> None:
    carrier = Carrier(world=World(), run=run())

    end = await carrier.carry(die=[(2, False)] * 5)

    assert end.outcome is Outcome.FAILED
    assert end.must_page
    assert carrier.world.created == 0


def test_the_first_step_is_intended_under_a_name_of_its_own() -> None:
    step = advance(run(), facts())

    assert isinstance(step, Step)
    assert (step.action, step.attempt, step.operation) == ("workflow.terminate", 1, "12:0:uid-etl")
    assert "argo/etl" in step.text


@pytest.mark.parametrize(
    ("changes", "outcome", "reason"),
    [
        ({"workflow": workflow(progress_at=NOW)}, Outcome.SKIPPED, "is not true any more"),
        ({"workflow": workflow(suspended=True)}, Outcome.SKIPPED, "workflow.suspended is true"),
        ({"workflow": workflow(phase=Phase.SUCCEEDED)}, Outcome.SKIPPED, "finished by itself"),
        ({"workflow": workflow(uid="other")}, Outcome.SKIPPED, "another one has its name"),
        ({"workflow": workflow(shutdown="Stop")}, Outcome.SKIPPED, "somebody else is ending"),
        ({"workflow": None}, Outcome.SKIPPED, "not there any more"),
        ({"workflow": workflow(nodes=None)}, Outcome.BLOCKED, "Guard confirm refused"),
        ({"alert": alert(status=AlertStatus.RESOLVED)}, Outcome.SKIPPED, "resolved before anything was done"),
        ({"cancelled_by": "ada"}, Outcome.CANCELLED, "ada cancelled it before"),
    ],
)
def test_before_the_first_effect_anything_stops_the_run(changes: dict[str, Any], outcome: Outcome, reason: str) -> None:
    end = ended(run(), facts(**changes))

    assert end.outcome is outcome
    assert reason in end.text
    assert not end.must_page


@pytest.mark.parametrize("changes", [{"confirm": ""}, {"confirm": "workflow.fase == 'x'"}])
def test_a_condition_that_cannot_be_used_stops_the_run(changes: dict[str, Any]) -> None:
    assert ended(run(), facts(**changes)).outcome is Outcome.BLOCKED


@pytest.mark.parametrize("known", [{"cancelled_by": "ada"}, {"alert": alert(status=AlertStatus.RESOLVED)}])
def test_once_a_workflow_was_ended_nothing_stops_the_run_before_the_restart(known: dict[str, Any]) -> None:
    still = waits(waiting(), facts(workflow=replace(ENDED, phase=Phase.RUNNING), **known))
    passed = advance(waiting(), facts(workflow=ENDED, **known))
    restart = advance(run(cursor=2), facts(workflow=ENDED, **known))

    assert still.until == NOW + timedelta(seconds=5)
    assert isinstance(passed, Passed)
    assert isinstance(restart, Step)
    assert restart.action == "workflow.resubmit"


def test_after_the_restart_a_cancellation_is_obeyed_again() -> None:
    end = ended(verifying(), facts(workflow=NEW, cancelled_by="ada"))

    assert end.outcome is Outcome.CANCELLED
    assert "made good" in end.text
    assert not end.must_page


def test_an_effect_that_may_have_happened_is_looked_for_before_it_is_called_off() -> None:
    begun = run(journal=(entry(0),))

    soon = waits(begun, facts(cancelled_by="ada", now=NOW + timedelta(seconds=5)))
    late = ended(begun, facts(cancelled_by="ada", now=NOW + timedelta(seconds=30)))
    happened = advance(begun, facts(cancelled_by="ada", workflow=replace(ENDED, phase=Phase.RUNNING)))

    assert soon.until == NOW + timedelta(seconds=30)
    assert late.outcome is Outcome.CANCELLED
    assert isinstance(happened, Passed)
    assert happened.recovered == entry(0)


@pytest.mark.parametrize("found", [None, workflow(uid="other")])
def test_an_effect_that_can_no_longer_be_looked_for_is_told(found: Any) -> None:
    end = ended(run(journal=(entry(0),)), facts(workflow=found, now=NOW + timedelta(minutes=1)))

    assert end.outcome is Outcome.FAILED
    assert end.must_page
    assert "cannot be seen any more" in end.text


def test_a_new_attempt_comes_after_a_growing_pause() -> None:
    journal = tuple(entry(0, EntryState.FAILED, number, finished_at=NOW, error="no answer") for number in range(1, 4))
    tried = run(journal=journal)

    pause = waits(tried, facts())
    again = advance(tried, facts(now=pause.until))

    assert pause.until == NOW + timedelta(seconds=8)
    assert isinstance(again, Step)
    assert again.attempt == 4


def test_a_workflow_that_succeeded_before_its_end_is_not_restarted() -> None:
    end = ended(run(cursor=2), facts(workflow=replace(ENDED, phase=Phase.SUCCEEDED)))

    assert end.outcome is Outcome.SKIPPED
    assert not end.must_page


@pytest.mark.parametrize("found", [replace(ENDED, uid="other"), replace(ENDED, shutdown="", terminated_by=""), None])
def test_a_restart_that_must_not_be_done_is_told(found: Any) -> None:
    end = ended(run(cursor=2), facts(workflow=found))

    assert end.outcome is Outcome.FAILED
    assert end.must_page


def test_a_wait_that_takes_too_long_ends_the_run_and_is_told() -> None:
    ending = replace(ENDED, phase=Phase.RUNNING)

    last = waits(waiting(), facts(workflow=ending, now=NOW + timedelta(minutes=4, seconds=58)))
    end = ended(waiting(), facts(workflow=ending, now=NOW + timedelta(minutes=5)))

    assert last.until == NOW + timedelta(minutes=5)
    assert end.outcome is Outcome.TIMED_OUT
    assert end.must_page


def test_what_became_true_is_seen_even_after_the_time_was_up() -> None:
    assert isinstance(advance(waiting(), facts(workflow=ENDED, now=NOW + timedelta(hours=1))), Passed)


def test_a_workflow_that_was_deleted_after_its_end_is_made_anew_from_what_was_kept() -> None:
    kept: dict[str, Any] = {KEPT: {"spec": {}}}

    passed = advance(waiting(vars=kept), facts(workflow=None))
    restart = advance(run(cursor=2, vars=kept), facts(workflow=None))
    without = ended(waiting(), facts(workflow=None))

    assert isinstance(passed, Passed)
    assert isinstance(restart, Step)
    assert without.outcome is Outcome.FAILED
    assert without.must_page


@pytest.mark.parametrize("cursor", [0, 1, 2, 3])
def test_a_cluster_that_cannot_be_read_is_waited_for_and_then_given_up(cursor: int) -> None:
    unread = {"workflow": None, "workflow_error": "no answer came"}
    found = run(cursor=cursor)

    pauses = []
    now = NOW
    while isinstance(answer := advance(found, facts(now=now, **unread)), Wait):
        pauses.append(answer.until - now)
        found, now = replace(found, vars=answer.vars), answer.until

    assert isinstance(answer, Finished)
    assert answer.outcome is Outcome.FAILED
    assert answer.must_page is (cursor in {1, 2})
    assert now == NOW + UNREADABLE_LIMIT
    assert pauses[:-1] == sorted(pauses[:-1])
    assert max(pauses) == timedelta(seconds=30)


def test_a_cluster_that_answers_again_starts_a_new_count() -> None:
    lost = waits(waiting(), facts(workflow=None, workflow_error="no answer"))
    back = waits(waiting(vars=lost.vars), facts(workflow=replace(ENDED, phase=Phase.RUNNING)))

    assert "unreadable_since" in lost.vars
    assert back.vars == {}


def test_pods_that_cannot_be_read_are_waited_for_before_the_first_effect() -> None:
    assert "unreadable_since" in waits(run(), facts(pods=None)).vars


def test_a_check_passes_only_when_it_has_held_without_a_break() -> None:
    first = waits(verifying(), facts(workflow=NEW))
    moved = replace(NEW, progress_at=NOW)
    looked = waits(verifying(vars=first.vars), facts(workflow=moved, now=NOW + timedelta(minutes=2, seconds=30)))
    held = verifying(vars=looked.vars)
    early = waits(held, facts(workflow=moved, now=NOW + timedelta(minutes=4, seconds=55)))
    moving = replace(NEW, progress_at=NOW + timedelta(minutes=5))
    passed = advance(verifying(vars=early.vars), facts(workflow=moving, now=NOW + timedelta(minutes=6)))

    assert first.until == NOW + timedelta(seconds=10)
    assert early.vars["held_since"] == first.vars["held_since"]
    assert isinstance(passed, Passed)
    assert "held_since" not in passed.vars


def test_a_break_starts_the_hold_anew() -> None:
    held = verifying(vars=WATCHING_NEW | {"held_since": NOW.isoformat(), "held_seen": NOW.isoformat()})

    broken = waits(held, facts(workflow=replace(NEW, suspended=True, phase=Phase.PENDING)))
    again = waits(verifying(vars=broken.vars), facts(workflow=NEW, now=NOW + timedelta(seconds=30)))

    assert broken.vars == WATCHING_NEW
    assert again.vars["held_since"] == (NOW + timedelta(seconds=30)).isoformat()


def test_a_time_in_which_nobody_looked_does_not_count() -> None:
    since = {"held_since": NOW.isoformat(), "held_seen": (NOW + timedelta(minutes=1)).isoformat()}
    late = facts(workflow=replace(NEW, progress_at=NOW + timedelta(minutes=8)), now=NOW + timedelta(minutes=8))

    assert waits(verifying(vars=WATCHING_NEW | since), late).vars["held_since"] == late.now.isoformat()


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ("workflow.terminate", Wait),  # it ended what the alert was about, which therefore resolves
        ("pod.delete", Passed),  # the workflow that the alert is about goes on
    ],
)
def test_a_resolve_proves_nothing_where_the_run_ended_what_the_alert_was_about(
    first: str, expected: type[Wait | Passed]
) -> None:
    check = {"that": 'alert.status == "resolved" && incident.quiet', "within": "10m"}
    verbs = (first, "workflow.resubmit") if first == "workflow.terminate" else (first,)
    steps = ({"action": verb, "params": {}} for verb in verbs)
    at_the_check = run(steps=(*steps, {"action": "verify", "params": check}), cursor=len(verbs))

    resolved = facts(alert=alert(status=AlertStatus.RESOLVED), incident=story(quiet_since=NOW).incident)
    found = advance(at_the_check, resolved)

    assert isinstance(found, expected)
    assert ("its resolve proves nothing" in found.text) is (expected is Wait)


def test_a_workflow_that_succeeds_passes_the_check_at_once() -> None:
    assert isinstance(advance(verifying(), facts(workflow=replace(NEW, phase=Phase.SUCCEEDED))), Passed)


@pytest.mark.parametrize(
    "found", [replace(NEW, phase=Phase.FAILED), replace(NEW, progress_at=None), replace(NEW, phase=Phase.UNKNOWN)]
)
def test_a_check_that_does_not_hold_in_its_time_fails(found: Any) -> None:
    end = ended(verifying(), facts(workflow=found, now=NOW + timedelta(minutes=10)))

    assert end.outcome is Outcome.FAILED
    assert "did not help" in end.text
    assert not end.must_page


def test_a_check_that_cannot_be_evaluated_does_not_hold() -> None:
    held = verifying(vars=WATCHING_NEW | {"held_since": NOW.isoformat()})

    unclear = waits(held, facts(workflow=NEW, pods=None))

    assert unclear.vars == WATCHING_NEW
    assert "pods could not be read" in unclear.text


def test_a_new_run_that_is_gone_cannot_be_checked() -> None:
    assert ended(verifying(), facts(workflow=None)).outcome is Outcome.FAILED


def test_after_the_last_step_it_has_succeeded() -> None:
    assert ended(run(cursor=4), facts()).outcome is Outcome.SUCCEEDED


def test_a_step_that_this_version_does_not_know_ends_the_run() -> None:
    foreign = ({"action": "workflow.terminate", "params": {}}, {"action": "dance"}, {"action": "workflow.resubmit"})

    end = ended(run(cursor=1, steps=foreign), facts())

    assert end.outcome is Outcome.FAILED
    assert end.must_page


PROPOSED = run(mode=Mode.PROPOSE)


def verdict(*, approved: bool, minutes: float = 1, cursor: int = 0) -> Verdict:
    return Verdict(cursor=cursor, approved=approved, by="ada", at=NOW + timedelta(minutes=minutes))


def test_a_proposal_waits_for_a_person() -> None:
    pause = waits(PROPOSED, facts())

    assert pause.until == NOW + timedelta(minutes=1)
    assert "approval" in pause.text


@pytest.mark.parametrize(
    ("verdicts", "minutes", "outcome"),
    [
        ((), 60, Outcome.TIMED_OUT),
        ((verdict(approved=True, minutes=61),), 62, Outcome.TIMED_OUT),
        ((verdict(approved=True, cursor=3),), 60, Outcome.TIMED_OUT),
        ((verdict(approved=False),), 2, Outcome.REJECTED),
        ((verdict(approved=True), verdict(approved=False)), 2, Outcome.REJECTED),
    ],
)
def test_without_a_valid_approval_nothing_is_done(
    verdicts: tuple[Verdict, ...], minutes: int, outcome: Outcome
) -> None:
    end = ended(PROPOSED, facts(verdicts=verdicts, now=NOW + timedelta(minutes=minutes)))

    assert end.outcome is outcome


@pytest.mark.parametrize("minutes", [1, 90])
def test_an_approval_counts_whenever_it_was_given_in_time(minutes: int) -> None:
    passed = advance(PROPOSED, facts(verdicts=(verdict(approved=True),), now=NOW + timedelta(minutes=minutes)))

    assert isinstance(passed, Passed)
    assert passed.result["approved_by"] == "ada"


def test_an_alert_that_resolves_while_people_think_ends_the_run() -> None:
    assert ended(PROPOSED, facts(alert=alert(status=AlertStatus.RESOLVED))).outcome is Outcome.SKIPPED


def test_a_rejection_that_comes_after_the_approval_still_stops_the_first_effect() -> None:
    approved = replace(PROPOSED, cursor=1)
    answers = (verdict(approved=True), verdict(approved=False, minutes=5))

    assert ended(approved, facts(verdicts=answers)).outcome is Outcome.REJECTED
    assert isinstance(advance(approved, facts(verdicts=answers[:1])), Step)


def test_a_proposal_never_acts_without_an_approval() -> None:
    assert ended(replace(run(), mode=Mode.PROPOSE), facts()).outcome is Outcome.BLOCKED


def test_a_dry_run_never_acts() -> None:
    assert ended(replace(run(), mode=Mode.DRY_RUN), facts()).outcome is Outcome.SIMULATED


def test_a_run_without_a_target_never_acts() -> None:
    assert ended(run(target=None), facts()).outcome is Outcome.FAILED


TWO = replace(PROPOSED, steps=({"action": "approve", "params": {"timeout": "1h", "people": 2}}, *PROPOSED.steps[1:]))


def test_two_people_means_two_different_people() -> None:
    ada, ben = verdict(approved=True), replace(verdict(approved=True, minutes=3), by="ben")

    alone = advance(TWO, facts(verdicts=(ada, replace(ada, at=NOW + timedelta(minutes=2)))))
    both = advance(TWO, facts(verdicts=(ada, ben)))

    assert isinstance(alone, Wait)
    assert "1 of 2 people approved it" in alone.text
    assert isinstance(both, Passed)
    assert both.text == "ada and ben approved it."


def test_an_approval_is_not_acted_on_long_after_it_expired() -> None:
    passed = advance(PROPOSED, facts(verdicts=(verdict(approved=True),)))
    assert isinstance(passed, Passed)
    approved = replace(PROPOSED, cursor=1, vars=passed.vars, entered_at=NOW)
    verdicts = (verdict(approved=True),)

    in_time = advance(approved, facts(verdicts=verdicts, now=NOW + timedelta(minutes=64)))
    late = advance(approved, facts(verdicts=verdicts, now=NOW + timedelta(minutes=66)))

    assert isinstance(in_time, Step)
    assert isinstance(late, Finished)
    assert late.outcome is Outcome.TIMED_OUT


async def test_a_workflow_that_ends_by_being_stopped_is_not_terminated_as_well() -> None:
    stopped = workflow(phase=Phase.FAILED, shutdown="Stop", stopped_by="12:0:uid-etl")
    steps: list[dict[str, Any]] = [
        {"action": name, "params": {}} for name in ("workflow.stop", "workflow.terminate", "workflow.resubmit")
    ]
    begun = run(steps=steps, cursor=1)

    assert isinstance(advance(begun, facts(workflow=stopped)), Passed)
    assert isinstance(advance(begun, facts(workflow=replace(stopped, phase=Phase.RUNNING))), Step)


def test_a_wait_that_may_go_on_goes_on() -> None:
    wait = {"action": "wait", "params": {"until": "workflow.finished", "timeout": "1m", "on_timeout": "go_on"}}

    passed = advance(run(steps=[wait]), facts(now=NOW + timedelta(minutes=2)))

    assert isinstance(passed, Passed)
    assert "goes on all the same" in passed.text
