"""Once a week: whether what ended is archived and goes, and whether the bucket has what the index says.

Each line asks one source. One that does not answer is said in its line and fails the report, and the others are asked
all the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from receiver.clients.kubernetes import Cluster
from receiver.model import attachment
from receiver.model.archive import Archived
from receiver.model.cleanup import Belonging, CleanupRun, Fate, Kind, Move
from receiver.model.duration import format_duration
from receiver.model.report import Line, Report, human, judged, off
from receiver.settings.upkeep import Weekly as Limits
from receiver.store import archives, cleanups
from receiver.store.database import Database
from receiver.upkeep.cleanup import Cleanup
from receiver.upkeep.looking import tried

_NAMED: Final = 10
"""Most particulars of one line, and how many of the newest archives are looked at."""
_LIST: Final = "receiver cleanup list"


class Label(Protocol):
    """What an object says of itself, without being read."""

    @property
    def size(self) -> int:
        """Bytes."""


class Objects(Protocol):
    """A bucket, as `receiver.clients.archive` has it; raises `S3Error` when it cannot."""

    @property
    def bucket(self) -> str:
        """Its name."""

    async def head(self, key: str) -> Label | None:
        """Look at an object; None where there is none."""

    async def below(self, prefix: str, *, after: str = "") -> tuple[str, ...]:
        """List some keys that begin so, in their order; none are left where none are given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weekly:
    """Whoever looks.

    Attributes:
        database: Holds the index, and what each cleanup came to.
        limits: What is called good.
        older_than: How long ago a workflow must have ended before a cleanup takes it.
        cluster: Where workflows and claims are; None where none is configured.
        cleanup: Knows what is due; None where there is no cluster or no bucket.
        namespaces: Where; an empty name stands for all.
        bucket: Holds the objects; None where none is configured.
        prefix: Begin of their keys.
        now: The clock.
    """

    database: Database
    limits: Limits
    older_than: timedelta
    cluster: Cluster | None
    cleanup: Cleanup | None
    namespaces: Sequence[str]
    bucket: Objects | None
    prefix: str
    now: Callable[[], datetime]

    async def report(self) -> Report:
        """Look at everything, and judge it. What cannot be looked at is a line of its own kind, and no error."""
        lines = [
            *await tried("last cleanup", self._last_cleanup(), advice=f"see that the database answers: {_LIST}"),
            *await tried("oldest finished workflow", self._oldest(), advice="see that the Kubernetes API answers"),
            *await tried("newest archive", self._newest(), advice="see that the store of archives answers"),
            *await tried("index against bucket", self._compared(), advice="see that the store of archives answers"),
            *await tried("claims", self._claims(), advice="see that the Kubernetes API answers"),
        ]
        return Report(name="weekly", at=self.now(), lines=lines)

    async def _last_cleanup(self) -> list[Line]:
        async with self.database.transaction() as tx:
            runs = await cleanups.latest(tx, limit=1)
        return cleanup_lines(runs[0] if runs else None, self.limits, self.now())

    async def _oldest(self) -> list[Line]:
        subject = "oldest finished workflow"
        if self.cleanup is None:
            return [off(subject, "no cluster, or no bucket for archives, is configured")]
        return [oldest_line(subject, await self.cleanup.survey(), self.older_than + self.limits.behind, self.now())]

    async def _newest(self) -> list[Line]:
        if self.bucket is None:
            return [off("newest archive", "no bucket for archives is configured")]
        async with self.database.transaction() as tx:
            newest = await archives.latest(tx, _NAMED)
        age = self.now() - newest[0].archived_at if newest else None
        found = [f"{one.archived_at:%Y-%m-%d %H:%M} {one.place}: {await self._state(one)}" for one in newest]
        faulty = sum(not line.endswith(": there") for line in found)
        return [
            judged(
                "newest archive",
                f"{format_duration(age)} ago" if age is not None else "nothing was ever archived",
                good=age is not None and age <= self.limits.archived_within,
                limit=f"within {format_duration(self.limits.archived_within)}",
                advice=f"see what cleanups came to: {_LIST}",
            ),
            judged(
                "ten newest archives",
                f"{len(found) - faulty} of {len(found)} are in the bucket",
                good=not faulty,
                limit="all of them, in their size",
                advice="receiver archive verify NS/NAME; while the workflow is there, archive it again",
                details=found,
            ),
        ]

    async def _state(self, archived: Archived) -> str:
        """Say whether the object of an archive is there in its size."""
        if self.bucket is None or archived.bucket != self.bucket.bucket:
            return "it is in another bucket than archive.bucket"
        label = await self.bucket.head(archived.key)
        if label is None:
            return "it is gone"
        return "there" if label.size == archived.size else f"it has {label.size} bytes instead of {archived.size}"

    async def _compared(self) -> list[Line]:
        subject = "index against bucket"
        if self.bucket is None:
            return [off(subject, "no bucket for archives is configured")]
        objects, known, strangers = 0, 0, list[str]()
        page = await self.bucket.below(f"{self.prefix}/")
        while page:
            keys = [key for key in page if not attachment.is_key(key, self.prefix)]
            objects += len(keys)
            # The key of an archive has a namespace, a name and a file below the prefix.
            shaped = [key for key in keys if key.removeprefix(f"{self.prefix}/").count("/") == 2]  # noqa: PLR2004
            async with self.database.transaction() as tx:
                indexed = await archives.known(tx, self.bucket.bucket, shaped)
            known += len(indexed)
            strangers += [key for key in keys if key not in indexed][: _NAMED - len(strangers)]
            page = await self.bucket.below(f"{self.prefix}/", after=page[-1])
        async with self.database.transaction() as tx:
            held = await archives.held(tx, self.bucket.bucket)
        return [
            judged(
                subject,
                f"{held} in the index, {objects} in the bucket; {held - known} lost, {objects - known} not indexed",
                good=held == known == objects,
                limit="the same",
                advice="what is lost: receiver archive verify --all; what is not indexed: receiver archive list "
                "--from-bucket",
                details=[f"not in the index: {key}" for key in strangers],
            )
        ]

    async def _claims(self) -> list[Line]:
        if self.cluster is None:
            return [off("claims", "no cluster is configured")]
        found: list[Belonging] = []
        for namespace in self.namespaces:
            found += [one for one in await self.cluster.belongings(namespace) if one.kind is Kind.CLAIM]
        return [claims_line(found, self.limits.claims_bytes)]


