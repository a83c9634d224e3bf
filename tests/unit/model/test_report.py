"""A report fails with each line that is over its limit or could not be measured, and names these lines."""

from datetime import UTC, datetime

import pytest
import typer

from receiver.cli.forms import Form
from receiver.cli.reporting import conclude
from receiver.model.report import Line, Report, judged, off, unknown

GOOD = judged("backlog", "3", good=True, limit="at most 10", advice="run the cleanup")
OVER = judged("oldest", "12d", good=False, limit="at most 8d", advice="run the cleanup", details=("argo/etl",))
UNKNOWN = unknown("bucket", "the store does not answer", limit="equal to the index", advice="look at the store")
OFF = off("claims", "no cluster is configured")


def report(*lines: Line) -> Report:
    return Report(name="weekly", at=datetime(2026, 11, 25, tzinfo=UTC), lines=lines)


def test_what_is_not_configured_does_not_fail_and_what_could_not_be_measured_does() -> None:
    codes = [report(*lines).exit_code for lines in ([GOOD, OFF], [GOOD, OVER], [GOOD, UNKNOWN], [])]

    assert codes == [0, 1, 1, 0]


def test_advice_is_given_only_where_something_is_to_be_done() -> None:
    assert (GOOD.advice, OVER.advice) == ("", "run the cleanup")


def test_a_printed_report_ends_with_the_lines_that_failed(capsys: pytest.CaptureFixture[str]) -> None:
    conclude(report(GOOD, OFF), Form.TABLE)
    good = capsys.readouterr().out
    with pytest.raises(typer.Exit):
        conclude(report(GOOD, OVER, UNKNOWN), Form.TABLE)
    bad = capsys.readouterr().out

    assert good.endswith("weekly: every line is within its limit\n")
    assert bad.endswith(
        "weekly: 2 of 3 lines are not as they ought to be\n"
        "  oldest (over): 12d; run the cleanup\n"
        "  bucket (unknown): the store does not answer; look at the store\n"
    )
    assert "  argo/etl\n" in bad
