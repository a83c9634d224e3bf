"""`receiver templates`: how a message would read in the words of a template. Nothing is sent."""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec import Struct
from msgspec.structs import replace

from receiver.cli.forms import Form, give
from receiver.cli.front import Config, run, settings_of
from receiver.cli.reading import Output, opened
from receiver.cli.tables import say
from receiver.model.errors import SettingsError
from receiver.model.message import Lane, Place
from receiver.notify import pagerduty, slack
from receiver.notify.places import INCOMING_WEBHOOK
from receiver.notify.routes import choose
from receiver.notify.situation import Situation, assess
from receiver.notify.templates import BUILT_IN, Templates, Words, load, words_in
from receiver.settings import Route, Settings
from receiver.store.history.stories import story

app = typer.Typer(
    add_completion=False, name="templates", help="How messages read in the words of a template.", no_args_is_help=True
)


class Shown(Struct, frozen=True, kw_only=True):
    """How one place would be told.

    Attributes:
        template: The file with the words; empty where the built-in ones are meant.
        fault: Why the built-in words stand instead, with file and line.
        message: What the place would be sent, as JSON values.
    """

    place: Place
    address: str
    template: str
    fault: str
    message: Mapping[str, Any]


@app.callback()
def templates() -> None:
    """Look at the words of messages."""


@app.command()
def preview(
    *,
    config: Config = None,
    incident: Annotated[int, typer.Option(metavar="ID", help="The incident that is told of.")],
    route: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="By this route; else by those that it takes now.")
    ] = None,
    template: Annotated[
        Path | None, typer.Option(metavar="FILE", help="In the words of this file; else those of the route.")
    ] = None,
    output: Output = Form.TABLE,
) -> None:
    """Show what would be said of an incident now, and whether a template failed (then the exit code is 1)."""
    found = run(_previewed(settings_of(config), incident, route, template))
    give({"incident": incident, "messages": found}, output, lambda: _tell_all(found))
    if any(one.fault for one in found):
        raise typer.Exit(1)


async def _previewed(settings: Settings, incident: int, number: int | None, template: Path | None) -> list[Shown]:
    """Say an incident for each place that its routes lead to, or one route that is named.

    Raises:
        SettingsError: There is no such route.
        StoreError: There is no such incident.
        DocumentError: The template that was named cannot be read or is none.
    """
    routes = settings.routes if number is None else (_route(settings, number),)
    named = load(template) if template is not None else None
    async with opened(settings) as database, database.transaction() as tx:
        situation = assess(await story(tx, incident), datetime.now(UTC))
    choice = choose(routes, situation.labels, owners=settings.owners, annotations=situation.annotations)
    situation = dataclasses.replace(situation, owner=choice.owner)
    read = Templates(choice.templates.values()).read()
    shown = []
    for lane in choice.lanes:
        file = choice.templates.get(lane, "") if template is None else str(template)
        loaded = named or read.get(file)
        words = words_in(loaded, situation, settings.server.public_url) if loaded is not None else BUILT_IN
        shown.append(_one(settings, situation, lane, file, words))
    return shown


def _route(settings: Settings, number: int) -> Route:
    """Give a route, open to whatever comes and at whatever hour.

    Raises:
        SettingsError: There is none of that number.
    """
    if number > len(settings.routes):
        raise SettingsError(f"there is no route {number}: the configuration has {len(settings.routes)}")
    return replace(settings.routes[number - 1], matchers=(), active=(), mute=())


def _one(settings: Settings, situation: Situation, lane: Lane, file: str, words: Words) -> Shown:
    url = settings.server.public_url
    if lane.place is Place.SLACK:
        webhook = settings.slack.webhook.given
        address = INCOMING_WEBHOOK if webhook else lane.address or settings.slack.channel
        pressed = settings.slack.pressed and not webhook
        message = slack.card(situation, public_url=url, pressed=pressed, words=words)
    else:
        address = lane.address
        message = pagerduty.trigger(situation, urgent=False, why="", public_url=url, words=words)
    message = {name: value for name, value in message.items() if name != "template_fault"}
    return Shown(place=lane.place, address=address, template=file, fault=words.fault, message=message)


def _tell_all(found: Sequence[Shown]) -> None:
    if not found:
        say("nobody would be told: `receiver routes test` says why; --route N shows it by a route all the same")
    for one in found:
        _tell(one)


def _tell(one: Shown) -> None:
    by = f"by {one.template}" if one.template and not one.fault else "in the built-in words"
    say(f"{one.place.value} {one.address}".rstrip() + f", {by}:")
    if one.fault:
        say(f"  {one.fault}")
    if one.place is Place.PAGERDUTY:
        say(f"  {one.message['summary']}")
    for block in one.message.get("blocks", ()):
        texts = [block.get("text"), *block.get("elements", ())]
        for text in (text for text in texts if isinstance(text, Mapping) and isinstance(text.get("text"), str)):
            for line in text["text"].splitlines():
                say(f"  {line}")
    say()
