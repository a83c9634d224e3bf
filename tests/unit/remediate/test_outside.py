"""Actions on what is no workflow, and those that are never taken twice."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from receiver.clients.alertmanager import AlertmanagerClient, Silence, SilenceState
from receiver.clients.errand import Errands, Reply
from receiver.model.errors import ActionError, AlertmanagerUnreachable, ErrandUnreachable
from receiver.model.matcher import Matcher
from receiver.model.remediation import EntryState, Outcome, Run
from receiver.model.workflow import Phase
from receiver.remediate.actions import Effect, Means, Performed, effect
from receiver.remediate.attempt import SETTLE
from receiver.remediate.progress import advance
from receiver.remediate.tick import Finished, Passed, Step, Wait
from tests.unit.remediate.scenes import NOW, entry, facts, run, turn, workflow


def at(verb: str, **params: Any) -> Run:
    return run(steps=[{"action": verb, "params": params}], confirm="true")


def acting(verb: str) -> Effect[Any]:
    found = effect(verb)
    assert found is not None
    return found


class Peer:
    """An Alertmanager that keeps silences, or is away."""

    def __init__(self, *, away: bool = False) -> None:
        self.away = away
        self.made: list[Mapping[str, Any]] = []

    async def silences(self) -> list[Silence]:
        if self.away:
            raise AlertmanagerUnreachable("away")
        return [self._silence(one) for one in self.made]

    async def silence(self, matchers: list[Matcher], **said: Any) -> Silence:
        if self.away:
            raise AlertmanagerUnreachable("away")
        self.made.append({"matchers": matchers, **said})
        return self._silence(self.made[-1])

    def _silence(self, one: Mapping[str, Any]) -> Silence:
        return Silence(
            id="s1",
            matchers=tuple(one["matchers"]),
            starts_at=NOW,
            ends_at=one["ends_at"],
            state=SilenceState.ACTIVE,
            creator=one["creator"],
            comment=f"{one['comment']} [{one['operation']}]",
        )

    @property
    def client(self) -> AlertmanagerClient:
        return cast("AlertmanagerClient", self)


SILENCE = at("alertmanager.silence", **{"for": "2h"})


async def test_a_silence_is_about_this_alert_and_this_workflow_and_is_recognised_afterwards() -> None:
    peer = Peer()
    means = Means(alertmanagers=(Peer(away=True).client, peer.client))
    silencing = acting("alertmanager.silence")

    before = await silencing.look(means, turn(SILENCE, facts()))
    done = await silencing.perform(means, turn(SILENCE, facts()))
    seen = await silencing.look(means, turn(SILENCE, facts()))

    assert before is None
    assert {str(one) for one in peer.made[0]["matchers"]} == {
        'alertname="WorkflowStuckDetection"',
        'namespace="argo"',
        'workflow_name="etl"',
    }
    assert peer.made[0]["ends_at"] == NOW + timedelta(hours=2)
    assert silencing.recover(turn(SILENCE, facts(seen=seen))) == done


async def test_where_no_alertmanager_answers_it_may_be_tried_again() -> None:
    with pytest.raises(ActionError) as refused:
        await acting("alertmanager.silence").perform(
            Means(alertmanagers=(Peer(away=True).client,)), turn(SILENCE, facts())
        )

    assert refused.value.retryable


class Host:
    """Answers every request alike."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.asked: list[tuple[str, bytes, str]] = []

    async def request(self, method: str, url: str, *, body: bytes, headers: Mapping[str, str], operation: str) -> Reply:
        del url, headers
        self.asked.append((method, body, operation))
        if self.status == 0:
            raise ErrandUnreachable("no answer")
        return Reply(status=self.status, body="said\x00")

    @property
    def means(self) -> Means:
        return Means(errands=cast("Errands", self))


POST = at("http.request", url="https://hooks.example.com/x")