def cleanup_lines(last: CleanupRun | None, limits: Limits, now: datetime) -> list[Line]:
    """Judge the last cleanup: when it was, and what failed in it."""
    within = f"began within {format_duration(limits.cleanup_within)}, and ended"
    if last is None:
        advice = "let the CronJob workflow-cleanup run `receiver cleanup`"
        return [judged("last cleanup", "none has ever run", good=False, limit=within, advice=advice)]
    began = f"began {format_duration(now - last.started_at)} ago"
    ended = "and has not ended" if last.ended_at is None else "and ended"
    skipped = [f"left alone: {count} {reason.replace('_', ' ')}" for reason, count in sorted(last.skipped.items())]
    return [
        judged(
            "last cleanup",
            f"{began} {ended}: {last.archived} archived, {last.deleted} deleted",
            good=last.ended_at is not None and now - last.started_at <= limits.cleanup_within,
            limit=within,
            advice="look at the CronJob workflow-cleanup and the log of its last pod",
            details=skipped,
        ),
        judged(
            "failures of the last cleanup",
            f"{last.failed}: {last.trouble}" if last.trouble else str(last.failed),
            good=not last.failed and not last.trouble,
            limit="0",
            advice="put that right; the next run goes on with what is left",
        ),
    ]


def oldest_line(subject: str, moves: Sequence[Move], limit: timedelta, now: datetime) -> Line:
    """Judge how long the oldest workflow has waited that a cleanup would take."""
    due = [move for move in moves if move.fate is Fate.DUE and move.kind is Kind.WORKFLOW and move.since is not None]
    ages = [now - move.since for move in due if move.since is not None]
    left = len(moves) - len(due)
    said = f"ended {format_duration(max(ages))} ago; {len(due)} are due" if ages else "none is due"
    return judged(
        subject,
        f"{said}, {left} are left alone",
        good=all(age <= limit for age in ages),
        limit=f"ended within {format_duration(limit)}, but for what is left alone",
        advice="receiver cleanup --dry-run lists them; a larger cleanup.budget takes more in one run",
        details=[
            f"{move.namespace}/{move.name} ended {format_duration(now - move.since)} ago"
            for move in due[:_NAMED]
            if move.since
        ],
    )


def claims_line(claims: Sequence[Belonging], most: int) -> Line:
    """Judge the capacity of all claims, and name the largest."""
    largest = sorted(claims, key=lambda one: (-one.capacity, one.namespace, one.name))[:_NAMED]
    total = sum(one.capacity for one in claims)
    return judged(
        "claims",
        f"{len(claims)} of {human(total)}",
        good=total <= most,
        limit=f"at most {human(most)}",
        advice="receiver cleanup --leftovers pvcs --dry-run lists those whose workflows are gone",
        details=[f"{human(one.capacity)} {one.namespace}/{one.name}{_owned(one)}" for one in largest],
    )


def _owned(claim: Belonging) -> str:
    names = [f"workflow {owner.name}" if owner.workflow else owner.name for owner in claim.owners]
    return f", owned by {', '.join(names)}" if names else ""
