"""`receiver deadletter`: bodies that were not understood, and replaying them, or any delivery, for debugging."""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Protocol, TypeVar

import typer

from receiver.cli.advance import bar
from receiver.cli.forms import Form, give, give_line
from receiver.cli.person import person
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
    elsewhere,
    learn,
    opened,
    run,
    settings_of,
)
from receiver.cli.tables import members, say, table
from receiver.cli.telling import Watch, Way, tell
from receiver.clients.receiver import ReceiverClient
from receiver.model.errors import DeliveryError, LetterRefused, RemoteError, SettingsError, StoreError
from receiver.model.shapes.deadletters import DeadLetterShape, ReplayedShape, WholeLetterShape
from receiver.model.shapes.parts import Items
from receiver.settings import Settings
from receiver.store.database import Database
from receiver.store.history import deadletters, deliveries
from receiver.store.intake import Intake
from receiver.store.jobs import Queue
from receiver.store.migrate import migrate
from receiver.upkeep.rollup import count_up
from receiver.web.api.deadletters import letter_shape, replayed_shape, whole_letter_shape
from receiver.web.api.shapes import items_of
from receiver.web.replay import Replay
from receiver.webhook.message import parse

app = typer.Typer(
    add_completion=False,
    name="deadletter",
    help="Bodies that were not understood, and their replay.",
    no_args_is_help=True,
)

T = TypeVar("T")

_Shown = tuple[WholeLetterShape, bytes]

Letter = Annotated[int, typer.Argument(metavar="ID", help="Number of the dead letter.")]
Letters = Annotated[list[int] | None, typer.Argument(metavar="ID...", help="Numbers of dead letters.")]


