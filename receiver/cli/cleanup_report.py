"""What `receiver cleanup` prints: what is due, what became of it, and what was left alone for which reason."""

from collections.abc import Iterable, Sequence
from typing import Any

from receiver.cli.forms import Form, give
from receiver.cli.tables import say, table
from receiver.model.cleanup import CleanupRun, Fate, Kind, Move
from receiver.model.report import human


def planned(moves: Sequence[Move], budget: int, output: Form) -> None:
    """Print what a dry run found: what is due with its size, and what would be left alone."""
    due = [move for move in moves if move.fate is Fate.DUE]
    first = due[:budget]
    shape = {
        "dry_run": True,
        "budget": budget,
        "due": len(due),
        "frees": _frees(first),
        "moves": [_move(one) for one in moves],
    }
    give(shape, output, lambda: _tell_plan(moves, due, first))


def _tell_plan(moves: Sequence[Move], due: Sequence[Move], first: Sequence[Move]) -> None:
    table(
        ("kind", "object", "since", "bytes>", "with it"),
        ((one.kind.value, _name(one), one.since, one.size, _follows(one)) for one in due),
        empty="nothing is due",
    )
    _left(moves)
    frees = _frees(first)
    say(
        f"{len(due)} are due, of which one run would delete {len(first)}: "
        f"{human(frees['workflow_bytes'])} of workflows, {frees['pods']} pods, "
        f"{frees['claims']} claims of {human(frees['claim_bytes'])}; nothing was touched"
    )


def concluded(run: CleanupRun, moves: Sequence[Move], output: Form) -> None:
    """Print what a run came to."""
    found = {"run": shape(run), "moves": [_move(one) for one in moves]}
    give(found, output, lambda: _tell_run(run, moves))


def _tell_run(run: CleanupRun, moves: Sequence[Move]) -> None:
    _left(moves)
    failed = [move for move in moves if move.fate is Fate.FAILED]
    if failed:
        table(("failed", "why"), ((f"{one.kind.value} {_name(one)}", one.text) for one in failed))
    say(
        f"cleanup {run.id}: {run.due} were due, {run.archived} archived and read back, {run.deleted} deleted "
        f"({human(run.size)}), {sum(run.skipped.values())} left alone, {run.failed} failed"
    )
    if run.spent:
        say(f"the budget of {run.budget} is spent; the next run goes on with what is left")
    if run.trouble:
        say(f"trouble: {run.trouble}")


def shape(run: CleanupRun) -> dict[str, Any]:
    """Give a run its shape for programs."""
    return {
        "id": run.id,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "started_by": run.started_by,
        "older_than_seconds": run.older_than.total_seconds(),
        "budget": run.budget,
        "budget_spent": run.spent,
        "due": run.due,
        "archived": run.archived,
        "deleted": run.deleted,
        "skipped": dict(run.skipped),
        "failed": run.failed,
        "bytes": run.size,
        "trouble": run.trouble,
    }


def _left(moves: Sequence[Move]) -> None:
    left = [move for move in moves if move.fate is Fate.SKIPPED]
    if left:
        table(("left alone", "why"), ((f"{one.kind.value} {_name(one)}", one.text) for one in left))


def _frees(moves: Iterable[Move]) -> dict[str, int]:
    listed = list(moves)
    claims = [move for move in listed if move.kind is Kind.CLAIM]
    return {
        "workflow_bytes": sum(move.size for move in listed if move.kind is Kind.WORKFLOW),
        "pods": sum(move.pods + (move.kind is Kind.POD) for move in listed),
        "claims": sum(move.claims for move in listed) + len(claims),
        "claim_bytes": sum(move.capacity for move in listed) + sum(move.size for move in claims),
    }


def _follows(move: Move) -> str:
    said = [f"{move.pods} pods"] if move.pods else []
    said += [f"{move.claims} claims of {human(move.capacity)}"] if move.claims else []
    return ", ".join(said)


def _name(move: Move) -> str:
    return f"{move.namespace}/{move.name}"


def _move(move: Move) -> dict[str, Any]:
    return {
        "kind": move.kind.value,
        "namespace": move.namespace,
        "name": move.name,
        "uid": move.uid,
        "since": move.since,
        "bytes": move.size,
        "fate": move.fate.value,
        "reason": move.reason.value if move.reason else None,
        "text": move.text,
        "archive": move.place or None,
        "pods": move.pods,
        "claims": move.claims,
        "claim_bytes": move.capacity,
    }
