"""`receiver playbooks backtest`: what a playbook would have done about stored history. Acts on nothing."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from receiver.cli.advance import bar, counter
from receiver.cli.completion import playbook_names
from receiver.cli.desk import answered_by
from receiver.cli.forms import Form, give
from receiver.cli.reading import Config, Moment, Output, Own, Server, TokenFile, Where, absent, learn, moment
from receiver.cli.tables import cell, members, say, table
from receiver.clients.receiver import ReceiverClient
from receiver.model.document import Document
from receiver.model.duration import format_duration
from receiver.model.errors import PlaybookError, StoreError
from receiver.model.shapes.playbook_requests import BacktestShape, BacktestWish
from receiver.pipeline.backtest import backtest as play
from receiver.remediate.language import Playbook, load
from receiver.remediate.loader import load_all
from receiver.settings import Settings
from receiver.store.backtests import as_json
from receiver.web.api.playbook_requests import BACKTEST_REACH, backtest_shape


def backtest(
    playbook: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FILE", help="One of the settings, or a file of its own.", autocompletion=playbook_names
        ),
    ],
    *,
    since: Moment = None,
    until: Moment = None,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
    output: Output = Form.TABLE,
) -> None:
    """Play a playbook against the alerts of the past, by the guards that really decide; else those of 30 days."""
    end = moment(until, "--until") or datetime.now(UTC)
    begin = moment(since, "--since") or end - BACKTEST_REACH
    if begin >= end:
        raise typer.BadParameter("it is not before --until", param_hint="--since")

    async def here(own: Own) -> BacktestShape | None:
        found = _playbook(own.settings, playbook)
        if found is None:
            return None
        with counter("playing alerts") as told:
            played = await play(own.database, own.settings.kubernetes, found, since=begin, until=end, told=told)
        return backtest_shape(as_json(played))

    async def there(service: ReceiverClient) -> BacktestShape | None:
        asked = await service.playbooks.backtest(playbook, BacktestWish(since=begin, until=end))
        if asked is None:
            return None
        with bar("waiting for the service", None):
            answer = await answered_by(service, asked.request_id)
        found = await service.playbooks.backtested(playbook, asked.request_id)
        if found is None:
            raise StoreError(f"nothing came of the backtest: {answer.answer}")
        return found

    shown = learn(Where(config, server, token_file), here=here, there=there)
    if shown is None:
        raise absent(f"playbook {playbook!r}", "playbooks list")
    give(shown, output, lambda: _tell(shown))


def _playbook(settings: Settings, name: str) -> Playbook | None:
    """Find a playbook by its name, else read it from a file."""
    for one in load_all(settings.playbooks):
        if one.name == name:
            return one
    file = Path(name)
    if not file.exists():
        return None
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PlaybookError(f"{file} cannot be read: {error}") from error
    return load(Document(text, file=str(file)))


def _tell(found: BacktestShape) -> None:
    busiest = f"{found.busiest_count} in the hour from {cell(found.busiest_hour)}" if found.busiest_hour else "none"
    members(
        [
            ("playbook", f"{found.playbook}, version {found.version}, as if it were live"),
            ("range", f"{cell(found.since)} to {cell(found.until)}"),
            ("alerts", found.alerts),
            *((answer.replace("_", " "), count) for answer, count in found.answers.items()),
            ("busiest hour", busiest),
        ]
    )
    for title, counts in (("refused by", found.refused_by), ("not decidable because", found.undecidable)):
        if counts:
            say()
            table((title, "alerts>"), counts.items())
    if found.instead:
        say()
        table(
            ("where it would have run", "alerts>", "median", "longest"),
            ((one.what, one.count, _length(one.median_seconds), _length(one.longest_seconds)) for one in found.instead),
        )
    if found.instances:
        say()
        table(
            ("at", "alert", "workflow", "answer", "guard", "because", "instead"),
            (
                (one.at, one.alert_id, one.workflow, one.answer.value, one.guard, one.reason, one.instead)
                for one in found.instances
            ),
        )
    say()
    for note in found.notes:
        say(f"note: {note}")


def _length(seconds: float | None) -> str:
    return "" if seconds is None else format_duration(timedelta(seconds=seconds))
