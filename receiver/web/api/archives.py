"""Archives: which states of which finished workflows lie on S3, and asking for one more."""

from collections.abc import Sequence
from typing import Annotated, Any

from litestar import Request, Router, get, post
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.status_codes import HTTP_202_ACCEPTED

from receiver.model.archive import Archived
from receiver.model.errors import QueryRefused
from receiver.model.request import Kind
from receiver.model.shapes.archives import ArchivePage, ArchiveShape, ArchiveWish, RestoreWish
from receiver.model.shapes.asking import Asked
from receiver.store import archives
from receiver.store.archives import Total, Wanted
from receiver.store.database import Database
from receiver.store.history.page import Page
from receiver.web.access import caller_of, needs
from receiver.web.api.asking import Wake, ask
from receiver.web.api.shapes import Cursor, Limit
from receiver.web.problems import not_found
from receiver.web.question import time
from receiver.webhook.access import Role


def archive_shape(archived: Archived) -> ArchiveShape:
    """Give an archive its shape."""
    return ArchiveShape(
        id=archived.id,
        namespace=archived.namespace,
        name=archived.name,
        uid=archived.uid,
        phase=archived.phase,
        labels=dict(archived.labels),
        started_at=archived.started_at,
        finished_at=archived.finished_at,
        archived_at=archived.archived_at,
        archived_by=archived.archived_by,
        bucket=archived.bucket,
        key=archived.key,
        size=archived.size,
        sha256=archived.sha256,
        content_sha256=archived.content,
        masked=archived.masked,
        verified_at=archived.verified_at,
        trouble=archived.trouble,
    )


def archive_page(page: Page[Archived], total: Total) -> ArchivePage:
    """Give a page its shape."""
    items = [archive_shape(one) for one in page.items]
    return ArchivePage(items=items, next=page.next, previous=page.previous, total=total.count, total_size=total.size)


def labels_of(given: Sequence[str]) -> dict[str, str]:
    """Read labels that were written as `name=value`.

    Raises:
        QueryRefused: One is not.
    """
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise QueryRefused(f"{text!r} is not a label; write name=value", parameter="label")
        found[name] = value
    return found


@get("/", summary="List archived workflows", operation_id="listArchives")
async def list_archives(
    *,
    database: NamedDependency[Database],
    namespace: FromQuery[str | None] = None,
    name: FromQuery[str | None] = None,
    phase: FromQuery[str | None] = None,
    label: Annotated[
        list[str] | None,
        QueryParameter(description="A label of the workflow, `name=value`; repeatable, all must hold."),
    ] = None,
    since: Annotated[str | None, QueryParameter(description="Earliest end of the workflow, RFC 3339.")] = None,
    until: Annotated[str | None, QueryParameter(description="First end that is too late, RFC 3339.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ArchivePage:
    """Answer from the index, those of workflows that ended last first, with the sum of all that were asked for."""
    wanted = Wanted(
        namespace=namespace,
        name=name,
        phase=phase,
        labels=labels_of(label or ()),
        since=time(since, "since"),
        until=time(until, "until"),
    )
    async with database.transaction() as tx:
        page = await archives.page(tx, wanted, limit=limit, cursor=cursor)
        return archive_page(page, await archives.total(tx, wanted))


@get("/{archive_id:int}", summary="Show one archived workflow", operation_id="getArchive")
async def get_archive(database: NamedDependency[Database], archive_id: FromPath[int]) -> ArchiveShape:
    """Answer with what the index knows of one archive; the object itself is on S3."""
    async with database.transaction() as tx:
        found = await archives.get(tx, archive_id)
    if found is None:
        raise _none_of(archive_id)
    return archive_shape(found)


@post(
    "/",
    opt=needs(Role.OPERATOR),
    status_code=HTTP_202_ACCEPTED,
    summary="Archive a workflow",
    operation_id="createArchive",
)
async def create_archive(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    wake: NamedDependency[Wake],
    data: JSONBody[ArchiveWish],
) -> Asked:
    """Write down that a finished workflow is to be archived. It stays in the cluster."""
    detail = {"namespace": data.namespace, "name": data.name, "with": list(data.with_)}
    async with database.transaction() as tx:
        return await ask(tx, wake, Kind.ARCHIVE, None, asked_by=caller_of(request), detail=detail)


@post(
    "/{archive_id:int}/restore",
    opt=needs(Role.OPERATOR),
    status_code=HTTP_202_ACCEPTED,
    summary="Restore an archived workflow",
    operation_id="restoreArchive",
)
async def restore_archive(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    wake: NamedDependency[Wake],
    archive_id: FromPath[int],
    data: JSONBody[RestoreWish],
) -> Asked:
    """Write down that a new workflow is to be made out of an archived one; its request tells what became of it."""
    async with database.transaction() as tx:
        if await archives.get(tx, archive_id) is None:
            raise _none_of(archive_id)
        detail = {"archive": archive_id, "name": data.name, "begin": data.begin}
        return await ask(tx, wake, Kind.RESTORE, None, asked_by=caller_of(request), detail=detail)


def _none_of(number: int) -> HTTPException:
    return not_found(f"there is no archive {number}; GET /api/v1/archives lists them")


ROUTER = Router(
    "/archives",
    route_handlers=[list_archives, get_archive, create_archive, restore_archive],
    opt=needs(Role.VIEWER),
    tags=["archives"],
)
