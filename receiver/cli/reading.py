"""What reading commands share: their options, and one question, to the own database or to a service elsewhere."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer
from msgspec.structs import replace

from receiver.cli.forms import ListOutput, Output
from receiver.cli.front import Config, run, settings_of
from receiver.cli.wiring import database_url, open_database
from receiver.clients.receiver import ReceiverClient
from receiver.model.duration import Duration
from receiver.model.errors import DeliveryError, SettingsError, StoreError
from receiver.settings import Settings
from receiver.store.database import Database, Transaction
from receiver.store.history.page import MOST
from receiver.webhook.message import parse_time

__all__ = [
    "Config",
    "Cursor",
    "Limit",
    "ListOutput",
    "Moment",
    "Output",
    "Own",
    "Server",
    "TokenFile",
    "Where",
    "absent",
    "asking",
    "elsewhere",
    "learn",
    "moment",
    "opened",
    "run",
    "settings_of",
]

T = TypeVar("T")

Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=MOST, metavar="N", help="Most items.")]
Cursor = Annotated[
    str | None, typer.Option("--cursor", metavar="CURSOR", help="Go on from here: `next` or `previous` of a list.")
]
Server = Annotated[
    str | None,
    typer.Option(
        "--server", metavar="URL", help="Ask a running service; its token in RECEIVER_TOKEN or by --token-file."
    ),
]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", metavar="FILE", help="Holds the token for --server, and nothing else.")
]
Moment = Annotated[str | None, typer.Option(metavar="TIME", help="RFC 3339, or so long ago: 12h, 30d.")]


_TOKEN: Final = "RECEIVER_TOKEN"  # noqa: S105 - the name of a variable


@dataclass(frozen=True, slots=True)
class Where:
    """Whom a command asks.

    Attributes:
        config: Names the own database, where no server is named.
        server: Address of a running service; None for the own database.
        token_file: Holds the token for it; None where RECEIVER_TOKEN does, or none is needed.
    """

    config: Path | None
    server: str | None
    token_file: Path | None

    def token(self) -> str:
        """Read the token; empty where there is none.

        Raises:
            SettingsError: The file cannot be read.
        """
        if self.token_file is None:
            return os.environ.get(_TOKEN, "").strip()
        try:
            return self.token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"--token-file {self.token_file} cannot be read: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """The configured database, opened for one question, in one transaction."""

    settings: Settings
    database: Database
    tx: Transaction


@asynccontextmanager
async def elsewhere(where: Where) -> AsyncIterator[ReceiverClient]:
    """Open the client of the service that `--server` names.

    Raises:
        SettingsError: Its address or its token cannot be used.
    """
    server = where.server or ""
    if not server.startswith(("http://", "https://")):
        raise SettingsError(f"--server {server!r} is no address; write one such as https://receiver.example.org")
    async with ReceiverClient(server, where.token()) as client:
        yield client


@asynccontextmanager
async def asking(
    where: Where, *, here: Callable[[Own], Awaitable[T]], there: Callable[[ReceiverClient], Awaitable[T]]
) -> AsyncIterator[Callable[[], Awaitable[T]]]:
    """Open the configured database or a service elsewhere, and give one question to it; both give the same shapes.

    Raises:
        StoreError: The database cannot answer; this and what follows also each time that the question is asked.
        RemoteError: The service does not.
    """
    if where.server is not None:
        async with elsewhere(where) as client:
            yield lambda: there(client)
        return
    settings = settings_of(where.config)
    async with opened(settings) as database:

        async def ask() -> T:
            async with database.transaction() as tx:
                return await here(Own(settings=settings, database=database, tx=tx))

        yield ask


def learn(where: Where, *, here: Callable[[Own], Awaitable[T]], there: Callable[[ReceiverClient], Awaitable[T]]) -> T:
    """Ask one question, once; see `asking`."""

    async def once() -> T:
        async with asking(where, here=here, there=there) as ask:
            return await ask()

    return run(once())


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    """Open the configured database for one command; the embedded one is joined, or started as long as it takes."""
    few = replace(settings, database=replace(settings.database, connections=4))
    async with database_url(few) as url, open_database(few, url) as database:
        yield database


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


def absent(what: str, command: str) -> StoreError:
    """Make the error for something that is not there."""
    return StoreError(f"there is no {what}; `receiver {command}` lists what there is")
