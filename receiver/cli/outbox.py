"""`receiver outbox`: what people were told, and what became of it."""

import json

import typer

from receiver.cli.reading import Config, Cursor, Limit, Output, absent, ask, more
from receiver.cli.tables import Form, dump, members, table
from receiver.model.message import MessageState, Place
from receiver.store.history import messages
from receiver.store.history.messages import MessageFilter
from receiver.web.api.messages import message_shape
from receiver.web.api.shapes import items_of

app = typer.Typer(
    add_completion=False, name="outbox", help="What people were told, and what became of it.", no_args_is_help=True
)


@app.command("list")
def list_messages(
    *,
    config: Config = None,
    output: Output = Form.TABLE,
    state: MessageState | None = None,
    place: Place | None = None,
    incident: int | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """List messages, newest first."""
    wanted = MessageFilter(state=state, place=place, incident_id=incident)
    page = ask(config, lambda tx: messages.page(tx, wanted, limit=limit, cursor=cursor))
    if output is Form.JSON:
        dump(items_of(page, message_shape))
        return
    table(
        ("id>", "state", "place", "act", "incident>", "cause", "drafted", "sent", "tries>", "error"),
        (
            (
                one.id,
                one.state,
                f"{one.draft.place.value} {one.draft.address}".strip(),
                one.draft.act,
                one.incident_id,
                one.draft.cause,
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
def show_message(message: int, *, config: Config = None, output: Output = Form.TABLE) -> None:
    """Show one message as its place is told it."""
    found = ask(config, lambda tx: messages.get(tx, message))
    if found is None:
        raise absent(f"message {message}", "outbox list")
    if output is Form.JSON:
        dump(message_shape(found))
        return
    members(
        [
            ("message", found.id),
            ("incident", found.incident_id),
            ("place", f"{found.draft.place.value} {found.draft.address}".strip()),
            ("act", found.draft.act),
            ("cause", found.draft.cause),
            ("state", found.state),
            ("tries", found.attempts),
            ("drafted", found.created_at),
            ("next try", found.due_at),
            ("sent", found.sent_at),
            ("error", found.error),
            ("payload", json.dumps(dict(found.draft.payload))),
        ]
    )