async def test_a_request_says_why_it_is_made_and_its_answer_is_kept() -> None:
    host = Host()

    done = await acting("http.request").perform(host.means, turn(POST, facts()))

    assert host.asked[0][0] == "POST"
    assert b'"alert": "WorkflowStuckDetection"' in host.asked[0][1]
    assert host.asked[0][2] == "12:0:uid-etl"
    assert done.result == {"status": 200, "answer": "said"}


@pytest.mark.parametrize(("status", "retryable"), [(404, False), (302, False), (429, True), (503, True), (0, True)])
async def test_an_answer_that_is_no_success_is_an_error(status: int, *, retryable: bool) -> None:
    with pytest.raises(ActionError) as refused:
        await acting("http.request").perform(Host(status).means, turn(POST, facts()))

    assert refused.value.retryable is retryable


def attempted(begun: Run, action: str) -> Run:
    line = replace(entry(0, EntryState.INTENDED), action=action, started_at=NOW - SETTLE - timedelta(seconds=1))
    return replace(begun, journal=(line,))


@pytest.mark.parametrize(
    ("begun", "again"),
    [
        (POST, False),
        (at("http.request", url="https://hooks.example.com/x", repeatable=True), True),
        (at("http.request", url="https://hooks.example.com/x", method="PUT"), True),
    ],
)
def test_a_request_of_which_the_answer_was_lost_is_made_again_only_where_that_is_harmless(
    begun: Run, *, again: bool
) -> None:
    answer = advance(attempted(begun, "http.request"), facts(confirm="true", seen=""))

    assert isinstance(answer, Step if again else Finished)
    if isinstance(answer, Finished):
        assert answer.outcome is Outcome.FAILED
        assert answer.must_page


FAILED = workflow(phase=Phase.FAILED, finished_at=NOW - timedelta(minutes=9))


def test_a_retry_that_cannot_be_seen_is_told_and_not_repeated() -> None:
    begun = attempted(at("workflow.retry"), "workflow.retry")

    unseen = advance(begun, facts(confirm="true", workflow=FAILED))
    just_now = advance(
        replace(begun, journal=(replace(begun.journal[0], started_at=NOW),)), facts(confirm="true", workflow=FAILED)
    )
    seen = advance(
        begun, facts(confirm="true", workflow=replace(FAILED, phase=Phase.RUNNING, retried_by="12:0:uid-etl"))
    )

    assert isinstance(unseen, Finished)
    assert unseen.must_page
    assert isinstance(just_now, Wait)
    assert isinstance(seen, Passed)


@pytest.mark.parametrize(
    ("found", "archived", "reason"),
    [
        (FAILED, "archived-workflows/uid-etl", ""),
        (FAILED, "", "no archive was seen to hold it"),
        (workflow(), "archived-workflows/uid-etl", "is not finished"),
    ],
)
def test_what_no_archive_holds_is_not_deleted(found: Any, archived: str, reason: str) -> None:
    said = acting("workflow.delete").refusal(turn(at("workflow.delete"), facts(workflow=found, seen=archived)))

    assert (reason in said) if reason else (said == "")


async def test_a_deletion_ends_when_the_workflow_is_gone() -> None:
    deleting = acting("workflow.delete")
    begun = attempted(at("workflow.delete"), "workflow.delete")

    waiting = deleting.recover(turn(begun, facts(workflow=replace(FAILED, deleting=True))))
    gone = deleting.recover(turn(begun, facts(workflow=None)))

    assert isinstance(waiting, Performed)
    assert isinstance(gone, Performed)
    assert (waiting.under_way, gone.under_way) == (True, False)


async def test_what_is_told_is_one_line_of_the_story() -> None:
    done = await acting("notify").perform(Means(), turn(at("notify", text="hello"), facts()))

    assert done.text == "hello"


def test_before_the_first_effect_on_the_target_everything_is_confirmed_anew() -> None:
    steps = [{"action": "notify", "params": {"text": "x"}}, {"action": "workflow.terminate", "params": {}}]
    begun = run(steps=steps, cursor=1)

    answer = advance(begun, facts(confirm='workflow.phase == "Failed"'))

    assert isinstance(answer, Finished)
    assert answer.outcome is Outcome.SKIPPED
