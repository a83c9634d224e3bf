"""`receiver archive restore`: a new workflow out of an archived one, made from here or by a running service."""

from datetime import datetime, timedelta
from typing import Annotated

import typer
from msgspec import ValidationError, convert

from receiver.cli.archive_desk import WHICH, At, NoWait, Which, desk_of, find, moment_of, named, none_of, number_of
from receiver.cli.desk import answered_by
from receiver.cli.reading import Config, Server, TokenFile, Where, elsewhere, run, settings_of
from receiver.cli.tables import say
from receiver.clients.receiver import ReceiverClient
from receiver.model.shapes.archives import RestoreWish
from receiver.model.shapes.requests import RequestShape
from receiver.pipeline.asked import NOT_RESTORED, restored
from receiver.settings import Settings


def restore(
    archive: Which,
    *,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
    at: At = None,
    name: Annotated[str | None, typer.Option(help="What the new workflow is called; else as the old one.")] = None,
    begin: Annotated[bool, typer.Option("--begin", help="Let it begin at once; else it is suspended.")] = False,
    no_wait: NoWait = False,
) -> None:
    """Create a new workflow out of an archived one. It begins at its beginning, once somebody resumes it."""
    try:
        wish = convert({"name": name, "begin": begin}, RestoreWish)
    except ValidationError as error:
        raise typer.BadParameter(f"{name!r} is no name of a workflow: {error}", param_hint="--name") from error
    then = moment_of(at)
    if server is None:
        say(run(_here(settings_of(config), archive, then, wish)))
        return
    found = run(_there(Where(config, server, token_file), archive, then, wish, wait=not no_wait))
    say(found.answer or f"request {found.id} is written down: restore {archive}")
    if found.answer.startswith(NOT_RESTORED):
        raise typer.Exit(1)


async def _here(settings: Settings, which: str, at: datetime | None, wish: RestoreWish) -> str:
    async with desk_of(settings) as desk:
        async with desk.database.transaction() as tx:
            found = await find(tx, which, at)
        return restored(await desk.archivist.restore(found, name=wish.name or found.name, suspended=not wish.begin))


async def _there(where: Where, which: str, at: datetime | None, wish: RestoreWish, *, wait: bool) -> RequestShape:
    async with elsewhere(where) as service:
        number = await _number(service, which, at)
        asked = await service.archives.restore(number, wish)
        if asked is None:
            raise none_of(which, at)
        return await answered_by(service, asked.request_id, wait=wait)


async def _number(service: ReceiverClient, which: str, at: datetime | None) -> int:
    """Find the archive's number.

    Raises:
        ArchiveAbsent: There is none.
    """
    number = number_of(which)
    if number is not None:
        return number
    namespace, name = named(which, WHICH)
    until = None if at is None else at + timedelta(seconds=1)
    page = await service.archives.page(namespace=namespace, name=name, since=at, until=until, limit=1)
    if not page.items:
        raise none_of(which, at)
    return page.items[0].id
