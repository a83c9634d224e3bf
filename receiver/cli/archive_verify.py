"""`receiver archive verify`: read archives back, and say which are not whole."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Annotated, Final

import typer

from receiver.cli.advance import bar
from receiver.cli.archive_desk import WHICH, At, Desk, desk_of, find, moment_of
from receiver.cli.forms import Form, give_line
from receiver.cli.reading import Config, Output, run, settings_of
from receiver.cli.tables import members, say
from receiver.model.archive import Archived
from receiver.model.errors import S3Error
from receiver.pipeline.archiving import Archivist
from receiver.settings import Settings
from receiver.store import archives
from receiver.store.archives import Wanted

_PAGE: Final = 200
_AT_ONCE: Final = 8
"""Objects that are read at the same time; each may be as large as an archive can be."""


def verify(
    archive: Annotated[
        str | None, typer.Argument(metavar="[NS/NAME|ID]", help="The newest archive of a workflow, or one by number.")
    ] = None,
    *,
    config: Config = None,
    output: Output = Form.TABLE,
    at: At = None,
    every: Annotated[bool, typer.Option("--all", help="Every archive of the index.")] = False,
    sample: Annotated[
        int | None, typer.Option("--sample", min=1, max=100_000, metavar="N", help="So many, drawn by lot.")
    ] = None,
) -> None:
    """Read archives back and compare them with the index; exits with 1 where one is not whole, or cannot be read."""
    if (archive is not None) + every + (sample is not None) != 1:
        raise typer.BadParameter("name one archive, or give --all or --sample", param_hint=WHICH)
    whole = run(_verify(settings_of(config), archive, moment_of(at), sample, output))
    if not whole:
        raise typer.Exit(1)


async def _verify(settings: Settings, which: str | None, at: datetime | None, sample: int | None, output: Form) -> bool:
    """Verify what is meant, and say of each how it is as soon as that is known; answers whether all are whole."""
    counted = faulty = 0
    async with desk_of(settings) as desk:
        with bar("verifying", await _count(desk, which, sample)) as advance:
            async for some in _meant(desk, which, at, sample):
                troubles = await asyncio.gather(*(_tried(desk.archivist, one) for one in some))
                for one, trouble in zip(some, troubles, strict=True):
                    counted += 1
                    faulty += bool(trouble)
                    _tell(one, trouble, output, aloud=which is not None)
                advance(len(some))
    if output is Form.TABLE and which is None:
        say(f"{counted} archives were read back, {faulty} of them are not whole or could not be read")
    return faulty == 0


async def _tried(archivist: Archivist, archived: Archived) -> str:
    try:
        return await archivist.verify(archived)
    except S3Error as error:
        return f"it could not be read: {error}"


def _tell(archived: Archived, trouble: str, output: Form, *, aloud: bool) -> None:
    shape = {"id": archived.id, "place": archived.place, "whole": not trouble, "trouble": trouble}
    give_line(shape, output, lambda: _say(archived, trouble, aloud=aloud))


def _say(archived: Archived, trouble: str, *, aloud: bool) -> None:
    if trouble or aloud:
        members(
            (
                ("archive", archived.id),
                ("workflow", f"{archived.namespace}/{archived.name}"),
                ("object", archived.place),
                ("found", trouble or "whole"),
            )
        )


async def _count(desk: Desk, which: str | None, sample: int | None) -> int:
    if which is not None:
        return 1
    async with desk.database.transaction() as tx:
        count = (await archives.total(tx, Wanted())).count
    return count if sample is None else min(count, sample)


async def _meant(
    desk: Desk, which: str | None, at: datetime | None, sample: int | None
) -> AsyncIterator[Sequence[Archived]]:
    """Give what is meant, a few at a time."""
    if which is not None or sample is not None:
        async with desk.database.transaction() as tx:
            found = (await find(tx, which, at),) if which is not None else await archives.sample(tx, sample or 1)
        for some in _few(found):
            yield some
        return
    cursor: str | None = None
    while True:
        async with desk.database.transaction() as tx:
            page = await archives.page(tx, Wanted(), limit=_PAGE, cursor=cursor)
        for some in _few(page.items):
            yield some
        cursor = page.next
        if cursor is None:
            return


def _few(found: Sequence[Archived]) -> list[Sequence[Archived]]:
    return [found[begin : begin + _AT_ONCE] for begin in range(0, len(found), _AT_ONCE)]
