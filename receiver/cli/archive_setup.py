"""`receiver archive setup`: make the bucket fit for archives, and say what was changed."""

from typing import Annotated, Any

import typer

from receiver.cli.forms import Form, give_line
from receiver.cli.reading import Config, Output, run, settings_of
from receiver.cli.s3 import make_s3
from receiver.cli.tables import say
from receiver.clients.archive_setup import BucketSetup
from receiver.model.errors import S3Error, SettingsError
from receiver.model.lifecycle import Difference, Thing
from receiver.settings import Settings


def setup(
    *,
    config: Config = None,
    output: Output = Form.TABLE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the difference.")] = False,
) -> None:
    """Make the bucket, close it to the public, encrypt it, and let archives age; rules of other people are kept."""
    if not run(_setup(settings_of(config), output, dry_run=dry_run)):
        raise typer.Exit(1)


async def _setup(settings: Settings, output: Form, *, dry_run: bool) -> bool:
    """Look at each part, and change what is due; answers whether nothing failed."""
    s3 = make_s3(settings)
    if s3 is None:
        raise SettingsError("archive.bucket is not set, so there is no bucket to set up; name one")
    try:
        bucket = BucketSetup(s3, settings.archive.prefix.strip("/"))
        failures = [await _do(bucket, one, output, dry_run=dry_run) for one in await bucket.look()]
    finally:
        await s3.close()
    return not any(failures)


async def _do(bucket: BucketSetup, part: Difference, output: Form, *, dry_run: bool) -> str:
    """Change one part where that is due, and say so; returns why it could not be changed.

    Raises:
        S3Error: There is no bucket, and none can be made: nothing else could be done either.
    """
    error = ""
    if part.due and not dry_run:
        try:
            await bucket.apply(part)
        except S3Error as refusal:
            if part.thing is Thing.BUCKET:
                raise
            error = str(refusal)
    outcome = _outcome(part, error, dry_run=dry_run)
    give_line(_shape(part, outcome, error), output, lambda: _tell(part, outcome, error))
    return error


def _tell(part: Difference, outcome: str, error: str) -> None:
    say(f"{part.thing.value}: {outcome}" + (f": {error}" if error else ""))
    if part.due:
        for mark, text in (("-", part.now), ("+", part.then)):
            for line in text.splitlines():
                say(f"  {mark} {line}")


def _outcome(part: Difference, error: str, *, dry_run: bool) -> str:
    if not part.offered:
        return "not offered by this store"
    if not part.due:
        return "as it ought to be"
    if dry_run:
        return "would be changed"
    return "not changed" if error else "changed"


def _shape(part: Difference, outcome: str, error: str) -> dict[str, Any]:
    return {
        "thing": part.thing.value.replace(" ", "_"),
        "outcome": outcome.replace(" ", "_"),
        "now": part.now,
        "then": part.then,
        "error": error or None,
    }
