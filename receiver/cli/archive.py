"""`receiver archive`: finished workflows kept whole on S3, found again and proven."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from receiver.cli.advance import bar
from receiver.cli.archive_create import create
from receiver.cli.archive_desk import At, Which, desk_of, find, moment_of
from receiver.cli.archive_restore import restore
from receiver.cli.archive_setup import setup
from receiver.cli.archive_verify import verify
from receiver.cli.filters import Namespace
from receiver.cli.forms import Form
from receiver.cli.reading import (
    Config,
    Cursor,
    Limit,
    ListOutput,
    Moment,
    Own,
    Server,
    TokenFile,
    Where,
    asking,
    moment,
    run,
    settings_of,
)
from receiver.cli.tables import clean, say, table
from receiver.cli.telling import Watch, Way, tell
from receiver.clients.receiver import ReceiverClient
from receiver.model.archive import unpacked
from receiver.model.attachment import Part
from receiver.model.errors import SettingsError
from receiver.model.shapes.archives import ArchivePage
from receiver.pipeline.indexing import Seen, reindex
from receiver.pipeline.rooms import utc_now
from receiver.settings import Settings
from receiver.store import archives
from receiver.store.archives import Wanted
from receiver.web.api.archives import archive_page, labels_of

app = typer.Typer(
    add_completion=False,
    name="archive",
    help="Finished workflows on S3: setup, create, list, get, verify, restore.",
    no_args_is_help=True,
)

app.command("setup")(setup)
app.command("create")(create)
app.command("restore")(restore)
app.command("verify")(verify)


@app.command("list")
def list_archives(
    *,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
    output: ListOutput = Form.TABLE,
    watch: Watch = False,
    namespace: Namespace = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Only of workflows of this name.")] = None,
    phase: Annotated[
        str | None, typer.Option(metavar="PHASE", help="Only of workflows that ended so: Succeeded, Failed or Error.")
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Of the workflow; repeatable, all must hold.")
    ] = None,
    since: Moment = None,
    until: Moment = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    from_bucket: Annotated[
        bool, typer.Option("--from-bucket", help="First add to the index what lies in the bucket and is not in it.")
    ] = False,
) -> None:
    """List what is archived, those workflows first that ended last."""
    if from_bucket:
        if server is not None:
            raise typer.BadParameter(
                "a service is not asked to; run it where the bucket can be read", param_hint="--from-bucket"
            )
        run(_reindex(settings_of(config), output))
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
        return await service.archives.page(**plain, label=label, limit=limit, cursor=cursor)

    question = asking(Where(config, server, token_file), here=here, there=there)
    tell(question, Way(output=output, told=_listed, name=lambda one: one.id), watch=watch)


def _listed(found: ArchivePage) -> None:
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
                one.trouble or ("masked: cannot be restored" if one.masked else ""),
            )
            for one in found.items
        ),
        empty="nothing is archived",
    )
    if found.total:
        say(f"{found.total} in all, {found.total_size} bytes")


@app.command("get")
def get(
    archive: Which,
    *,
    config: Config = None,
    at: At = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", metavar="FILE", help="Where it is written; else to stdout.")
    ] = None,
    part: Annotated[
        Part | None, typer.Option("--part", help="What was kept beside the workflow, instead of the workflow.")
    ] = None,
) -> None:
    """Bring an archived workflow back as JSON, checked against the index; or what was kept beside it."""
    content = run(_get(settings_of(config), archive, moment_of(at), part))
    if file is None:
        sys.stdout.buffer.write(content + b"\n")
        return
    try:
        file.write_bytes(content + b"\n")
    except OSError as error:
        raise SettingsError(f"--file {file} cannot be written: {error.strerror}") from error


async def _get(settings: Settings, which: str, at: datetime | None, part: Part | None) -> bytes:
    async with desk_of(settings) as desk:
        async with desk.database.transaction() as tx:
            found = await find(tx, which, at)
        if part is not None:
            return await desk.attacher.read(found, part)
        return unpacked(await desk.archivist.read(found))


async def _reindex(settings: Settings, output: Form) -> None:
    """Look through the bucket, add what the index lacks, and say what was found, beside what programs read."""
    seen = Seen()
    async with desk_of(settings) as desk:
        prefix = settings.archive.prefix.strip("/")
        with bar("looking through the bucket", None) as advance:
            async for some in reindex(desk.database, desk.bucket, prefix=prefix, now=utc_now):
                seen += some
                advance(some.objects)
        async with desk.database.transaction() as tx:
            held = await archives.held(tx, desk.bucket.bucket)
    lost = held - seen.known - seen.added
    said = (
        f"{seen.objects} objects are in the bucket; {seen.known} were in the index, {seen.added} were added, "
        f"{seen.twice} hold what the index has under another key"
    )
    typer.echo(clean(said), err=output is not Form.TABLE)
    if seen.unread:
        typer.echo(f"{seen.unread} of the added ones lie in an archive class, and were not read", err=True)
    if lost > 0:
        typer.echo(f"{lost} of the index have no object there: `receiver archive verify --all` names them", err=True)
    for fault in seen.faults:
        typer.echo(clean(f"{fault.key}: left alone: {fault.reason}"), err=True)