@app.command("list")
def list_letters(
    *,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
    output: ListOutput = Form.TABLE,
    watch: Watch = False,
    settled: Annotated[
        bool | None, typer.Option("--settled/--open", help="Only those of which somebody decided, or nobody.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """List what was not understood, newest first."""

    async def here(own: Own) -> Items[DeadLetterShape]:
        found = await deadletters.page(own.tx, settled=settled, limit=limit, cursor=cursor)
        return items_of(found, letter_shape)

    async def there(service: ReceiverClient) -> Items[DeadLetterShape]:
        return await service.deadletters.page(settled=settled, limit=limit, cursor=cursor)

    question = asking(Where(config, server, token_file), here=here, there=there)
    tell(question, Way(output=output, told=_listed, name=lambda one: one.id), watch=watch)


@app.command("show")
def show_letter(
    letter: Letter,
    *,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
    output: Output = Form.TABLE,
    raw: Annotated[bool, typer.Option("--raw", help="Write the body alone, byte for byte.")] = False,
) -> None:
    """Show one dead letter with its body."""
    if raw and server is not None:
        raise typer.BadParameter("a service gives the body as text only; ask its database for --raw")

    async def here(own: Own) -> _Shown | None:
        found = await deadletters.get(own.tx, letter)
        return (whole_letter_shape(found), found.body or b"") if found else None

    async def there(service: ReceiverClient) -> _Shown | None:
        found = await service.deadletters.get(letter)
        return (found, found.body.encode()) if found else None

    shown = learn(Where(config, server, token_file), here=here, there=there)
    if shown is None:
        raise absent(f"dead letter {letter}", "deadletter list")
    found, body = shown
    if raw:
        sys.stdout.buffer.write(body)
        return
    give(found, output, lambda: _tell_letter(found, body))


def _listed(page: Items[DeadLetterShape]) -> None:
    table(
        ("id>", "received", "bytes>", "place", "reason", "fate", "decided by"),
        ((one.id, one.received_at, one.size, one.place, one.reason, one.fate, one.settled_by) for one in page.items),
    )


def _tell_letter(found: DeadLetterShape, body: bytes) -> None:
    members(
        [
            ("dead letter", found.id),
            ("received", found.received_at),
            ("reason", found.reason),
            ("place", found.place),
            ("bytes", found.size),
            ("fate", found.fate),
            ("decided by", found.settled_by),
            ("decided", found.settled_at),
        ]
    )
    for line in ("", *body.decode("utf-8", errors="replace").splitlines()):
        say(line)


@app.command("replay")
def replay(
    letters: Letters = None,
    *,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
    output: Output = Form.TABLE,
    delivery: Annotated[
        list[int] | None, typer.Option(metavar="ID", help="A raw delivery, by its webhook_id; repeatable.")
    ] = None,
    into: Annotated[str | None, typer.Option(metavar="URL", help="A database for debugging, for --delivery.")] = None,
) -> None:
    """Parse dead letters again and record them; or replay raw deliveries into a fresh database, for debugging."""
    if bool(letters) == bool(delivery):
        raise typer.BadParameter("name dead letters, or deliveries with --delivery and --into")
    if bool(delivery) != bool(into):
        raise typer.BadParameter("--delivery and --into go together: the own database has its deliveries already")
    if delivery and into:
        if server is not None:
            raise typer.BadParameter("a service does not give its raw deliveries; ask its database for --delivery")
        run(_replay_deliveries(settings_of(config), delivery, into, output))
    else:
        run(_replay_letters(Where(config, server, token_file), letters or [], output))


@app.command("discard")
def discard(
    letters: Annotated[list[int], typer.Argument(metavar="ID...", help="Numbers of dead letters.")],
    *,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
) -> None:
    """Note that nobody wants these dead letters; they go when their time is over."""

    async def discarding() -> None:
        async with _desk(Where(config, server, token_file)) as desk:
            for letter in letters:
                await desk.discard(letter)
                say(f"dead letter {letter} is discarded")

    run(discarding())


async def _replay_letters(where: Where, letters: Sequence[int], output: Form) -> None:
    failed = False
    async with _desk(where) as desk:
        with bar("replaying", len(letters)) as advance:
            for letter in letters:
                failed |= not await _replayed(desk, letter, output)
                advance(1)
    if failed:
        raise typer.Exit(1)


async def _replayed(desk: "_Desk", letter: int, output: Form) -> bool:
    """Replay one, and say what became of it; answers whether it is recorded."""
    try:
        kept = await desk.replay(letter)
    except DeliveryError as error:
        typer.echo(f"receiver: dead letter {letter} is still not understood: {error}", err=True)
        return False
    except (RemoteError, LetterRefused) as error:
        typer.echo(f"receiver: dead letter {letter} is not replayed: {error}", err=True)
        return False
    _tell(f"dead letter {letter}", kept, output)
    return True


class _Desk(Protocol):
    """Where a dead letter is decided about: the own database, or a service elsewhere."""

    async def replay(self, letter: int) -> ReplayedShape:
        """Parse it again and record it."""

    async def discard(self, letter: int) -> None:
        """Note that nobody wants it."""


class _Elsewhere:
    def __init__(self, service: ReceiverClient) -> None:
        self._service = service

    async def replay(self, letter: int) -> ReplayedShape:
        return self._there(letter, await self._service.deadletters.replay(letter))

    async def discard(self, letter: int) -> None:
        self._there(letter, await self._service.deadletters.discard(letter))

    def _there(self, letter: int, found: T | None) -> T:
        if found is None:
            raise absent(f"dead letter {letter}", "deadletter list")
        return found


class _Here:
    def __init__(self, replays: Replay) -> None:
        self._replays = replays

    async def replay(self, letter: int) -> ReplayedShape:
        return replayed_shape(await self._replays.replay(letter, by=person()))

    async def discard(self, letter: int) -> None:
        await self._replays.discard(letter, by=person())


@asynccontextmanager
async def _desk(where: Where) -> AsyncIterator[_Desk]:
    if where.server is not None:
        async with elsewhere(where) as service:
            yield _Elsewhere(service)
        return
    async with _replays(settings_of(where.config)) as replays:
        yield _Here(replays)


async def _replay_deliveries(settings: Settings, numbers: Sequence[int], into: str, output: Form) -> None:
    """Record raw deliveries in another database, as of the time at which they were received."""
    if settings.database.secret.given and settings.database.secret.reveal() == into:
        raise SettingsError("--into names the configured database; give a fresh one, since replaying must not touch it")
    async with opened(settings) as database:
        found = []
        for number in numbers:
            async with database.transaction() as tx:
                raw = await deliveries.get(tx, number)
            if raw is None:
                raise StoreError(f"there is no delivery {number}, or not any more: see retention.webhooks")
            found.append(raw)
    await migrate(into)
    async with _recording(settings, Database(into, connections=4)) as (target, intake):
        for raw in found:
            receipt = await intake.record(parse(raw.body, raw.received_at, key=raw.key))
            _tell(f"delivery {raw.id}", replayed_shape(receipt), output)
        await count_up(target, datetime.now(UTC))


@asynccontextmanager
async def _replays(settings: Settings) -> AsyncIterator[Replay]:
    async with opened(settings) as database:
        queue = Queue(database)
        await queue.open()
        intake = Intake(database, queue, settings.workflow_labels.names)
        yield Replay(database, intake.record, lambda: datetime.now(UTC))
        await intake.close()


@asynccontextmanager
async def _recording(settings: Settings, database: Database) -> AsyncIterator[tuple[Database, Intake]]:
    """Open another database for recording."""
    await database.open()
    try:
        queue = Queue(database)
        await queue.open()
        intake = Intake(database, queue, settings.workflow_labels.names)
        yield database, intake
        await intake.close()
    finally:
        await database.close()


def _tell(what: str, kept: ReplayedShape, output: Form) -> None:
    give_line(kept, output, lambda: say(_sentence(what, kept)))


def _sentence(what: str, kept: ReplayedShape) -> str:
    if (alerts := kept.alerts) is None:
        return f"{what} waits on the local disk under {kept.webhook_id}"
    changes = f"{alerts.new} new, {alerts.updated} updated, {alerts.repeated} repeated, {alerts.resolved} resolved"
    return f"{what} is recorded as delivery {kept.webhook_id}: {changes}"
