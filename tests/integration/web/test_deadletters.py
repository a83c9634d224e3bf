"""What was not understood is listed, shown, replayed and discarded; each once, and by an admin."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry
from sqlalchemy import text

from receiver.store.database import Database
from receiver.upkeep.deadletters import LetterBound

NOW: Final = datetime(2026, 11, 24, 3, 22, 31, 673412, UTC)
BODY: Final = (Path(__file__).parents[2] / "data/deliveries/single.01.firing.json").read_bytes()
LETTERS: Final = "/api/v1/deadletters"


async def rows(database: Database, query: str) -> list[tuple[Any, ...]]:
    async with database.transaction() as tx:
        return [tuple(row) for row in await tx.execute(text(query))]


async def test_a_dead_letter_is_shown_with_its_body_as_text(site: Any, records: Any) -> None:
    letter = await records.dead_letter(body=b"\xff{\x00", place="alerts[0]")

    listed = (await site.get(LETTERS)).json()["items"]
    shown = (await site.get(f"{LETTERS}/{letter}")).json()
    absent = await site.get(f"{LETTERS}/{letter + 1}")

    assert shown == listed[0] | {"body": "\ufffd{\x00"}
    assert shown["place"] == "alerts[0]"
    assert absent.status_code == 404


async def test_a_letter_that_is_understood_now_is_recorded_as_of_its_receipt(
    site: Any, records: Any, database: Database
) -> None:
    letter = await records.dead_letter(body=BODY, reason="a version that was not known")

    answer = await site.ask("POST", f"{LETTERS}/{letter}/replay", role="admin")
    again = await site.ask("POST", f"{LETTERS}/{letter}/replay", role="admin")
    shown = (await site.get(f"{LETTERS}/{letter}")).json()

    assert (answer.status_code, again.status_code) == (200, 409)
    assert answer.json()["alerts"] == {"new": 1, "updated": 0, "repeated": 0, "resolved": 0}
    assert "replayed by admins" in again.json()["detail"]
    assert (shown["fate"], shown["settled_by"]) == ("replayed", "admins")
    assert await rows(database, "select received_at, body from deliveries") == [(NOW, BODY)]
    assert await rows(database, "select first_seen_at from alerts") == [(NOW,)]


async def test_a_replay_whose_answer_was_lost_records_nothing_twice(
    site: Any, records: Any, database: Database
) -> None:
    letter = await records.dead_letter(body=BODY)
    await site.ask("POST", f"{LETTERS}/{letter}/replay", role="admin")
    async with database.transaction() as tx:
        await tx.execute(text("update dead_letters set settled_at = null, settled_by = '', settlement = ''"))

    again = await site.ask("POST", f"{LETTERS}/{letter}/replay", role="admin")

    assert again.status_code == 200
    assert await rows(database, "select count(*), max(deliveries) from alerts") == [(1, 1)]
    assert len(await rows(database, "select id from deliveries")) == 1


async def test_what_is_still_not_understood_stays_and_says_why(site: Any, records: Any, database: Database) -> None:
    letter = await records.dead_letter(body=b'{"version": "3"}')

    answer = await site.ask("POST", f"{LETTERS}/{letter}/replay", role="admin")
    shown = (await site.get(f"{LETTERS}/{letter}")).json()

    assert answer.status_code == 409
    assert "still not understood" in answer.json()["detail"]
    assert shown["fate"] is None
    assert await rows(database, "select id from deliveries") == []


async def test_what_postgres_still_refuses_stays_and_says_why(site: Any, records: Any, database: Database) -> None:
    letter = await records.dead_letter(body=BODY, reason="it could not be recorded")
    async with database.transaction() as tx:
        await tx.execute(text("alter table alerts add check (status <> 'firing')"))

    answer = await site.ask("POST", f"{LETTERS}/{letter}/replay", role="admin")
    shown = (await site.get(f"{LETTERS}/{letter}")).json()

    assert answer.status_code == 409
    assert "could still not be recorded" in answer.json()["detail"]
    assert shown["fate"] is None
    assert await rows(database, "select id from deliveries") == []


async def test_a_discarded_letter_stays_to_be_read_and_cannot_be_replayed(site: Any, records: Any) -> None:
    letter = await records.dead_letter(body=BODY)
    open_one = await records.dead_letter()

    discarded = await site.ask("POST", f"{LETTERS}/{letter}/discard", role="admin")
    replayed = await site.ask("POST", f"{LETTERS}/{letter}/replay", role="admin")
    waiting = (await site.get(f"{LETTERS}?settled=false")).json()["items"]
    settled = (await site.get(f"{LETTERS}?settled=true")).json()["items"]

    assert (discarded.status_code, discarded.json()["fate"], replayed.status_code) == (200, "discarded", 409)
    assert ([one["id"] for one in waiting], [one["id"] for one in settled]) == ([open_one], [letter])


async def test_only_an_admin_decides_about_letters(site: Any, records: Any) -> None:
    letter = await records.dead_letter()

    answers = [
        (await site.ask("POST", f"{LETTERS}/{letter}/{word}", role=role)).status_code
        for word in ("replay", "discard")
        for role in ("viewer", "operator", "ingest")
    ]

    assert answers == [403] * 6


async def test_the_number_of_letters_is_bounded_settled_ones_go_first_and_all_are_counted(
    records: Any, database: Database
) -> None:
    registry = CollectorRegistry()
    first = await records.dead_letter()
    settled = await records.dead_letter(settled_at=NOW, settled_by="ann", settlement="discarded")
    others = [await records.dead_letter() for _ in range(3)]

    async def keep(most: int) -> list[int]:
        bound = LetterBound(
            database,
            most=most,
            settled_for=NOW - NOW,
            registry=CollectorRegistry() if most > 3 else registry,
            now=lambda: NOW,
        )
        await bound.look()
        return [row[0] for row in await rows(database, "select id from dead_letters order by id")]

    assert await keep(5) == [first, settled, *others]
    assert await keep(4) == [first, *others]
    assert await keep(3) == others
    assert registry.get_sample_value("receiver_deadletters_dropped_total", {"fate": "open"}) == 1


async def test_a_settled_letter_goes_by_age_and_no_other_does(records: Any, database: Database) -> None:
    waiting = await records.dead_letter()
    await records.dead_letter(settled_at=NOW, settled_by="ann", settlement="discarded")
    later = datetime(2027, 1, 1, tzinfo=UTC)
    bound = LetterBound(database, most=9, settled_for=later - NOW, registry=CollectorRegistry(), now=lambda: later)
    await bound.look()
    assert len(await rows(database, "select id from dead_letters")) == 2

    bound = LetterBound(database, most=9, settled_for=NOW - NOW, registry=CollectorRegistry(), now=lambda: later)
    await bound.look()

    assert await rows(database, "select id from dead_letters") == [(waiting,)]
