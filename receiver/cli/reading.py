"""What reading commands share: their options, and one question to the configured database."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from msgspec.structs import replace

from receiver.cli.front import Config, run, settings_of
from receiver.cli.tables import Form, say
from receiver.cli.wiring import database_url, open_database
from receiver.model.duration import Duration
from receiver.model.errors import DeliveryError, StoreError
from receiver.settings import Settings
from receiver.store.database import Database, Transaction
from receiver.store.history.page import MOST, Page
from receiver.webhook.message import parse_time

__all__ = [
    "Config",
    "Cursor",
    "Limit",
    "Moment",
    "Output",
    "absent",
    "ask",
    "moment",
    "more",
    "opened",
    "run",
    "settings_of",
]

T = TypeVar("T")

Output = Annotated[Form, typer.Option("--output", "-o", help="table, or json for programs.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=MOST, metavar="N", help="Most items.")]
Cursor = Annotated[
    str | None, typer.Option("--cursor", metavar="CURSOR", help="Go on from here: `next` or `previous` of a list.")
]
Moment = Annotated[str | None, typer.Option(metavar="TIME", help="RFC 3339, or so long ago: 12h, 30d.")]


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    """Open the configured database for one command; the embedded one is joined, or started as long as it takes."""
    few = replace(settings, database=replace(settings.database, connections=4))
    async with database_url(few) as url, open_database(few, url) as database:
        yield database


def ask(config: Path | None, question: Callable[[Transaction], Awaitable[T]]) -> T:
    """Ask the configured database one question, in one transaction.

    Raises:
        StoreError: It cannot be answered.
    """

    async def asking() -> T:
        async with opened(settings_of(config)) as database, database.transaction() as tx:
            return await question(tx)

    return run(asking())


def moment(text: str | None, name: str) -> datetime | None:
    """Read a time: as such, or as a length before the present.

    Raises:
        typer.BadParameter: It is neither.
    """
    if text is None:
        return None
    try:
        return datetime.now(UTC) - Duration.parse(text)
    except (ValueError, OverflowError):
        pass
    try:
        return parse_time(text)
    except DeliveryError as error:
        raise typer.BadParameter(f"{error.reason}; nor is it a length such as 12h or 30d", param_hint=name) from error


def more(page: Page[T]) -> None:
    """Say how to go on, where there is more."""
    if page.next is not None:
        say(f"more: --cursor {page.next}")


def absent(what: str, command: str) -> StoreError:
    """Make the error for something that is not there."""
    return StoreError(f"there is no {what}; `receiver {command}` lists what there is")
