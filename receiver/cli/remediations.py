"""`receiver remediations`: what was done, step by step, and a person's word about it."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from receiver.cli import pauses
from receiver.cli.filters import Incident, Namespace, Playbook, Workflow
from receiver.cli.forms import Form
from receiver.cli.reading import (
    Config,
    Cursor,
    Limit,
    ListOutput,
    Output,
    Own,
    Server,
    TokenFile,
    Where,
    absent,
    asking,
    run as run_work,
)
from receiver.cli.tables import members, say, table
from receiver.cli.telling import Watch, Way, tell
from receiver.cli.word import give_word
from receiver.clients.receiver import ReceiverClient
from receiver.model.remediation import Outcome, RunState
from receiver.model.request import Kind
from receiver.model.shapes.parts import Items
from receiver.model.shapes.remediations import RunShape
from receiver.store.history import remediations
from receiver.store.history.remediations import RunFilter
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

Remediation = Annotated[int, typer.Argument(metavar="ID", help="Number of the remediation.")]
Note = Annotated[str, typer.Option(help="Why; for the record.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Leave it queued; else wait until the remediation has ended.")]


@app.command("list")
def list_remediations(
    *,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
    output: ListOutput = Form.TABLE,
    watch: Watch = False,
    state: Annotated[RunState | None, typer.Option(help="Only in this state.")] = None,
    outcome: Annotated[Outcome | None, typer.Option(help="Only those that ended so.")] = None,
    playbook: Playbook = None,
    workflow: Workflow = None,
    namespace: Namespace = None,
    incident: Incident = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """List remediations, newest first."""
    plain: dict[str, Any] = {"outcome": outcome, "playbook": playbook, "workflow": workflow, "namespace": namespace}

    async def here(own: Own) -> Items[RunShape]:
        wanted = RunFilter(state=state, incident_id=incident, **plain)
        return items_of(await remediations.page(own.tx, wanted, limit=limit, cursor=cursor), run_shape)

    async def there(service: ReceiverClient) -> Items[RunShape]:
        return await service.remediations.page(state=state, incident=incident, **plain, limit=limit, cursor=cursor)

    question = asking(Where(config, server, token_file), here=here, there=there)
    tell(question, Way(output=output, told=_listed, name=lambda one: one.id), watch=watch)


@app.command("show")
def show_remediation(
    remediation: Remediation,
    *,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
    output: Output = Form.TABLE,
    watch: Watch = False,
) -> None:
    """Show one remediation: its steps, and every attempt at one."""

    async def here(own: Own) -> RunShape | None:
        found = await remediations.get(own.tx, remediation)
        return run_shape(found) if found else None

    async def there(service: ReceiverClient) -> RunShape | None:
        return await service.remediations.get(remediation)

    question = asking(Where(config, server, token_file), here=here, there=there)
    missing = absent(f"remediation {remediation}", "remediations list")
    tell(question, Way(output=output, told=_tell), missing=missing, watch=watch)


def _tell(found: RunShape) -> None:
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
def approve(
    remediation: Remediation,
    *,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
    note: Note = "",
    no_wait: NoWait = False,
) -> None:
    """Let a remediation go ahead; it counts whenever it comes, also before the remediation asks for it."""
    run_work(give_word(Where(config, server, token_file), Kind.APPROVE, remediation, note, wait=not no_wait))


@app.command("reject")
def reject(
    remediation: Remediation,
    *,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
    note: Note = "",
    no_wait: NoWait = False,
) -> None:
    """Do not let a remediation go ahead."""
    run_work(give_word(Where(config, server, token_file), Kind.REJECT, remediation, note, wait=not no_wait))


@app.command("cancel")
def cancel(
    remediation: Remediation,
    *,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
    note: Note = "",
    no_wait: NoWait = False,
) -> None:
    """Stop a remediation as soon as that is safe: a workflow that was terminated is brought back first."""
    run_work(give_word(Where(config, server, token_file), Kind.CANCEL, remediation, note, wait=not no_wait))


def _listed(page: Items[RunShape]) -> None:
    run_table(page.items)


def run_table(found: Sequence[RunShape]) -> None:
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


def _target(found: RunShape) -> str:
    target = found.target
    return f"{target.namespace}/{target.name}" if target else ""
