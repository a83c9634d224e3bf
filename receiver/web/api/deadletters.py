"""Dead letters: bodies that could not be understood, and a person's word about them."""

from typing import Any

from litestar import Request, Router, get, post
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.params import FromPath, FromQuery
from litestar.status_codes import HTTP_200_OK

from receiver.model.alert import Receipt, Spooled
from receiver.model.deadletter import DeadLetter
from receiver.model.errors import DeliveryError, LetterAbsent, LetterRefused, LetterSettled
from receiver.model.shapes.deadletters import SHOWN, AlertsOfLetter, DeadLetterShape, ReplayedShape, WholeLetterShape
from receiver.model.shapes.parts import Items
from receiver.store.database import Database
from receiver.store.history import deadletters
from receiver.web.access import caller_of, needs
from receiver.web.api.shapes import Cursor, Limit, items_of
from receiver.web.problems import conflict, not_found
from receiver.web.replay import Replay
from receiver.webhook.access import Role


def letter_shape(letter: DeadLetter) -> DeadLetterShape:
    """Give a dead letter its shape."""
    return DeadLetterShape(**_members(letter))


def whole_letter_shape(letter: DeadLetter) -> WholeLetterShape:
    """Give a dead letter its shape, with the body as text."""
    body = (letter.body or b"")[:SHOWN].decode("utf-8", errors="replace")
    return WholeLetterShape(**_members(letter), body=body)


def replayed_shape(kept: Receipt | Spooled) -> ReplayedShape:
    """Give what became of a replay its shape."""
    if isinstance(kept, Spooled):
        return ReplayedShape(webhook_id=str(kept.key), spooled=True, alerts=None)
    alerts = AlertsOfLetter(new=kept.new, updated=kept.updated, repeated=kept.repeated, resolved=kept.resolved)
    return ReplayedShape(webhook_id=kept.webhook_id, spooled=False, alerts=alerts)


@get("/", summary="List what was not understood, newest first", operation_id="listDeadLetters")
async def list_dead_letters(
    database: NamedDependency[Database],
    settled: FromQuery[bool | None] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Items[DeadLetterShape]:
    """Answer with the newest bodies that could not be understood, each with the reason."""
    async with database.transaction() as tx:
        return items_of(await deadletters.page(tx, settled=settled, limit=limit, cursor=cursor), letter_shape)


@get("/{letter_id:int}", summary="Show one dead letter with its body", operation_id="getDeadLetter")
async def get_dead_letter(database: NamedDependency[Database], letter_id: FromPath[int]) -> WholeLetterShape:
    """Answer with one body that could not be understood."""
    async with database.transaction() as tx:
        found = await deadletters.get(tx, letter_id)
    if found is None:
        raise not_found(f"there is no dead letter {letter_id}; GET /api/v1/deadletters lists them")
    return whole_letter_shape(found)


@post(
    "/{letter_id:int}/replay",
    opt=needs(Role.ADMIN),
    status_code=HTTP_200_OK,
    summary="Replay a dead letter",
    operation_id="replayDeadLetter",
)
async def replay_dead_letter(
    request: Request[Any, Any, Any], replay: NamedDependency[Replay], letter_id: FromPath[int]
) -> ReplayedShape:
    """Parse a dead letter again and record it. What is still not understood, or refused, stays, and 409 says why."""
    try:
        return replayed_shape(await replay.replay(letter_id, by=caller_of(request).name))
    except (LetterAbsent, LetterSettled, LetterRefused, DeliveryError) as error:
        raise _refused(error) from error


@post(
    "/{letter_id:int}/discard",
    opt=needs(Role.ADMIN),
    status_code=HTTP_200_OK,
    summary="Discard a dead letter",
    operation_id="discardDeadLetter",
)
async def discard_dead_letter(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    replay: NamedDependency[Replay],
    letter_id: FromPath[int],
) -> DeadLetterShape:
    """Note that nobody wants a dead letter; it goes when its time is over."""
    try:
        await replay.discard(letter_id, by=caller_of(request).name)
    except (LetterAbsent, LetterSettled) as error:
        raise _refused(error) from error
    async with database.transaction() as tx:
        found = await deadletters.get(tx, letter_id)
    if found is None:
        raise not_found(f"dead letter {letter_id} has gone meanwhile")
    return letter_shape(found)


def _members(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "received_at": letter.received_at,
        "reason": letter.reason,
        "place": letter.place,
        "size": letter.size,
        "fate": letter.fate,
        "settled_at": letter.settled_at,
        "settled_by": letter.settled_by,
    }


def _refused(error: LetterAbsent | LetterSettled | LetterRefused | DeliveryError) -> HTTPException:
    if isinstance(error, LetterAbsent):
        return not_found(str(error))
    return conflict(f"it is still not understood: {error}" if isinstance(error, DeliveryError) else str(error))


ROUTER = Router(
    "/deadletters",
    route_handlers=[list_dead_letters, get_dead_letter, replay_dead_letter, discard_dead_letter],
    opt=needs(Role.VIEWER),
    tags=["dead letters"],
)
