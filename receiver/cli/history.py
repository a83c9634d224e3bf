"""`receiver history`: old history to Parquet on S3, then out of Postgres."""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from receiver.cli.advance import bar
from receiver.cli.forms import Form, give_line
from receiver.cli.reading import Config, Output, opened, run, settings_of
from receiver.cli.s3 import make_s3
from receiver.cli.tables import say
from receiver.clients.s3 import S3
from receiver.model.errors import SettingsError
from receiver.settings import Settings
from receiver.store.database import Database
from receiver.upkeep.prune import Prune
from receiver.upkeep.tiers import Move, Outcome, Tiers

app = typer.Typer(
    add_completion=False,
    name="history",
    help="Old history to Parquet on S3, then out of Postgres.",
    no_args_is_help=True,
)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]

_MONTH: Final = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)


@app.command("export")
def export(
    *,
    config: Config = None,
    output: Output = Form.TABLE,
    before: Annotated[
        str | None, typer.Option(metavar="MONTH", help="Only months before this one, such as 2026-03.")
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Bring closed months of alerts and timelines to S3, read them back, and write down that they are there."""
    run(_export(settings_of(config), _month(before), output, dry_run=dry_run))


@app.command("prune")
def prune(*, config: Config = None, output: Output = Form.TABLE, dry_run: DryRun = False) -> None:
    """Drop months older than retention.history from Postgres, each only after S3 was seen to have it whole."""
    run(_prune(settings_of(config), output, dry_run=dry_run))


async def _export(settings: Settings, before: datetime | None, output: Form, *, dry_run: bool) -> None:
    async with opened(settings) as database, _tiers(settings, database) as tiers:
        await _tell(tiers.export(before=before, dry_run=dry_run), output)


async def _prune(settings: Settings, output: Form, *, dry_run: bool) -> None:
    async with opened(settings) as database:
        if settings.retention.discard:
            await _tell(_pruning(settings, database, None, dry_run=dry_run), output)
            return
        async with _tiers(settings, database) as tiers:
            await _tell(_pruning(settings, database, tiers, dry_run=dry_run), output)


def _pruning(
    settings: Settings, database: Database, tiers: Tiers | None, *, dry_run: bool
) -> AsyncGenerator[Move, None]:
    keep = settings.retention.history
    return Prune(database=database, tiers=tiers, keep=keep, now=_now, dry_run=dry_run).run()


@asynccontextmanager
async def _tiers(settings: Settings, database: Database) -> AsyncIterator[Tiers]:
    """Open the way to S3.

    Raises:
        SettingsError: No bucket is configured.
    """
    s3 = make_s3(settings)
    if s3 is None:
        raise SettingsError(
            "archive.bucket is not set, so history has nowhere to go; name a bucket, "
            "or set retention.discard where nobody will want to read it again"
        )
    try:
        yield _way(settings, database, s3)
    finally:
        await s3.close()


def _way(settings: Settings, database: Database, s3: S3) -> Tiers:
    return Tiers(
        database=database,
        s3=s3,
        prefix=settings.archive.history_prefix,
        scratch=Path(settings.data_dir) / "history" / "under-way",
        now=_now,
    )


async def _tell(moves: AsyncGenerator[Move, None], output: Form) -> None:
    """Say what becomes of each month as soon as it is known: one that is done is done, whatever comes after."""
    counted = 0
    with bar("months", None) as advance:
        async with aclosing(moves) as each:
            async for move in each:
                counted += 1
                give_line(_shape(move), output, partial(say, _sentence(move)))
                advance(1)
    if counted == 0 and output is Form.TABLE:
        say("there is no month to do anything about")


def _sentence(move: Move) -> str:
    name = f"{move.relation.value} {move.month.year:04d}-{move.month.month:02d}"
    key = f", {move.key}" if move.key and move.outcome in {Outcome.EXPORTED, Outcome.UNCHANGED} else ""
    reason = f": {move.reason}" if move.reason else ""
    return f"{name}  {move.outcome.value}  {move.rows} rows{key}{reason}"


def _shape(move: Move) -> dict[str, Any]:
    return {
        "relation": move.relation.value,
        "month": f"{move.month.year:04d}-{move.month.month:02d}",
        "outcome": move.outcome.value.replace(" ", "_"),
        "rows": move.rows,
        "bytes": move.size,
        "key": move.key or None,
        "reason": move.reason or None,
    }


def _month(text: str | None) -> datetime | None:
    if text is None:
        return None
    found = _MONTH.fullmatch(text)
    if found is None or found[1] == "0000":
        raise typer.BadParameter(f"{text!r} is not a month; write one such as 2026-03", param_hint="--before")
    return datetime(int(found[1]), int(found[2]), 1, tzinfo=UTC)


def _now() -> datetime:
    return datetime.now(UTC)
