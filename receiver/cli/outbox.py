"""`receiver outbox`: what people were told, and what became of it."""

import json
from typing import Final

import typer

from receiver.cli.reading import (
    Config,
    Cursor,
    Limit,
    Output,
    Own,
    Server,
    TokenFile,
    Where,
    absent,
    learn,
    more,
)
from receiver.cli.tables import Form, dump, members, table
from receiver.clients.receiver import ReceiverClient
from receiver.model.message import MessageState, Place
from receiver.store.history import messages
from receiver.store.history.messages import MessageFilter
from receiver.web.api.messages import MessageShape, message_shape
from receiver.web.api.shapes import Items, items_of

app = typer.Typer(
    add_completion=False, name="outbox", help="What people were told, and what became of it.", no_args_is_help=True
)

_PATH: Final = "/api/v1/outbox"


@app.command("list")
def list_messages(
    *,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
    output: Output = Form.TABLE,
    state: MessageState | None = None,
    place: Place | None = None,
    incident: int | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """List messages, newest first."""

    async def here(own: Own) -> Items[MessageShape]:
        wanted = MessageFilter(state=state, place=place, incident_id=incident)
        return items_of(await messages.page(own.tx, wanted, limit=limit, cursor=cursor), message_shape)

    async def there(service: ReceiverClient) -> Items[MessageShape]:
        asked: dict[str, object] = {"state": state, "place": place, "incident": incident}
        return await service.read(_PATH, Items[MessageShape], **asked, limit=limit, cursor=cursor)

    page = learn(Where(config, server, token_file), here=here, there=there)
    if output is Form.JSON:
        dump(page)
        return
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
    more(page)


@app.command("show")
def show_message(
    message: int,
    *,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
    output: Output = Form.TABLE,
) -> None:
    """Show one message as its place is told it."""

    async def here(own: Own) -> MessageShape | None:
        found = await messages.get(own.tx, message)
        return message_shape(found) if found else None

    async def there(service: ReceiverClient) -> MessageShape | None:
        return await service.get(f"{_PATH}/{message}", MessageShape)

    found = learn(Where(config, server, token_file), here=here, there=there)
    if found is None:
        raise absent(f"message {message}", "outbox list")
    if output is Form.JSON:
        dump(found)
        return
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
