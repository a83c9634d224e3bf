"""Drops months of history from Postgres: those that S3 has, proved once more just before; or all, where told so."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from datetime import datetime, timedelta
from typing import Final

from receiver.model.errors import S3Damaged, S3Missing, StoreCrowded
from receiver.model.history import Export, Relation
from receiver.store import exports, pruning, tombstones
from receiver.store.database import Database, Transaction
from receiver.store.partitions import month_start
from receiver.upkeep.tiers import Move, Outcome, Tiers

_TRIES: Final = 10
_PAUSE: Final = timedelta(seconds=1)
"""Between two tries to have the table for a moment."""


class Prune:
    """One run over all months that are older than the retention.

    Args:
        database: Where they are.
        tiers: Proves that S3 has them; None discards them without any export.
        keep: How long history stays, counted from the end of its month.
        now: The clock.
        dry_run: Only say what would be done.
    """

    def __init__(
        self,
        *,
        database: Database,
        tiers: Tiers | None,
        keep: timedelta,
        now: Callable[[], datetime],
        dry_run: bool = False,
    ) -> None:
        self._database = database
        self._tiers = tiers
        self._now = now
        self._horizon = now() - keep
        self._dry_run = dry_run

    async def run(self) -> AsyncGenerator[Move, None]:
        """Drop what may go; tells of each month as it is done, and of those that stay, why.

        Raises:
            TiersBusy: Somebody else exports or prunes.
            S3Error: S3 does not have what it was given, or cannot be asked; that month stays.
            StoreError: The database cannot be used.
        """
        async with exports.alone(self._database):
            for relation in Relation:
                async with self._database.transaction() as tx:
                    old = await exports.months(tx, relation, until=self._horizon)
                for month in old:
                    move = await self._prune(relation, month)
                    if move is not None:
                        yield move
            if not self._dry_run:
                async with self._database.transaction() as tx:
                    await tombstones.forget(tx, self._now())

    async def _prune(self, relation: Relation, month: datetime) -> Move | None:
        async with exports.snapshot(self._database) as tx:
            count, _ = await exports.versions(tx, relation, month)
            export = await exports.find(tx, relation, month)
            reason = await self._reason_to_stay(tx, relation, month, export)
        if count == 0 and month >= month_start(self._now(), -1):
            return None  # The calendar would only make the empty partition again.
        if reason and count:
            return Move(relation=relation, month=month, outcome=Outcome.KEPT, rows=count, reason=reason)
        note = "discarded without export, as retention.discard says" if self._tiers is None and count else ""
        if not self._dry_run:
            await self._prove(export, count)
            reason = await self._drop_patiently(relation, month, export)
        outcome = Outcome.KEPT if reason else Outcome.WOULD_PRUNE if self._dry_run else Outcome.PRUNED
        key = export.key if export else ""
        return Move(relation=relation, month=month, outcome=outcome, rows=count, key=key, reason=reason or note)

    async def _reason_to_stay(self, tx: Transaction, relation: Relation, month: datetime, export: Export | None) -> str:
        reason = await pruning.obstacle(tx, relation, month, self._horizon)
        if reason or self._tiers is None:
            return reason
        if export is None or export.verified_at is None:
            return "it is not on S3; run `receiver history export`"
        if not await pruning.unchanged(tx, relation, month, export.versions):
            return "it changed since its export; run `receiver history export`"
        return ""

    async def _prove(self, export: Export | None, count: int) -> None:
        if self._tiers is None or export is None or count == 0:
            return
        try:
            await self._tiers.verify(export)
        except (S3Damaged, S3Missing):
            async with self._database.transaction() as tx:
                await exports.distrust(tx, export)
            raise
        async with self._database.transaction() as tx:
            await exports.trust(tx, export, self._now())

    async def _drop_patiently(self, relation: Relation, month: datetime, export: Export | None) -> str:
        """Drop a month; says why not, if not."""
        for _ in range(_TRIES):
            try:
                return await self._drop(relation, month, export)
            except StoreCrowded as error:
                crowded = str(error)
                await asyncio.sleep(_PAUSE.total_seconds())
        return crowded

    async def _drop(self, relation: Relation, month: datetime, export: Export | None) -> str:
        at = self._now()
        async with self._database.transaction() as tx:
            await pruning.hold(tx, relation, month)
            empty = await pruning.is_empty(tx, relation, month)
            reason = "" if empty else await self._reason_to_stay(tx, relation, month, export)
            if reason:
                return reason
            newest = await pruning.newest_number(tx, relation, month)
            await pruning.drop_month(tx, relation, month, horizon=self._horizon, at=at)
            if export is not None and export.verified_at is not None and not empty:
                await exports.mark_pruned(tx, export, at)
        while await self._delete_stray(relation, month, newest, at):
            pass
        return ""

    async def _delete_stray(self, relation: Relation, month: datetime, newest: int, at: datetime) -> bool:
        async with self._database.transaction() as tx:
            gone = await pruning.delete_stray(tx, relation, month, newest=newest, horizon=self._horizon, at=at)
        return gone > 0
