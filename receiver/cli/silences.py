"""`receiver silences`: Alertmanager's silences, made and ended by people."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import msgspec
import typer

from receiver.cli.forms import Form, Listed, give
from receiver.cli.person import person
from receiver.cli.reading import Config, ListOutput, Output, run, settings_of
from receiver.cli.tables import say, table
from receiver.cli.telling import Ask, Watch, Way, tell
from receiver.cli.wiring import make_alertmanagers
from receiver.clients.alertmanager import AlertmanagerClient, Silence, SilenceState
from receiver.model.duration import Duration
from receiver.model.errors import SettingsError
from receiver.model.matcher import Matcher

app = typer.Typer(
    add_completion=False, name="silences", help="Alertmanager's silences: list, add, expire.", no_args_is_help=True
)

Peer = Annotated[str | None, typer.Option("--alertmanager", metavar="URL", help="Else the first of alertmanager.url.")]


@app.command("list")
def list_silences(
    *,
    config: Config = None,
    alertmanager: Peer = None,
    output: ListOutput = Form.TABLE,
    watch: Watch = False,
    everything: Annotated[bool, typer.Option("--all", help="Also those that have expired.")] = False,
) -> None:
    """List silences, those that end soonest first."""

    @asynccontextmanager
    async def question() -> AsyncIterator[Ask[list[Silence]]]:
        async with alertmanager_of(config, alertmanager) as peer:

            async def ask() -> list[Silence]:
                found = [one for one in await peer.silences() if everything or one.state is not SilenceState.EXPIRED]
                return sorted(found, key=lambda one: one.ends_at)

            yield ask

    way = Way(output=output, told=_listed, shape=_shapes, name=lambda one: one["id"])
    tell(question(), way, watch=watch)


def _shapes(found: list[Silence]) -> Listed:
    return Listed(items=[_shape(one) for one in found])


def _listed(found: list[Silence]) -> None:
    rows = ((one.id, one.state, one.ends_at, one.creator, _written(one), one.comment) for one in found)
    table(("id", "state", "ends", "by", "matchers", "comment"), rows, empty="no silence holds")


@app.command("add")
def add_silence(
    matchers: Annotated[list[str], typer.Argument(metavar="MATCHER...", help="Such as alertname=TestAlert.")],
    *,
    duration: Annotated[str, typer.Option("--duration", "-d", metavar="TIME", help="How long: 30m, 2h, 7d.")] = "1h",
    comment: Annotated[str, typer.Option("--comment", "-m", help="Why; whoever wonders reads it.")],
    author: Annotated[str | None, typer.Option("--author", "-a", help="Else you, at the command line.")] = None,
    config: Config = None,
    alertmanager: Peer = None,
    output: Output = Form.TABLE,
) -> None:
    """Let nobody be told about the alerts that meet all matchers, from now on."""
    wanted = [_matcher(text) for text in matchers]
    try:
        length = Duration.parse(duration)
        ends_at = datetime.now(UTC) + length
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(str(error), param_hint="--duration") from error
    if not length:
        raise typer.BadParameter("it must be longer than nothing", param_hint="--duration")

    async def adding() -> Silence:
        async with alertmanager_of(config, alertmanager) as peer:
            return await peer.silence(
                wanted, comment=comment, creator=author or person(), ends_at=ends_at, operation=f"cli {uuid4().hex[:8]}"
            )

    _tell(run(adding()), output)


@app.command("expire")
def expire_silence(
    silence: Annotated[str, typer.Argument(metavar="ID", help="As `receiver silences list` shows it.")],
    *,
    config: Config = None,
    alertmanager: Peer = None,
    output: Output = Form.TABLE,
) -> None:
    """End a silence now; one that has ended stays as it is."""

    async def ending() -> Silence:
        async with alertmanager_of(config, alertmanager) as peer:
            return await peer.expire(silence)

    _tell(run(ending()), output)


@asynccontextmanager
async def alertmanager_of(config: Path | None, url: str | None) -> AsyncIterator[AlertmanagerClient]:
    """Open the Alertmanager that a command speaks to; a pair tells each other.

    Args:
        config: The settings.
        url: Named on the command line; None for the first of the settings.

    Raises:
        SettingsError: None is named, or its address cannot be used.
    """
    settings = settings_of(config)
    if url is not None:
        chosen = msgspec.structs.replace(settings.alertmanager, url=url)
        settings = msgspec.structs.replace(settings, alertmanager=chosen)
    peers = make_alertmanagers(settings)
    if not peers:
        raise SettingsError("no Alertmanager is named: set alertmanager.url, or give --alertmanager URL")
    try:
        yield peers[0]
    finally:
        for peer in peers:
            await peer.close()


def _matcher(text: str) -> Matcher:
    try:
        return Matcher.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="MATCHER") from error


def _tell(silence: Silence, output: Form) -> None:
    until = f"{silence.ends_at:%Y-%m-%d %H:%M:%S} UTC"
    sentence = f"silence {silence.id} is {silence.state.value} until {until}: {_written(silence)}"
    give(_shape(silence), output, lambda: say(sentence))


def _written(silence: Silence) -> str:
    return " ".join(map(str, silence.matchers))


def _shape(silence: Silence) -> dict[str, Any]:
    return {
        "id": silence.id,
        "state": silence.state.value,
        "matchers": [str(one) for one in silence.matchers],
        "starts_at": silence.starts_at,
        "ends_at": silence.ends_at,
        "creator": silence.creator,
        "comment": silence.comment,
    }
