"""`receiver archive`: finished workflows kept whole on S3, found again and proven."""

import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from receiver.cli.archive_setup import setup
from receiver.cli.person import person
from receiver.cli.reading import (
    Config,
    Cursor,
    Limit,
    Moment,
    Output,
    Own,
    Server,
    TokenFile,
    Where,
    learn,
    moment,
    more,
    opened,
    run,
    settings_of,
)
from receiver.cli.s3 import make_bucket, make_s3
from receiver.cli.tables import Form, dump, dump_line, members, say, table
from receiver.cli.wiring import connect_argo, connect_cluster, make_archivist
from receiver.clients.kubernetes import Cluster
from receiver.clients.receiver import ReceiverClient
from receiver.model.archive import Archived, unpacked
from receiver.model.errors import ArchiveAbsent, S3Error, SettingsError
from receiver.model.workflow import Workflow
from receiver.pipeline.archiving import Archivist
from receiver.settings import Settings
from receiver.store import archives
from receiver.store.archives import Wanted
from receiver.store.database import Database, Transaction
from receiver.web.api.archives import ArchivePage, archive_page, archive_shape, labels_of

app = typer.Typer(
    add_completion=False,
    name="archive",
    help="Finished workflows on S3: setup, create, list, get, verify, restore.",
    no_args_is_help=True,
)

Named = Annotated[str, typer.Argument(metavar="NS/NAME", help="The workflow, with its namespace.")]
Which = Annotated[str, typer.Argument(metavar="NS/NAME|ID", help="The newest archive of a workflow, or one by number.")]
At = Annotated[
    str | None, typer.Option("--at", metavar="YYYYmmdd_HHMMSS", help="The one that ended then, in UTC, as in its key.")
]

_NAMED: Final = re.compile(r"([^/\s]+)/([^/\s]+)")
_AT_ONCE: Final = 200

app.command("setup")(setup)


@app.command("create")
def create(workflow: Named, *, config: Config = None, output: Output = Form.TABLE) -> None:
    """Archive a finished workflow, read it back, and write it into the index. It stays in the cluster."""
    namespace, name = _named(workflow, "NS/NAME")
    kept = run(_create(settings_of(config), namespace, name))
    if output is Form.JSON:
        dump(archive_shape(kept))
        return
    say(f"workflow {workflow} is archive {kept.id}, {kept.place}: {kept.size} bytes, read back and compared")


@app.command("list")
def list_archives(
    *,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
    output: Output = Form.TABLE,
    namespace: str | None = None,
    name: str | None = None,
    phase: str | None = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Of the workflow; repeatable, all must hold.")
    ] = None,
    since: Moment = None,
    until: Moment = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """List what is archived, those workflows first that ended last."""
    plain: dict[str, Any] = {
        "namespace": namespace,
        "name": name,
        "phase": phase,
        "since": moment(since, "--since"),
        "until": moment(until, "--until"),
    }

    async def here(own: Own) -> ArchivePage:
        wanted = Wanted(**plain, labels=labels_of(label or ()))
        page = await archives.page(own.tx, wanted, limit=limit, cursor=cursor)
        return archive_page(page, await archives.total(own.tx, wanted))

    async def there(service: ReceiverClient) -> ArchivePage:
        return await service.read("/api/v1/archives", ArchivePage, **plain, label=label, limit=limit, cursor=cursor)

    found = learn(Where(config, server, token_file), here=here, there=there)
    if output is Form.JSON:
        dump(found)
        return
    table(
        ("id>", "workflow", "phase", "ended", "archived", "bytes>", "verified", "trouble"),
        (
            (
                one.id,
                f"{one.namespace}/{one.name}",
                one.phase,
                one.finished_at,
                one.archived_at,
                one.size,
                one.verified_at,
                one.trouble,
            )
            for one in found.items
        ),
        empty="nothing is archived",
    )
    if found.total:
        say(f"{found.total} in all, {found.total_size} bytes")
    more(found)


@app.command("get")
def get(
    archive: Which,
    *,
    config: Config = None,
    at: At = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", metavar="FILE", help="Where it is written; else to stdout.")
    ] = None,
) -> None:
    """Bring an archived workflow back as JSON, checked against the index."""
    content = run(_get(settings_of(config), archive, _moment_of(at)))
    if file is None:
        sys.stdout.buffer.write(content + b"\n")
        return
    try:
        file.write_bytes(content + b"\n")
    except OSError as error:
        raise SettingsError(f"--file {file} cannot be written: {error.strerror}") from error


@app.command("restore")
def restore(
    archive: Which,
    *,
    config: Config = None,
    at: At = None,
    name: Annotated[str | None, typer.Option(help="What the new workflow is called; else as the old one.")] = None,
    begin: Annotated[bool, typer.Option("--begin", help="Let it begin at once; else it is suspended.")] = False,
) -> None:
    """Create a new workflow out of an archived one. It begins at its beginning, once somebody resumes it."""
    made = run(_restore(settings_of(config), archive, _moment_of(at), name, begin=begin))
    state = "suspended; `argo resume` lets it begin" if made.suspended else "and begins"
    say(f"workflow {made.namespace}/{made.name} is there, {state}")


