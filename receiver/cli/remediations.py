"""`receiver remediations`: what was done, step by step, and a person's word about it."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from receiver.cli import pauses
from receiver.cli.person import person
from receiver.cli.reading import Config, Cursor, Limit, Output, absent, ask, more, opened, run as run_work, settings_of
from receiver.cli.tables import Form, dump, members, say, table
from receiver.cli.waking import waking
from receiver.model.errors import StoreError
from receiver.model.remediation import Outcome, Run, RunState
from receiver.model.request import Kind
from receiver.store import requests
from receiver.store.database import Database
from receiver.store.history import remediations
from receiver.store.history.remediations import RunFilter
from receiver.store.jobs import Queue
from receiver.web.api.remediations import run_shape
from receiver.web.api.shapes import items_of

app = typer.Typer(
    add_completion=False,
    name="remediations",
    help="Remediations: the audit trail, and its decisions.",
    no_args_is_help=True,
)

app.command("pause")(pauses.pause)
app.command("resume")(pauses.resume)

_POLL: Final = timedelta(seconds=0.5)
_HINT: Final = timedelta(seconds=15)
"""After so long without any progress it is said who would have to act."""

_WANTED: Final = {Kind.APPROVE: Outcome.SUCCEEDED, Kind.REJECT: Outcome.REJECTED, Kind.CANCEL: Outcome.CANCELLED}
"""The end that somebody who asks hopes for."""

Remediation = Annotated[int, typer.Argument(metavar="ID", help="Number of the remediation.")]
Note = Annotated[str, typer.Option(help="Why; for the record.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Leave it queued; else wait until the remediation has ended.")]


@app.command("list")
def list_remediations(
    *,
    config: Config = None,
    output: Output = Form.TABLE,
    state: RunState | None = None,
    outcome: Outcome | None = None,
    playbook: str | None = None,
    workflow: str | None = None,
    namespace: str | None = None,
    incident: int | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """List remediations, newest first."""
    wanted = RunFilter(
        state=state, outcome=outcome, playbook=playbook, workflow=workflow, namespace=namespace, incident_id=incident
    )
    page = ask(config, lambda tx: remediations.page(tx, wanted, limit=limit, cursor=cursor))
    if output is Form.JSON:
        dump(items_of(page, run_shape))
        return
    run_table(page.items)
    more(page)


@app.command("show")
def show_remediation(remediation: Remediation, *, config: Config = None, output: Output = Form.TABLE) -> None:
    """Show one remediation: its steps, and every attempt at one."""
    found = ask(config, lambda tx: remediations.get(tx, remediation))
    if found is None:
        raise absent(f"remediation {remediation}", "remediations list")
    if output is Form.JSON:
        dump(run_shape(found))
        return
    members(
        [
            ("remediation", found.id),
            ("playbook", f"{found.playbook} ({found.mode.value}), version {found.version}"),
            ("target", _target(found)),
            ("incident", found.incident_id),
            ("alert", found.alert_id),
            ("state", found.state),
            ("outcome", found.outcome),
            ("because", found.reason),
            ("step", f"{min(found.cursor + 1, len(found.steps))} of {len(found.steps)}"),
            ("next look", found.wake_at),
            ("began", found.started_at),
            ("ended", found.finished_at),
        ]
    )
    say()
    table(
        ("step>", "try>", "action", "state", "began", "ended", "error"),
        (
            (one.cursor + 1, one.attempt, one.action, one.state, one.started_at, one.finished_at, one.error)
            for one in found.journal
        ),
    )


@app.command("approve")
def approve(remediation: Remediation, *, config: Config = None, note: Note = "", no_wait: NoWait = False) -> None:
    """Let a remediation go ahead; it counts whenever it comes, also before the remediation asks for it."""
    run_work(_word(config, Kind.APPROVE, remediation, note, wait=not no_wait))


@app.command("reject")
def reject(remediation: Remediation, *, config: Config = None, note: Note = "", no_wait: NoWait = False) -> None:
    """Do not let a remediation go ahead."""
    run_work(_word(config, Kind.REJECT, remediation, note, wait=not no_wait))


@app.command("cancel")
def cancel(remediation: Remediation, *, config: Config = None, note: Note = "", no_wait: NoWait = False) -> None:
    """Stop a remediation as soon as that is safe: a workflow that was terminated is brought back first."""
    run_work(_word(config, Kind.CANCEL, remediation, note, wait=not no_wait))


def run_table(found: Sequence[Run]) -> None:
    """Print remediations, one a row."""
    table(
        ("id>", "playbook", "mode", "target", "state", "outcome", "because", "began", "ended"),
        (
            (
                one.id,
                one.playbook,
                one.mode,
                _target(one),
                one.state,
                one.outcome,
                one.reason,
                one.started_at,
                one.finished_at,
            )
            for one in found
        ),
    )


async def _word(config: Path | None, kind: Kind, number: int, note: str, *, wait: bool) -> None:
    """Write a person's word down and wake whoever acts on it; then wait for the end, unless told otherwise."""
    async with opened(settings_of(config)) as database:
        queue = Queue(database)
        await queue.open()
        async with database.transaction() as tx:
            found = await remediations.get(tx, number)
            if found is None:
                raise absent(f"remediation {number}", "remediations list")
            if found.state is RunState.FINISHED:
                outcome = found.outcome.value if found.outcome else "finished"
                raise StoreError(f"remediation {number} has already ended: {outcome}")
            asked = await requests.ask(tx, kind, number, asked_by=person(), detail={"note": note})
            await waking(queue, lambda: datetime.now(UTC))(tx, number)
        say(f"request {asked} is written down: {kind.value} remediation {number}")
        if not wait:
            return
        ended = await _ended(database, found)
    outcome = ended.outcome.value if ended.outcome else "finished"
    say(f"remediation {number} ended: {outcome}. {ended.reason}")
    if ended.outcome is not _WANTED[kind]:
        raise typer.Exit(1)


async def _ended(database: Database, before: Run) -> Run:
    """Wait until a remediation has ended, and say each time where it stands."""
    loop = asyncio.get_running_loop()
    moved = loop.time()
    hinted = False
    while before.state is not RunState.FINISHED:
        await asyncio.sleep(_POLL.total_seconds())
        async with database.transaction() as tx:
            now = await remediations.get(tx, before.id)
        if now is None:
            raise StoreError(f"remediation {before.id} has gone from the database")
        if (now.cursor, len(now.journal)) != (before.cursor, len(before.journal)):
            moved, hinted = loop.time(), False
            say(f"step {min(now.cursor + 1, len(now.steps))} of {len(now.steps)}")
        elif not hinted and loop.time() - moved > _HINT.total_seconds():
            hinted = True
            typer.echo("still waiting; a running `receiver serve` or `receiver worker` acts on it", err=True)
        before = now
    return before


def _target(found: Run) -> str:
    target = found.target
    return f"{target.namespace}/{target.name}" if target else ""
