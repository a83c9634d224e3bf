"""Remediation never runs away: random fleets, alerts, faults, deaths and clocks, judged by what the API server saw.

Each example is one history, played on two replicas of one database, which is emptied between histories. What was done
is read from the requests that took effect, never from Receiver.

`RECEIVER_LONG_TESTS=1` plays a hundred thousand steps in parts, which xdist may play side by side;
`RECEIVER_RUNAWAY_STEPS` says another number, and `RECEIVER_RUNAWAY_SEED` another begin of the seeds, to play other
histories, on another machine for instance.
"""

import asyncio
import itertools
import os
import random
from collections import Counter
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
import uvloop
from hypothesis import HealthCheck, Phase, seed, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from receiver.model.remediation import Outcome

from .fleet import DONE, STUCK, WAYS, Fleet
from .ground import Ground, ground_on
from .witness import Limits

LONG = os.environ.get("RECEIVER_LONG_TESTS", "") not in {"", "0"}
PARTS = range(50 if LONG else 1)
STEPS_WANTED = int(os.environ.get("RECEIVER_RUNAWAY_STEPS", "100000")) // len(PARTS) if LONG else 1
FIRST_SEED = int(os.environ.get("RECEIVER_RUNAWAY_SEED", "0"))
HISTORIES, STEPS = (10, 100) if LONG else (6, 50)
"""Histories of one seed, and steps of each."""
PROFILE = settings(
    max_examples=HISTORIES,
    # Its first is the begin.
    stateful_step_count=STEPS + 1,
    deadline=None,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)

LIMITS = st.builds(
    Limits,
    cooldown=st.sampled_from((None, timedelta(minutes=10), timedelta(minutes=45))),
    attempts=st.sampled_from((None, 1, 2)),
    attempts_per=st.just(timedelta(hours=3)),
    budget=st.sampled_from((None, 1, 2, 3)),
    budget_per=st.just(timedelta(minutes=30)),
    concurrency=st.sampled_from((None, 1, 2)),
    storm=st.sampled_from((None, None, 3)),
    radius_min=st.sampled_from((None, None, 1, 2)),
    breaker=st.sampled_from((None, None, 1, 2)),
)
COURSES = st.sampled_from(("hang, succeed", "hang", "hang, fail", "hang, hang, succeed", "hang, wait"))
CHANCES = st.integers(0, 2**16)
SEEN = Counter[str]()
"""What all parts in this process saw so far."""


class Working(NamedTuple):
    """How much Receiver comes to do after something has happened."""

    chance: int
    most: int
    both: bool
    """Whether both replicas do each job at the same time."""


WORKING = st.builds(
    Working, chance=CHANCES, most=st.sampled_from((0, 1, 1, 3, 6)), both=st.sampled_from((False, False, True))
)


EVENTS = st.one_of(
    *(
        st.tuples(st.just(name), st.fixed_dictionaries(given))
        for name, weight, given in (
            ("people_submit", 1, {"stuck": st.sampled_from((True, True, False)), "course": COURSES}),
            ("alerts_fire", 4, {"chance": CHANCES, "number": st.integers(1, 4)}),
            ("an_alert_ends", 2, {"chance": CHANCES}),
            (
                "a_workflow_changes",
                1,
                {"chance": CHANCES, "what": st.sampled_from(("progress", "speak", "replace", "suspend"))},
            ),
            ("argo_archives", 2, {"chance": CHANCES, "early": st.booleans()}),
            ("time_passes", 6, {"seconds": st.sampled_from((2, 5, 20, 60, 90, 300, 2_000))}),
            ("the_clock_jumps", 1, {"seconds": st.sampled_from((-240, -40, 10_800))}),
            ("people_pause_or_resume", 1, {"begin": st.sampled_from((True, False, False, False, False))}),
            ("people_close_the_breaker", 1, {}),
            (
                "the_cluster_refuses",
                2,
                {
                    "status": st.sampled_from((409, 410, 422, 429, 500, 503)),
                    "method": st.sampled_from(("GET", "PATCH", "PATCH", "POST", "DELETE")),
                    "times": st.integers(1, 3),
                },
            ),
            (
                "an_answer_is_lost",
                1,
                {
                    "method": st.sampled_from(("GET", "PATCH", "POST", "DELETE")),
                    "how": st.sampled_from(
                        ("reset_before_effect", "reset_after_effect", "reset_after_effect", "hang_after_effect")
                    ),
                },
            ),
            ("all_is_well", 1, {}),
            ("a_workflow_changes_in_the_last_moment", 1, {"what": st.sampled_from(("progress", "replace", "suspend"))}),
            (
                "a_replica_dies_at_a_transaction",
                1,
                {
                    "replica": st.integers(0, 1),
                    "after": st.integers(0, 5),
                    "where": st.sampled_from(("before", "inside", "after")),
                },
            ),
            ("replicas_die_in_a_request", 1, {}),
        )
        for _ in range(weight)
    )
)
"""What may happen: a method of `History` and its arguments, those that are wanted often more than once."""