@app.command("verify")
def verify(
    archive: Annotated[
        str | None, typer.Argument(metavar="[NS/NAME|ID]", help="The newest archive of a workflow, or one by number.")
    ] = None,
    *,
    config: Config = None,
    output: Output = Form.TABLE,
    at: At = None,
    every: Annotated[bool, typer.Option("--all", help="Every archive of the index.")] = False,
) -> None:
    """Read archives back and compare them with the index; exits with 1 where one is not whole, or cannot be read."""
    if (archive is None) is not every:
        raise typer.BadParameter("name one archive, or give --all", param_hint="NS/NAME|ID")
    whole = run(_verify(settings_of(config), archive, _moment_of(at), output))
    if not whole:
        raise typer.Exit(1)


async def _create(settings: Settings, namespace: str, name: str) -> Archived:
    async with _desk(settings) as (_, archivist, cluster):
        if cluster is None:
            raise SettingsError("there is no cluster to read from: set kubernetes.kubeconfig and kubernetes.context")
        return await archivist.keep(await cluster.get_workflow(namespace, name), by=person())


async def _get(settings: Settings, which: str, at: datetime | None) -> bytes:
    async with _desk(settings) as (database, archivist, _):
        async with database.transaction() as tx:
            found = await _found(tx, which, at)
        return unpacked(await archivist.read(found))


async def _restore(settings: Settings, which: str, at: datetime | None, name: str | None, *, begin: bool) -> Workflow:
    async with _desk(settings) as (database, archivist, _):
        async with database.transaction() as tx:
            found = await _found(tx, which, at)
        return await archivist.restore(found, name=name or found.name, suspended=not begin)


async def _verify(settings: Settings, which: str | None, at: datetime | None, output: Form) -> bool:
    """Verify one archive or all, and say of each how it is as soon as that is known; answers whether all are whole."""
    counted = faulty = 0
    async with _desk(settings) as (database, archivist, _):
        async for one in _meant(database, which, at):
            counted += 1
            trouble = await _tried(archivist, one)
            faulty += bool(trouble)
            _tell(one, trouble, output, aloud=which is not None)
    if output is Form.TABLE and which is None:
        say(f"{counted} archives were read back, {faulty} of them are not whole or could not be read")
    return faulty == 0


async def _tried(archivist: Archivist, archived: Archived) -> str:
    try:
        return await archivist.verify(archived)
    except S3Error as error:
        return f"it could not be read: {error}"


def _tell(archived: Archived, trouble: str, output: Form, *, aloud: bool) -> None:
    if output is Form.JSON:
        dump_line({"id": archived.id, "place": archived.place, "whole": not trouble, "trouble": trouble})
    elif trouble or aloud:
        members(
            (
                ("archive", archived.id),
                ("workflow", f"{archived.namespace}/{archived.name}"),
                ("object", archived.place),
                ("found", trouble or "whole"),
            )
        )


async def _meant(database: Database, which: str | None, at: datetime | None) -> AsyncIterator[Archived]:
    if which is not None:
        async with database.transaction() as tx:
            yield await _found(tx, which, at)
        return
    cursor: str | None = None
    while True:
        async with database.transaction() as tx:
            page = await archives.page(tx, Wanted(), limit=_AT_ONCE, cursor=cursor)
        for one in page.items:
            yield one
        cursor = page.next
        if cursor is None:
            return


async def _found(tx: Transaction, which: str, at: datetime | None) -> Archived:
    """Find one archive, by number or by the name of its workflow.

    Raises:
        ArchiveAbsent: There is none.
    """
    if which.isascii() and which.isdigit():
        found = await archives.get(tx, int(which))
    else:
        namespace, name = _named(which, "NS/NAME|ID")
        found = await archives.newest(tx, namespace, name, at=at)
    if found is None:
        then = f" that ended at {at:%Y%m%d_%H%M%S}" if at else ""
        raise ArchiveAbsent(f"there is no archive {which}{then}; `receiver archive list` lists what there is")
    return found


@asynccontextmanager
async def _desk(settings: Settings) -> AsyncIterator[tuple[Database, Archivist, Cluster | None]]:
    """Open what the archive needs.

    Raises:
        SettingsError: No bucket is configured.
        S3Error: It is not there, or cannot be used: better said once than of each object.
    """
    async with AsyncExitStack() as stack:
        s3 = make_s3(settings)
        bucket = make_bucket(s3)
        if s3 is None or bucket is None:
            raise SettingsError("archive.bucket is not set, so there is no archive; name a bucket")
        stack.push_async_callback(s3.close)
        await s3.check()
        cluster = connect_cluster(settings)
        if cluster is not None:
            stack.push_async_callback(cluster.close)
        argo = connect_argo(settings, cluster)
        if argo is not None:
            stack.push_async_callback(argo.close)
        database = await stack.enter_async_context(opened(settings))
        yield database, make_archivist(settings, database, bucket, cluster, argo), cluster


def _named(text: str, hint: str) -> tuple[str, str]:
    found = _NAMED.fullmatch(text)
    if found is None:
        raise typer.BadParameter(f"{text!r} names no workflow; write namespace/name", param_hint=hint)
    return found[1], found[2]


def _moment_of(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y%m%d_%H%M%S").replace(tzinfo=UTC)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is no such time; write one as in a key: 20261124_032231", param_hint="--at"
        ) from error
