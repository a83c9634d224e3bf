"""`receiver playbooks`: those that the service loaded, and whether others could be."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from receiver.cli import backtest, playbook_close, playbook_rights, playbook_run
from receiver.cli.filters import PlaybookName
from receiver.cli.forms import Form
from receiver.cli.front import settings_of
from receiver.cli.reading import Config, ListOutput, Output, Own, Server, TokenFile, Where, absent, asking
from receiver.cli.tables import members, say, table
from receiver.cli.telling import Watch, Way, tell
from receiver.clients.receiver import ReceiverClient
from receiver.model.document import Document
from receiver.model.errors import PlaybookError
from receiver.model.shapes.playbooks import PlaybookList, PlaybookShape, PlaybookTextShape
from receiver.remediate.language import Playbook, check_names, load, warnings
from receiver.remediate.loader import load_all
from receiver.store.history import playbooks
from receiver.web.api.playbooks import playbook_shape, playbook_text_shape

app = typer.Typer(
    add_completion=False, name="playbooks", help="Playbooks: what may be done about which alert.", no_args_is_help=True
)

app.command("close")(playbook_close.close)
app.command("run")(playbook_run.run)
app.command("backtest")(backtest.backtest)
app.command("rbac")(playbook_rights.rbac)
app.command("schema")(playbook_rights.schema)


@app.command("list")
def list_playbooks(
    *,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
    output: ListOutput = Form.TABLE,
    watch: Watch = False,
) -> None:
    """List the playbooks as the service loaded them."""

    async def here(own: Own) -> PlaybookList:
        return PlaybookList(items=[playbook_shape(one) for one in await playbooks.all_loaded(own.tx)])

    async def there(service: ReceiverClient) -> PlaybookList:
        return await service.playbooks.all()

    question = asking(Where(config, server, token_file), here=here, there=there)
    tell(question, Way(output=output, told=_listed, name=lambda one: one.name), watch=watch)


def _listed(found: PlaybookList) -> None:
    table(
        ("name", "mode", "what it does", "held back because", "version", "loaded"),
        ((one.name, one.mode, one.summary, _held_back(one), one.version, one.loaded_at) for one in found.items),
    )


@app.command("show")
def show_playbook(
    name: PlaybookName,
    *,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
    output: Output = Form.TABLE,
) -> None:
    """Show one playbook with its document."""

    async def here(own: Own) -> PlaybookTextShape | None:
        found = await playbooks.get(own.tx, name)
        return playbook_text_shape(found) if found else None

    async def there(service: ReceiverClient) -> PlaybookTextShape | None:
        return await service.playbooks.get(name)

    question = asking(Where(config, server, token_file), here=here, there=there)
    tell(question, Way(output=output, told=_tell), missing=absent(f"playbook {name!r}", "playbooks list"))


def _tell(found: PlaybookTextShape) -> None:
    members(
        [
            ("playbook", found.name),
            ("mode", found.mode),
            ("version", found.version),
            ("cannot work because", found.disabled),
            ("breaker open because", found.standing.opened_because),
            ("only proposes because", found.standing.demoted_because),
            ("loaded", found.loaded_at),
        ]
    )
    for line in ("", *found.text.splitlines()):
        say(line)


@app.command("lint")
def lint(
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE...", help="Else those of the settings.")] = None,
    *,
    config: Config = None,
) -> None:
    """Read playbooks as the service would: the first that is wrong ends with file, line and exit code 2."""
    settings = settings_of(config)
    found = list(_read(files)) if files else load_all(settings.playbooks)
    check_names(found)
    for playbook in found:
        say(f"{playbook.name} is right; its mode is {playbook.mode.value}")
        for warning in warnings(playbook):
            say(f"  warning: {warning}")


def _held_back(playbook: PlaybookShape) -> str:
    standing = playbook.standing
    return "; ".join(
        filter(
            None,
            (
                playbook.disabled,
                standing.opened_because and f"breaker open: {standing.opened_because}",
                standing.demoted_because and f"only proposes: {standing.demoted_because}",
            ),
        )
    )


def _read(files: list[Path]) -> Iterator[Playbook]:
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PlaybookError(f"{file} cannot be read: {error}") from error
        yield load(Document(text, file=str(file)))
