"""`receiver routes`: who would be told of an alert, and why. It asks the settings alone; nothing is sent."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

import typer
from msgspec import Struct

from receiver.cli.forms import Form, give
from receiver.cli.front import Config, settings_of
from receiver.cli.reading import Moment, Output, moment
from receiver.cli.tables import say
from receiver.model.duration import format_duration
from receiver.model.message import Lane, Place
from receiver.notify.digest import is_low
from receiver.notify.places import INCOMING_WEBHOOK
from receiver.notify.routes import choose
from receiver.settings import Settings

app = typer.Typer(
    add_completion=False, name="routes", help="Who would be told of an alert, and why.", no_args_is_help=True
)

_NOT_SET: Final = {Place.SLACK: "slack.bot_token", Place.PAGERDUTY: "pagerduty.routing_key"}


class Told(Struct, frozen=True, kw_only=True):
    """One address that would be told."""

    place: Place
    address: str
    configured: bool


class Answer(Struct, frozen=True, kw_only=True):
    """Who would be told of an alert with certain labels at a certain time, and why."""

    at: datetime
    owner: str
    told: list[Told]
    reason: str
    steps: list[str]
    later: datetime | None
    shadow: bool
    digest: bool


@app.callback()
def routes() -> None:
    """Say who would be told."""


@app.command("test")
def try_out(
    labels: Annotated[list[str], typer.Argument(metavar="LABEL=VALUE...", help="Labels of the alert.")],
    *,
    config: Config = None,
    output: Output = Form.TABLE,
    annotation: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="An annotation of the workflow; repeatable."),
    ] = None,
    at: Moment = None,
) -> None:
    """Show who would be told of an alert with these labels, and which route, owner and hours say so."""
    when = moment(at, "--at") or datetime.now(UTC)
    settings = settings_of(config)
    found = answer(settings, _pairs(labels, "LABEL=VALUE"), _pairs(annotation or [], "--annotation"), when)
    give(found, output, lambda: _tell(settings, found))


def _tell(settings: Settings, found: Answer) -> None:
    for step in found.steps:
        say(step)
    if found.later is not None:
        say(f"What still fires is told at {found.later:%Y-%m-%d %H:%M} UTC.")
    for one in found.told:
        setting = "" if one.configured else f", where {_NOT_SET[one.place]} is not set: the service's own log is told"
        say(f"=> {one.place.value} {one.address}".rstrip() + setting)
    if not found.told:
        say("=> nobody")
    if found.digest and settings.notifications.digest is not None:
        say(f"Not at once, but in a digest within {format_duration(settings.notifications.digest.every)}.")
    if found.shadow:
        say("notifications.mode is shadow: it would be recorded, and not sent")


def answer(settings: Settings, labels: Mapping[str, str], annotations: Mapping[str, str], at: datetime) -> Answer:
    """Say who would be told."""
    low = settings.notifications.digest.low if settings.notifications.digest else frozenset[str]()
    choice = choose(settings.routes, labels, owners=settings.owners, annotations=annotations, at=at)
    return Answer(
        at=at,
        owner=choice.owner,
        told=[_told(settings, lane) for lane in choice.lanes],
        reason=choice.reason,
        steps=list(choice.steps),
        later=choice.speak_at,
        shadow=settings.notifications.mode == "shadow",
        digest=bool(choice.lanes) and is_low(labels.get("severity", ""), choice.places, low),
    )


def _told(settings: Settings, lane: Lane) -> Told:
    if lane.place is Place.SLACK:
        webhook = settings.slack.webhook.given
        address = INCOMING_WEBHOOK if webhook else lane.address or settings.slack.channel
        known = webhook or settings.slack.secret.given
    else:
        address, known = lane.address, bool(lane.address) or settings.pagerduty.secret.given
    return Told(place=lane.place, address=address, configured=known)


def _pairs(texts: Sequence[str], name: str) -> dict[str, str]:
    """Read labels.

    Raises:
        typer.BadParameter: One of them has no name.
    """
    pairs = {}
    for text in texts:
        label, equals, value = text.partition("=")
        if not label or not equals:
            raise typer.BadParameter(f"{text!r} is none; write one such as severity=critical", param_hint=name)
        pairs[label] = value
    return pairs
