"""Act on what a person asked for that is about no run yet, and answer it; asking once more changes nothing."""

from typing import Final

import structlog

from receiver.model.archive import Archived
from receiver.model.attachment import Part
from receiver.model.errors import ClusterError, S3Error, SlackError
from receiver.model.request import Kind, Request
from receiver.model.workflow import Workflow
from receiver.notify.slack import answer
from receiver.pipeline.backtest import backtest
from receiver.pipeline.manual import begin
from receiver.pipeline.rooms import Rooms
from receiver.pipeline.silencing import silence
from receiver.pipeline.taking import take_on
from receiver.remediate.language import Playbook
from receiver.store import archives, backtests, requests

log = structlog.get_logger()

NOT_ARCHIVED: Final = "it was not archived"
"""How the answer to whoever wanted a workflow archived begins, where nothing came of it."""

NOT_RESTORED: Final = "it was not restored"
"""How the answer to whoever wanted an archive back begins, where nothing came of it."""


async def act_on(rooms: Rooms, request_id: int) -> None:
    """Act on a request, unless somebody has."""
    async with rooms.database.transaction() as transaction:
        wish = await requests.get(transaction, request_id)
    if wish is None or wish.answered_at is not None:
        return
    await _act(rooms, wish)
    if wish.detail.get("response_url"):
        await _tell(rooms, wish)


async def _act(rooms: Rooms, wish: Request) -> None:
    if wish.kind in {Kind.ARCHIVE, Kind.RESTORE}:
        await _answer(rooms, wish, await (_archive if wish.kind is Kind.ARCHIVE else _restore)(rooms, wish))
        return
    if wish.kind in {Kind.ACKNOWLEDGE, Kind.SILENCE}:
        await (take_on if wish.kind is Kind.ACKNOWLEDGE else silence)(rooms, wish)
        return
    if wish.kind is Kind.EXPLAIN:
        await _answer(rooms, wish, str(wish.detail.get("text", "")))
        return
    name = str(wish.detail.get("playbook", ""))
    playbook = next((one for one in rooms.playbooks if one.name == name), None)
    if playbook is None:
        await _answer(rooms, wish, f"there is no playbook {name!r} any more")
        return
    match wish.kind:
        case Kind.RUN:
            await begin(rooms, wish, playbook)
        case Kind.BACKTEST:
            await _play(rooms, wish, playbook)
        case Kind.APPROVE | Kind.REJECT | Kind.CANCEL:
            await _answer(rooms, wish, "it is about no remediation, so nothing follows from it")


async def _tell(rooms: Rooms, wish: Request) -> None:
    """Tell whoever pressed a button what came of it. It is tried twice: the answer is kept, and the card goes on."""
    async with rooms.database.transaction() as transaction:
        answered = await requests.get(transaction, wish.id)
    text = answered.answer if answered else ""
    if rooms.slack is None:
        log.warning("press", action="presser_not_told", request_id=wish.id, answer=text, error="set slack.bot_token")
        return
    url, told = str(wish.detail["response_url"]), answer(text)
    try:
        try:
            await rooms.slack.respond(url, told)
        except SlackError as error:
            if not error.retryable:
                raise
            await rooms.slack.respond(url, told)
    except SlackError as error:
        log.warning("press", action="presser_not_told", request_id=wish.id, answer=text, error=str(error))


async def _play(rooms: Rooms, wish: Request, playbook: Playbook) -> None:
    """Play a playbook against the past, and keep what comes of it."""
    since, until = backtests.range_of(wish)
    found = await backtest(rooms.database, rooms.kubernetes, playbook, since=since, until=until)
    async with rooms.database.transaction() as transaction:
        await backtests.keep(transaction, wish.id, found, at=rooms.now())
        await requests.answer(transaction, wish.id, f"{found.alerts} alerts were played through")


async def _archive(rooms: Rooms, wish: Request) -> str:
    """Archive a workflow; says where it is, or why it is not."""
    if rooms.archivist is None or rooms.cluster is None:
        return f"{NOT_ARCHIVED}: set archive.bucket and kubernetes.kubeconfig"
    namespace, name = str(wish.detail.get("namespace", "")), str(wish.detail.get("name", ""))
    try:
        workflow = await rooms.cluster.get_workflow(namespace, name)
        kept = await rooms.archivist.keep(workflow, by=wish.asked_by, masked=True)
    except (ClusterError, S3Error) as error:
        return f"{NOT_ARCHIVED}: {error}"
    return f"it is archive {kept.id}, {kept.place}{await _beside(rooms, wish, kept, workflow)}"


async def _beside(rooms: Rooms, wish: Request, kept: Archived, workflow: Workflow) -> str:
    """Put beside an archive what is to lie there; says so, or why it does not."""
    parts = [part for part in Part if part in wish.detail.get("with", ())]
    if not parts or rooms.attacher is None:
        return ""
    try:
        await rooms.attacher.attach(kept, workflow, parts, by=wish.asked_by)
    except (ClusterError, S3Error) as error:
        return f"; its {' and '.join(parts)} are not beside it: {error}"
    return f", with its {' and '.join(parts)} beside it"


async def _restore(rooms: Rooms, wish: Request) -> str:
    """Create a workflow out of an archived one; says what it is called, or why there is none."""
    if rooms.archivist is None:
        return f"{NOT_RESTORED}: set archive.bucket and kubernetes.kubeconfig"
    number, name, begin = (wish.detail.get(part) for part in ("archive", "name", "begin"))
    async with rooms.database.transaction() as transaction:
        found = await archives.get(transaction, number if isinstance(number, int) else 0)
    if found is None:
        return f"{NOT_RESTORED}: there is no archive {number} any more"
    try:
        made = await rooms.archivist.restore(found, name=str(name or found.name), suspended=begin is not True)
    except (ClusterError, S3Error) as error:
        return f"{NOT_RESTORED}: {error}"
    return restored(made)


def restored(made: Workflow) -> str:
    """Say what came of an archive."""
    state = "suspended; `argo resume` lets it begin" if made.suspended else "and begins"
    return f"workflow {made.namespace}/{made.name} is there, {state}"


async def _answer(rooms: Rooms, wish: Request, text: str) -> None:
    async with rooms.database.transaction() as transaction:
        await requests.answer(transaction, wish.id, text)
