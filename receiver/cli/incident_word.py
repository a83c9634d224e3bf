"""`receiver incidents ack` and `silence`: a person's word about an incident, which the pipeline acts on."""

from typing import Annotated, Final

import typer
from msgspec import ValidationError, convert

from receiver.cli.desk import answered, desk_at
from receiver.cli.front import run as run_work
from receiver.cli.reading import Config, Server, TokenFile, Where, absent
from receiver.cli.tables import say
from receiver.model.shapes.incident_requests import SilenceWish, TakingWish
from receiver.pipeline.silencing import NOT_SILENCED
from receiver.pipeline.taking import NOT_TAKEN

Incident = Annotated[int, typer.Argument(metavar="ID", help="As `receiver incidents list` shows it.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Leave it queued; else wait until somebody has acted on it.")]

_IN_VAIN: Final = (NOT_TAKEN, NOT_SILENCED)
"""How the answers begin where nothing came of it."""


def acknowledge(
    incident: Incident,
    *,
    note: Annotated[str, typer.Option(help="For the record, and for the thread of the message.")] = "",
    no_wait: NoWait = False,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
) -> None:
    """Take an incident on: its messages say so, and nobody else is woken for what fired until now."""
    try:
        wish = convert({"note": note}, TakingWish)
    except ValidationError as error:
        raise typer.BadParameter(str(error), param_hint="--note") from error
    run_work(_give(Where(config, server, token_file), incident, wish, wait=not no_wait))


def silence(
    incident: Incident,
    *,
    reason: Annotated[str, typer.Option(help="Why; stands in the silence itself.", show_default=False)],
    length: Annotated[str, typer.Option("--for", metavar="LENGTH", help="Such as 1h, 4h or 1d; at most 7d.")] = "1h",
    no_wait: NoWait = False,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
) -> None:
    """Let Alertmanager tell nobody about it for a while, in your name: whatever fires about the same workflow."""
    try:
        wish = convert({"reason": reason, "for": length}, SilenceWish)
    except ValidationError as error:
        raise typer.BadParameter(str(error)) from error
    run_work(_give(Where(config, server, token_file), incident, wish, wait=not no_wait))


async def _give(where: Where, number: int, wish: TakingWish | SilenceWish, *, wait: bool) -> None:
    """Give the word, and wait until it was acted on unless told otherwise; exits with 1 where nothing came of it."""
    async with desk_at(where) as desk:
        asked = await desk.tell(number, wish)
        if asked is None:
            raise absent(f"incident {number}", "incidents list")
        what = "silence" if isinstance(wish, SilenceWish) else "acknowledge"
        say(f"request {asked} is written down: {what} incident {number}")
        if not wait:
            return
        found = await answered(desk, asked)
    say(found.answer)
    if found.answer.startswith(_IN_VAIN):
        raise typer.Exit(1)