class History(RuleBasedStateMachine):
    """One random history."""

    ground: Ground
    runner: asyncio.Runner
    seen: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.fleet: Fleet
        self.begun = False
        self.stack = AsyncExitStack()

    @initialize(limits=LIMITS, way=st.sampled_from(sorted(WAYS)))
    def begin(self, limits: Limits, way: str) -> None:
        self.fleet = self.runner.run(self.stack.enter_async_context(self.ground.fleet(limits, way)))
        self.begun = True
        for course in ("hang, succeed", "hang", "hang, hang, succeed"):
            self.fleet.submit(course, stuck=True)
        for _ in range(2):
            self.fleet.submit("", stuck=False)

    def teardown(self) -> None:
        if not self.begun:
            return
        try:
            self.runner.run(self.end())
        finally:
            self.runner.run(self.stack.aclose())
            self.seen.update(self.fleet.seen)

    async def end(self) -> None:
        """Let everything come to its end, and look whether all of it is told."""
        fleet = self.fleet
        await fleet.settle()
        fleet.seen["histories"] += 1
        named = {outcome.value for outcome in Outcome}
        for outcome, reason, count in await fleet.rows("select outcome, min(reason), count(*) from runs group by 1"):
            assert outcome in named
            assert reason
            fleet.seen[f"runs that ended as {outcome}"] += count
        refusals = await fleet.rows(
            "select c->>'guard', c->>'measured', c->>'limit', c->>'reason' from (select jsonb_path_query_first(checks, "
            "'$[*] ? (@.passed == false)') c from decisions where outcome = 'blocked') refused"
        )
        assert all(part for refusal in refusals for part in refusal), "a refusal says what, how much and why"
        for guard, *_ in refusals:
            fleet.seen[f"refusals by {guard}"] += 1
        silent = await fleet.rows(
            "select alertname, workflow from alerts a where status = 'firing' and not exists (select 1 from "
            "decisions d where d.alert_id = to_char(a.starts_at, 'YYYYMM') || '-' || a.id and d.firing = a.firings)"
        )
        assert silent == [], "whatever fires is decided on"

    @rule(event=EVENTS, working=WORKING)
    def happens(self, event: tuple[str, dict[str, object]], working: Working) -> None:
        """Let something happen, then let Receiver do some of what it has to do, and judge what came of it.

        One rule for everything, since hypothesis leaves whole rules out of a history.
        """
        name, given = event
        getattr(self, name)(**given)
        self.fleet.seen["steps"] += 1
        order = random.Random(working.chance)  # noqa: S311 - a repeatable order
        self.runner.run(self.receiver_works(order, working))
        self.fleet.check()

    async def receiver_works(self, order: random.Random, working: Working) -> None:
        if await self.fleet.work(order, most=working.most, both=working.both):
            await self.fleet.count()

    # --- what happens in the world ---------------------------------------------------------------------------------

    def people_submit(self, *, stuck: bool, course: str) -> None:
        if len(self.fleet.workflows()) < 10:
            self.fleet.submit(course, stuck=stuck)

    def alerts_fire(self, *, chance: int, number: int) -> None:
        """Alerts about what is there, new or repeated, however wrong they may be."""
        order = random.Random(chance)  # noqa: S311 - a repeatable choice
        workflows = self.fleet.workflows()
        for workflow in order.sample(workflows, min(number, len(workflows))):
            finished = workflow.get("status", {}).get("phase") in {"Succeeded", "Failed", "Error"}
            self.runner.run(self.fleet.fire(DONE if finished else STUCK, workflow["metadata"]["name"]))

    def an_alert_ends(self, *, chance: int) -> None:
        if keys := sorted(self.fleet.alerts):
            self.runner.run(self.fleet.resolve(*keys[chance % len(keys)]))

    def a_workflow_changes(self, *, chance: int, what: str) -> None:
        if workflows := self.fleet.workflows():
            getattr(self.fleet, what)(workflows[chance % len(workflows)])

    def argo_archives(self, *, chance: int, early: bool) -> None:
        ended = [one for one in self.fleet.workflows() if one.get("status", {}).get("finishedAt")]
        if ended:
            self.fleet.keep(ended[chance % len(ended)], early=early)

    def time_passes(self, *, seconds: int) -> None:
        self.runner.run(self.fleet.pass_by(timedelta(seconds=seconds)))

    def the_clock_jumps(self, *, seconds: int) -> None:
        self.fleet.seen["clock jumps"] += 1
        self.fleet.clock.pass_by(timedelta(seconds=seconds))

    def people_pause_or_resume(self, *, begin: bool) -> None:
        if self.fleet.paused or begin:
            self.runner.run(self.fleet.pause(on=not self.fleet.paused))

    def people_close_the_breaker(self) -> None:
        """And give the playbook its own mode back, where a fix of it did not hold."""
        self.runner.run(self.fleet.close_breaker())

    # --- what goes wrong -------------------------------------------------------------------------------------------

    def the_cluster_refuses(self, *, status: int, method: str, times: int) -> None:
        self.fleet.seen[f"faults: {status}"] += times
        headers = {"Retry-After": "1"} if status == 429 else {}
        body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status, "message": "not now"}
        self.fleet.witness.answer(status, method=method, body=body, headers=headers, times=times)

    def an_answer_is_lost(self, *, method: str, how: str) -> None:
        self.fleet.seen[f"faults: {how}"] += 1
        getattr(self.fleet.witness, how)(method=method)

    def all_is_well(self) -> None:
        self.fleet.witness.clear()

    def a_workflow_changes_in_the_last_moment(self, *, what: str) -> None:
        """Between our last look at it and the change that we make."""

        def meddle(name: str) -> None:
            for workflow in self.fleet.workflows():
                if workflow["metadata"]["name"] == name:
                    self.fleet.seen[f"last moment: {what}"] += 1
                    getattr(self.fleet, what)(workflow)

        self.fleet.witness.meddle = meddle

    def a_replica_dies_at_a_transaction(self, *, replica: int, after: int, where: str) -> None:
        self.fleet.databases[replica].dies_at = (after, where)

    def replicas_die_in_a_request(self) -> None:
        self.fleet.witness.strike = self.fleet.strike


@pytest.mark.timeout(6 * 3_600 if LONG else 1_800)
@pytest.mark.parametrize("part", PARTS)
def test_whatever_happens_no_remediation_runs_away(part: int, database_url: str, tmp_path: Path) -> None:
    seeds, seen = itertools.count(FIRST_SEED + 1_000 * part), Counter[str]()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        ground = ground_on(database_url, tmp_path)
        History.runner, History.ground, History.seen = runner, runner.run(ground.__aenter__()), seen

        while seen["steps"] < STEPS_WANTED:
            run_state_machine_as_test(seed(next(seeds))(History), settings=PROFILE)

        runner.run(ground.__aexit__(None, None, None))
    SEEN.update(seen)
    for what, number in sorted(SEEN.items()):
        print(f"{number:8} {what}", flush=True)  # noqa: T201 - pytest shows it with -rP
    assert seen["ends"] > 0
    assert seen["makes"] > 0
