"""`receiver outbox`: what people were told, and what became of it."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from receiver.cli.advance import bar
from receiver.cli.filters import Incident
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
    elsewhere,
    opened,
    run,
    settings_of,
)
from receiver.cli.tables import members, say, table
from receiver.cli.telling import Watch, Way, tell
from receiver.cli.wiring import open_rooms
from receiver.clients.receiver import ReceiverClient
from receiver.model.message import MessageState, Place
from receiver.model.shapes.messages import MessageShape
from receiver.model.shapes.parts import Items
from receiver.pipeline.rooms import Rooms
from receiver.pipeline.send import send
from receiver.settings import Settings
from receiver.store import outbox
from receiver.store.database import Database
from receiver.store.history import messages
from receiver.store.history.messages import MessageFilter
from receiver.store.jobs import Queue
from receiver.web.api.messages import message_shape
from receiver.web.api.shapes import items_of

app = typer.Typer(
    add_completion=False, name="outbox", help="What people were told, and what became of it.", no_args_is_help=True
)

_POLL: Final = timedelta(seconds=0.5)


@app.command("list")
def list_messages(
    *,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
    output: ListOutput = Form.TABLE,
    watch: Watch = False,
    state: Annotated[MessageState | None, typer.Option(help="Only in this state.")] = None,
    place: Annotated[Place | None, typer.Option(help="Only to this place.")] = None,
    incident: Incident = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """List messages, newest first."""

    async def here(own: Own) -> Items[MessageShape]:
        wanted = MessageFilter(state=state, place=place, incident_id=incident)
        return items_of(await messages.page(own.tx, wanted, limit=limit, cursor=cursor), message_shape)

    async def there(service: ReceiverClient) -> Items[MessageShape]:
        return await service.outbox.page(state=state, place=place, incident=incident, limit=limit, cursor=cursor)

    question = asking(Where(config, server, token_file), here=here, there=there)
    tell(question, Way(output=output, told=_listed, name=lambda one: one.id), watch=watch)


def _listed(page: Items[MessageShape]) -> None:
    table(
        ("id>", "state", "place", "act", "incident>", "cause", "drafted", "sent", "tries>", "error"),
        (
            (
                one.id,
                one.state,
                f"{one.place.value} {one.address}".strip(),
                one.act,
                one.incident_id,
                one.cause,
                one.created_at,
                one.sent_at,
                one.attempts,
                one.error,
            )
            for one in page.items
        ),
    )


@app.command("show")
def show_message(
    message: Annotated[int, typer.Argument(metavar="ID", help="As `receiver outbox list` shows it.")],
    *,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
    output: Output = Form.TABLE,
    watch: Watch = False,
) -> None:
    """Show one message as its place is told it."""

    async def here(own: Own) -> MessageShape | None:
        found = await messages.get(own.tx, message)
        return message_shape(found) if found else None

    async def there(service: ReceiverClient) -> MessageShape | None:
        return await service.outbox.get(message)

    question = asking(Where(config, server, token_file), here=here, there=there)
    tell(question, Way(output=output, told=_tell), missing=absent(f"message {message}", "outbox list"), watch=watch)


def _tell(found: MessageShape) -> None:
    members(
        [
            ("message", found.id),
            ("incident", found.incident_id),
            ("place", f"{found.place.value} {found.address}".strip()),
            ("act", found.act),
            ("cause", found.cause),
            ("state", found.state),
            ("tries", found.attempts),
            ("drafted", found.created_at),
            ("next try", found.due_at),
            ("sent", found.sent_at),
            ("error", found.error),
            ("payload", json.dumps(found.payload)),
        ]
    )


@app.command("replay")
def replay(
    message: Annotated[list[int], typer.Argument(metavar="ID...", help="Numbers of messages.")],
    *,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Leave them to a running service.")] = False,
) -> None:
    """Send messages once more, the dead above all; refused where a newer message would be contradicted."""
    ends = run(_replayed(Where(config, server, token_file), message, wait=not no_wait))
    for found in ends:
        say(f"message {found.id} is {found.state.value}{f': {found.error}' if found.error else ''}")
    if any(found.state is MessageState.DEAD or found.error for found in ends):
        raise typer.Exit(1)


async def _replayed(where: Where, numbers: list[int], *, wait: bool) -> list[MessageShape]:
    async with AsyncExitStack() as stack:
        if where.server is not None:
            service = await stack.enter_async_context(elsewhere(where))
            for number in numbers:
                if await service.outbox.replay(number) is None:
                    raise absent(f"message {number}", "outbox list")
            return await _each(numbers, lambda number: _ended_there(service, number, wait=wait))
        settings = settings_of(where.config)
        database = await stack.enter_async_context(opened(settings))
        for number in numbers:
            async with database.transaction() as tx:
                if await outbox.replay(tx, number, datetime.now(UTC)) is None:
                    raise absent(f"message {number}", "outbox list")
        here = _Here(settings, database, stack)
        return await _each(numbers, lambda number: here.ended(number, wait=wait))


async def _each(numbers: Sequence[int], ended: Callable[[int], Awaitable[MessageShape]]) -> list[MessageShape]:
    with bar("sending", len(numbers)) as advance:
        found = []
        for number in numbers:
            found.append(await ended(number))
            advance(1)
    return found


async def _ended_there(service: ReceiverClient, number: int, *, wait: bool) -> MessageShape:
    """Wait until a service has tried a message; one that is tried again later is not waited for."""
    while True:
        found = await service.outbox.get(number)
        if found is None:
            raise absent(f"message {number}", "outbox list")
        if not wait or _is_tried(found):
            return found
        await asyncio.sleep(_POLL.total_seconds())


class _Here:
    """The own database: a worker that lives on it sends the message, else this process does."""

    def __init__(self, settings: Settings, database: Database, stack: AsyncExitStack) -> None:
        self._settings = settings
        self._database = database
        self._stack = stack
        self._rooms: Rooms | None = None

    async def ended(self, number: int, *, wait: bool) -> MessageShape:
        """Wait until a message has been tried."""
        while True:
            async with self._database.transaction() as tx:
                found = await messages.get(tx, number)
            if found is None:
                raise absent(f"message {number}", "outbox list")
            shape = message_shape(found)
            if not wait or _is_tried(shape):
                return shape
            if not await Queue(self._database).is_worked():
                await send(await self._opened(), number)
            await asyncio.sleep(_POLL.total_seconds())

    async def _opened(self) -> Rooms:
        if self._rooms is None:
            self._rooms = await self._stack.enter_async_context(open_rooms(self._settings, self._database))
        return self._rooms


def _is_tried(found: MessageShape) -> bool:
    return found.state is not MessageState.PENDING or bool(found.error)
