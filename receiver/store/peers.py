"""What is known of the Alertmanagers that are asked, and what they last showed of firing occurrences."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from receiver.model.peer import Peer, Sighting
from receiver.store.database import Transaction
from receiver.store.peer_tables import PeerRow, SightingRow

Key = tuple[str, datetime]
"""An occurrence: fingerprint and start."""

_FORGOTTEN: Final = timedelta(days=1)
"""A peer that was not asked for so long is not configured any more."""


async def known(transaction: Transaction, urls: Sequence[str]) -> dict[str, Peer]:
    """Read what is known of peers, by URL; those never asked are not among them."""
    found = await transaction.execute(select(PeerRow).where(PeerRow.url.in_(urls)))
    return {
        row.url: Peer(
            url=row.url,
            version=row.version,
            started_at=row.started_at,
            noticed_at=row.noticed_at,
            asked_at=row.asked_at,
            answers=row.answers,
            error=row.error,
        )
        for row in found
    }


async def keep(transaction: Transaction, peers: Iterable[Peer], now: datetime) -> None:
    """Write down what became of asking, and forget whoever is not asked any more."""
    for peer in peers:
        columns = {
            "version": peer.version,
            "started_at": peer.started_at,
            "noticed_at": peer.noticed_at,
            "asked_at": peer.asked_at,
            "answers": peer.answers,
            "error": peer.error,
        }
        statement = insert(PeerRow).values(url=peer.url, **columns)
        await transaction.execute(statement.on_conflict_do_update(index_elements=["url"], set_=columns))
    await transaction.execute(delete(PeerRow).where(PeerRow.asked_at < now - _FORGOTTEN))


async def sightings(transaction: Transaction) -> dict[Key, Sighting]:
    """Read what was remarkable about occurrences, by occurrence."""
    return {
        (row.fingerprint, row.starts_at): Sighting(
            missed=row.missed, missing_since=row.missing_since, suppressed_by=tuple(row.suppressed_by)
        )
        for row in await transaction.execute(select(SightingRow))
    }


async def remember(transaction: Transaction, changed: Mapping[Key, Sighting]) -> None:
    """Write down what is remarkable now; a plain sighting is forgotten."""
    plain = [key for key, sighting in changed.items() if sighting.is_plain]
    if plain:
        named = tuple_(SightingRow.fingerprint, SightingRow.starts_at)
        await transaction.execute(delete(SightingRow).where(named.in_(plain)))
    kept = [
        {
            "fingerprint": fingerprint,
            "starts_at": starts_at,
            "missed": sighting.missed,
            "missing_since": sighting.missing_since,
            "suppressed_by": list(sighting.suppressed_by),
        }
        for (fingerprint, starts_at), sighting in changed.items()
        if not sighting.is_plain
    ]
    if kept:
        statement = insert(SightingRow)
        news = {name: statement.excluded[name] for name in ("missed", "missing_since", "suppressed_by")}
        await transaction.execute(
            statement.on_conflict_do_update(index_elements=["fingerprint", "starts_at"], set_=news), kept
        )
