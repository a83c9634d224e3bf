"""The weekly report judges each line by its limit, and says what is over it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from receiver.model.cleanup import Belonging, CleanupRun, Fate, Kind, Move, Owner, Reason, left_alone
from receiver.model.report import Verdict, human
from receiver.settings.upkeep import Weekly
from receiver.upkeep.weekly import claims_line, cleanup_lines, oldest_line

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
RUN = CleanupRun(
    started_at=NOW - timedelta(hours=5),
    ended_at=NOW - timedelta(hours=4),
    started_by="ann",
    older_than=timedelta(days=7),
    budget=500,
    archived=3,
    deleted=2,
    skipped={"opted_out": 1},
)
MOVE = Move(
    kind=Kind.WORKFLOW,
    namespace="argo",
    name="etl",
    uid="u",
    since=NOW - timedelta(days=9),
    size=6,
    fate=Fate.DUE,
)


@pytest.mark.parametrize(
    ("run", "verdicts"),
    [
        (None, ["over"]),
        (RUN, ["good", "good"]),
        (replace(RUN, ended_at=None), ["over", "good"]),
        (replace(RUN, started_at=NOW - timedelta(days=3)), ["over", "good"]),
        (replace(RUN, failed=1, trouble="no rights"), ["good", "over"]),
        (replace(RUN, trouble="the list expired"), ["good", "over"]),
    ],
)
def test_the_last_cleanup_is_recent_has_ended_and_nothing_failed_in_it(
    run: CleanupRun | None, verdicts: list[str]
) -> None:
    assert [line.verdict.value for line in cleanup_lines(run, Weekly(), NOW)] == verdicts


def test_the_last_cleanup_says_what_it_did_and_what_it_left_alone() -> None:
    line = cleanup_lines(RUN, Weekly(), NOW)[0]

    assert line.value == "began 5h ago and ended: 3 archived, 2 deleted"
    assert line.details == ("left alone: 1 opted out",)


def test_what_waits_too_long_for_its_deletion_is_over_the_limit_and_what_is_left_alone_is_not() -> None:
    left = left_alone(replace(MOVE, since=NOW - timedelta(days=90)), (Reason.OPTED_OUT, "it does not agree"))

    late = oldest_line("oldest", [MOVE, left], timedelta(days=8), NOW)
    good = oldest_line("oldest", [left], timedelta(days=8), NOW)

    assert (late.verdict, late.value) == (Verdict.OVER, "ended 9d ago; 1 are due, 1 are left alone")
    assert late.details == ("argo/etl ended 9d ago",)
    assert (good.verdict, good.value) == (Verdict.GOOD, "none is due, 1 are left alone")


def test_claims_are_added_up_and_the_largest_are_named() -> None:
    claim = Belonging(
        kind=Kind.CLAIM, namespace="argo", name="a", uid="c", resource_version="1", created_at=NOW, labels={},
        owners=(Owner(workflow=True, name="etl", uid="u"),), capacity=2 * 1024**3,
    )  # fmt: skip
    claims = [claim, replace(claim, name="b", capacity=1024**4, owners=())]

    line = claims_line(claims, 1024**4)

    assert (line.verdict, line.value, line.limit) == (Verdict.OVER, "2 of 1.0 TiB", "at most 1.0 TiB")
    assert line.details == ("1.0 TiB argo/b", "2.0 GiB argo/a, owned by workflow etl")
    assert claims_line([], 0).verdict is Verdict.GOOD


@pytest.mark.parametrize(
    ("size", "said"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (10 * 1024**3, "10.0 GiB")]
)
def test_bytes_are_written_for_people(size: int, said: str) -> None:
    assert human(size) == said
