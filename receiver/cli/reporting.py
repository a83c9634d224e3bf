"""How a report of operations is printed: a table on a terminal, the same as a document for programs."""

from typing import Any

import typer

from receiver.cli.forms import Form, give
from receiver.cli.tables import say, table
from receiver.model.report import Line, Report


def conclude(report: Report, output: Form) -> None:
    """Print a report; where a line of it failed, name these lines last and end the command with 1.

    Raises:
        typer.Exit: Some line failed.
    """
    give(_shape(report), output, lambda: _tell(report))
    if report.exit_code:
        raise typer.Exit(report.exit_code)


def _tell(report: Report) -> None:
    table(
        ("", "subject", "value", "limit"),
        ((line.verdict.value, line.subject, line.value, line.limit) for line in report.lines),
        empty="nothing was looked at",
    )
    for line in report.lines:
        if line.details:
            say()
            say(f"{line.subject}:")
        for detail in line.details:
            say(f"  {detail}")
    say()
    failures = report.failures
    if not failures:
        say(f"{report.name}: every line is within its limit")
        return
    say(f"{report.name}: {len(failures)} of {len(report.lines)} lines are not as they ought to be")
    for line in failures:
        say(f"  {line.subject} ({line.verdict.value}): {line.value}; {line.advice}")


def _shape(report: Report) -> dict[str, Any]:
    return {
        "report": report.name,
        "at": report.at,
        "good": not report.exit_code,
        "failures": [line.subject for line in report.failures],
        "lines": [_line(line) for line in report.lines],
    }


def _line(line: Line) -> dict[str, Any]:
    return {
        "subject": line.subject,
        "value": line.value,
        "limit": line.limit,
        "verdict": line.verdict.value,
        "advice": line.advice,
        "details": list(line.details),
    }
