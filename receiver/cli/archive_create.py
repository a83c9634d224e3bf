"""`receiver archive create`: a finished workflow to S3, by this process or by a running service."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
import typer

from receiver.cli.archive_desk import NoWait, desk_of, named
from receiver.cli.desk import answered_by
from receiver.cli.forms import Form, give
from receiver.cli.person import person
from receiver.cli.reading import Config, Output, Server, TokenFile, Where, elsewhere, run, settings_of
from receiver.cli.tables import say
from receiver.model.archive import Archived
from receiver.model.attachment import Attachment, Part
from receiver.model.errors import SettingsError
from receiver.model.shapes.archives import ArchiveWish
from receiver.model.shapes.requests import RequestShape
from receiver.pipeline.asked import NOT_ARCHIVED
from receiver.settings import Settings
from receiver.web.api.archives import archive_shape


def create(
    workflow: Annotated[str, typer.Argument(metavar="NS/NAME", help="The workflow, with its namespace.")],
    *,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
    output: Output = Form.TABLE,
    beside: Annotated[
        str, typer.Option("--with", metavar="logs,events", help="Also the logs of its pods, or warnings about it.")
    ] = "",
    no_wait: NoWait = False,
) -> None:
    """Archive a finished workflow, read it back, and write it into the index. It stays in the cluster."""
    namespace, name = named(workflow, "NS/NAME")
    parts = _parts(beside)
    if server is not None:
        wish = ArchiveWish(namespace=namespace, name=name, with_=tuple(parts))
        answer = run(_there(Where(config, server, token_file), wish, wait=not no_wait))
        give(answer, output, lambda: say(answer.answer or f"request {answer.id} is written down: archive {workflow}"))
        if answer.answer.startswith(NOT_ARCHIVED):
            raise typer.Exit(1)
        return
    kept, attached = run(_here(settings_of(config), namespace, name, parts))
    found = [{"part": one.part, "key": one.key, "size": one.size, "sha256": one.sha256} for one in attached]
    shape = msgspec.to_builtins(archive_shape(kept)) | ({"attachments": found} if beside else {})
    give(shape, output, lambda: _tell(kept, attached))


async def _there(where: Where, wish: ArchiveWish, *, wait: bool) -> RequestShape:
    async with elsewhere(where) as service:
        asked = await service.archives.create(wish)
        return await answered_by(service, asked.request_id, wait=wait)


async def _here(
    settings: Settings, namespace: str, name: str, parts: Sequence[Part]
) -> tuple[Archived, list[Attachment]]:
    async with desk_of(settings) as desk:
        if desk.cluster is None:
            raise SettingsError("there is no cluster to read from: set kubernetes.kubeconfig and kubernetes.context")
        workflow = await desk.cluster.get_workflow(namespace, name)
        kept = await desk.archivist.keep(workflow, by=person(), masked=True)
        return kept, await desk.attacher.attach(kept, workflow, parts, by=person())


def _tell(kept: Archived, attached: Sequence[Attachment]) -> None:
    masked = "; parts of it were masked, so it cannot be restored" if kept.masked else ""
    workflow = f"{kept.namespace}/{kept.name}"
    say(f"workflow {workflow} is archive {kept.id}, {kept.place}: {kept.size} bytes, read back and compared{masked}")
    for one in attached:
        say(f"its {one.part.value} are beside it, {one.place}: {one.size} bytes, read back and compared")


def _parts(text: str) -> list[Part]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in set(Part):
            raise typer.BadParameter(f"{name!r} is neither logs nor events", param_hint="--with")
    return [Part(name) for name in names]
