"""`receiver playbooks run`: let a playbook act on a workflow or a deployment, by the same guards as at night."""

from typing import Annotated, Final

import typer
from msgspec import ValidationError, convert

from receiver.cli.desk import answered, desk_at, ended
from receiver.cli.filters import PlaybookName
from receiver.cli.front import run as run_work
from receiver.cli.reading import Config, Server, TokenFile, Where, absent
from receiver.cli.tables import say
from receiver.model.remediation import Outcome
from receiver.model.shapes.playbook_requests import RunWish

_HOPED_FOR: Final = frozenset({Outcome.SUCCEEDED, Outcome.SIMULATED})


def run(
    name: PlaybookName,
    *,
    workflow: Annotated[
        str | None, typer.Option(metavar="NAMESPACE/NAME", help="The workflow that it is to act on.")
    ] = None,
    deployment: Annotated[
        str | None,
        typer.Option(metavar="NAMESPACE/NAME", help="The deployment, such as an agent's, that it is to act on."),
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Act, whatever mode the playbook has.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only decide, whatever mode the playbook has.")] = False,
    note: Annotated[str, typer.Option(help="Why; for the record.")] = "",
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Leave it queued; else wait until it has ended.")] = False,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
) -> None:
    """Let a playbook act on what you name: guards and condition decide as for an alert, and refuse as they do."""
    named = {"workflow": workflow, "deployment": deployment}
    try:
        wanted = convert({**named, "live": live, "dry_run": dry_run, "note": note}, RunWish)
    except ValidationError as error:
        hint = "--workflow" if deployment is None else "--deployment"
        raise typer.BadParameter(f"{error}; write it as NAMESPACE/NAME", param_hint=hint) from error
    run_work(_run(Where(config, server, token_file), name, wanted, wait=not no_wait))


async def _run(where: Where, name: str, wanted: RunWish, *, wait: bool) -> None:
    """Ask, and wait for the end unless told otherwise; exits with 1 where nothing came of it."""
    async with desk_at(where) as desk:
        request = await desk.wish(name, wanted)
        if request is None:
            raise absent(f"playbook {name!r}", "playbooks list")
        say(f"request {request} is written down: {name} on {wanted.workflow or wanted.deployment}")
        if not wait:
            return
        answer = await answered(desk, request)
        say(answer.answer)
        if answer.run_id is None:
            raise typer.Exit(1)
        end = await ended(desk, answer.run_id)
    outcome = end.outcome.value if end.outcome else "finished"
    say(f"remediation {end.id} ended: {outcome}. {end.reason}")
    if end.outcome not in _HOPED_FOR:
        raise typer.Exit(1)
