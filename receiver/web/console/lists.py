"""`/archives`, `/outbox`, `/deadletters`: what lies on S3, what was said to people, and what was not understood."""

from enum import Enum
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import urlencode

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Redirect

from receiver.model.errors import QueryRefused
from receiver.model.message import MessageState, Place
from receiver.model.request import Kind
from receiver.model.shapes.archives import RestoreWish
from receiver.model.shapes.asking import Asked
from receiver.store import archives as index, requests
from receiver.store.archives import Wanted
from receiver.store.database import Database
from receiver.store.history import deadletters as letters, messages
from receiver.store.history.messages import MessageFilter
from receiver.web.access import needs
from receiver.web.api.archives import restore_archive
from receiver.web.api.asking import Wake
from receiver.web.api.deadletters import discard_dead_letter, replay_dead_letter
from receiver.web.api.messages import replay_message
from receiver.web.console.page import page
from receiver.web.console.words import said
from receiver.web.replay import Replay
from receiver.webhook.access import Role

SHOWN: Final = 50

E = TypeVar("E", bound=Enum)
AnyRequest = Request[Any, Any, Any]
State = Annotated[str | None, QueryParameter(name="state")]


@get("/archives", opt=needs(Role.VIEWER), include_in_schema=False)
async def archives(
    *,
    request: AnyRequest,
    database: NamedDependency[Database],
    namespace: FromQuery[str | None] = None,
    name: FromQuery[str | None] = None,
    phase: FromQuery[str | None] = None,
    asked: Annotated[int | None, QueryParameter(ge=1, le=2**63 - 1)] = None,
    cursor: FromQuery[str | None] = None,
) -> Response[str]:
    """Show which workflows are archived, and what became of a wish to have one back."""
    wanted = Wanted(namespace=namespace or None, name=name or None, phase=phase or None)
    async with database.transaction() as tx:
        listed = await index.page(tx, wanted, limit=SHOWN, cursor=cursor or None)
        total = await index.total(tx, wanted)
        wish = None if asked is None else await requests.get(tx, asked)
    if wish is not None and wish.kind is not Kind.RESTORE:
        wish = None
    given = {"namespace": namespace or "", "name": name or "", "phase": phase or ""}
    shown: dict[str, Any] = {"listed": listed, "total": total, "given": given, "wish": wish}
    return page(request, "archives.html", **shown, **_pages(request, listed))


@get("/outbox", opt=needs(Role.VIEWER), include_in_schema=False)
async def outbox(
    *,
    request: AnyRequest,
    database: NamedDependency[Database],
    in_state: State = None,
    place: FromQuery[str | None] = None,
    cursor: FromQuery[str | None] = None,
) -> Response[str]:
    """Show what was said to people, and what became of it."""
    wanted = MessageFilter(state=_one_of(MessageState, in_state, "state"), place=_one_of(Place, place, "place"))
    async with database.transaction() as tx:
        listed = await messages.page(tx, wanted, limit=SHOWN, cursor=cursor or None)
    given = {"state": in_state or "", "place": place or ""}
    choices: dict[str, Any] = {"states": [one.value for one in MessageState], "places": [one.value for one in Place]}
    return page(request, "outbox.html", listed=listed, given=given, **choices, **_pages(request, listed))


@get("/deadletters", opt=needs(Role.VIEWER), include_in_schema=False)
async def deadletters(
    *, request: AnyRequest, database: NamedDependency[Database], cursor: FromQuery[str | None] = None
) -> Response[str]:
    """Show which bodies could not be understood."""
    async with database.transaction() as tx:
        listed = await letters.page(tx, limit=SHOWN, cursor=cursor or None)
    return page(request, "deadletters.html", listed=listed, **_pages(request, listed))


@post("/archives/{archive_id:int}/restore", opt=needs(Role.OPERATOR), include_in_schema=False)
async def restore(
    request: AnyRequest, database: NamedDependency[Database], wake: NamedDependency[Wake], archive_id: FromPath[int]
) -> Redirect:
    """Have a new workflow made out of an archived one."""
    asked: Asked = await restore_archive.fn(request, database, wake, archive_id, await said(request, RestoreWish))
    return _back(f"/archives?asked={asked.request_id}")


@post("/outbox/{message_id:int}/replay", opt=needs(Role.ADMIN), include_in_schema=False)
async def send_again(request: AnyRequest, database: NamedDependency[Database], message_id: FromPath[int]) -> Redirect:
    """Have a message sent once more."""
    await replay_message.fn(request, database, message_id)
    return _back("/outbox")


@post("/deadletters/{letter_id:int}/replay", opt=needs(Role.ADMIN), include_in_schema=False)
async def parse_again(request: AnyRequest, replay: NamedDependency[Replay], letter_id: FromPath[int]) -> Redirect:
    """Have a dead letter read once more."""
    await replay_dead_letter.fn(request, replay, letter_id)
    return _back("/deadletters")


@post("/deadletters/{letter_id:int}/discard", opt=needs(Role.ADMIN), include_in_schema=False)
async def discard(
    request: AnyRequest, database: NamedDependency[Database], replay: NamedDependency[Replay], letter_id: FromPath[int]
) -> Redirect:
    """Note that nobody wants a dead letter."""
    await discard_dead_letter.fn(request, database, replay, letter_id)
    return _back("/deadletters")


def _pages(request: AnyRequest, listed: Any) -> dict[str, Any]:
    """Give the addresses of the pages around a page of a list."""
    kept = {name: text for name, text in request.query_params.items() if text}
    cursors = {"previous": listed.previous, "following": listed.next}
    path = request.scope["path"]
    return {
        name: f"{path}?{urlencode({**kept, 'cursor': cursor})}" if cursor else None for name, cursor in cursors.items()
    }


def _one_of(states: type[E], text: str | None, parameter: str) -> E | None:
    if not text:
        return None
    try:
        return states(text)
    except ValueError as error:
        raise QueryRefused(f"there is no {text!r}", parameter=parameter) from error


def _back(path: str) -> Redirect:
    return Redirect(path, status_code=HTTPStatus.SEE_OTHER.value)


HANDLERS = (archives, outbox, deadletters, restore, send_again, parse_again, discard)
