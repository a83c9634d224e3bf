import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from receiver.store.database import Database
from receiver.web import feed as room
from receiver.web.feed import Feed
from tests.integration.web.listeners import listened_to


class Ear:
    """Hears one stream."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines

    async def next(self) -> tuple[int, str, dict[str, Any]]:
        """Wait for the next event: its id, its kind, itself."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(20):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if line == "" and "data" in fields:
                    return int(fields["id"]), fields["event"], json.loads(fields["data"])
                fields = {} if line == "" else fields | {name: value}
        raise EOFError

    async def ends(self) -> bool:
        """Wait for the end of the stream."""
        async with asyncio.timeout(20):
            async for _ in self._lines:
                pass
        return True


@asynccontextmanager
async def listening(site: Any, since: int | None = None) -> AsyncIterator[Ear]:
    headers = {"authorization": "Bearer viewer-token"} | ({} if since is None else {"last-event-id": str(since)})
    async with site.client.stream("GET", "/api/v1/events/stream", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        ear = Ear(answer.aiter_lines())
        async with asyncio.timeout(20):
            while not site.feed._listeners and not site.feed._ended:  # noqa: ASYNC110 - nobody tells when it listens
                await asyncio.sleep(0.01)
        yield ear


async def test_what_happens_is_heard_by_all(site: Any, records: Any) -> None:
    await records.event(text="before")
    async with listening(site) as one, listening(site) as other:
        number = await records.event(text="now \n\n data: hostile \u2028", incident_id=7)

        heard = [await one.next(), await other.next()]

    assert heard[0] == heard[1]
    settled, kind, event = heard[0]
    assert (settled, kind) == (number, "alert.fired")
    assert event == {
        "id": number,
        "at": "2026-11-24T03:22:31.673412Z",
        "kind": "alert.fired",
        "text": "now \n\n data: hostile \u2028",
        "incident_id": 7,
        "alert_id": None,
        "run_id": None,
        "detail": {},
    }


async def test_a_stream_resumes_after_what_was_heard(site: Any, records: Any) -> None:
    numbers = [await records.event() for _ in range(4)]

    async with listening(site, since=numbers[1]) as ear:
        resumed = [(await ear.next())[0] for _ in range(2)]
        later = await records.event()
        after = (await ear.next())[0]

    assert [*resumed, after] == [*numbers[2:], later]


async def test_a_number_that_appears_late_is_heard_and_not_skipped_by_resuming(site: Any, records: Any) -> None:
    first = await records.event()
    held, later = first + 1, first + 2

    async with listening(site) as ear:
        await records.event(id=later, text="later")
        early = await ear.next()
        async with listening(site, since=early[0]) as other:
            again = await other.next()
            await records.event(id=held, text="held")
            late = [await ear.next(), await other.next()]

    assert (early[0], early[2]["id"]) == (first, later)
    assert again[2]["id"] == later
    assert [event["id"] for _, _, event in late] == [held, held]
    assert late[0][0] == later


async def test_a_reader_rests_when_nobody_listens(site: Any, records: Any) -> None:
    async with listening(site) as ear:
        await records.event()
        await ear.next()
        assert site.feed._reader is not None

    async with asyncio.timeout(20):
        while site.feed._reader is not None:  # noqa: ASYNC110 - nobody tells when it rests
            await asyncio.sleep(0.01)
    assert site.feed._progress is None


async def test_streams_end_when_the_service_stops(site: Any) -> None:
    async with listening(site) as ear:
        await site.feed.end()

        assert await ear.ends()

    async with listening(site) as afterwards:
        assert await afterwards.ends()


async def test_what_is_no_event_id_is_refused(site: Any) -> None:
    texts = ["x", "-1", "9" * 30]

    answers = [await site.get("/api/v1/events/stream", headers={"last-event-id": text}) for text in texts]

    assert [answer.status_code for answer in answers] == [400, 400, 400]


async def test_without_a_database_a_stream_is_503(site_without_database: Any) -> None:
    answer = await site_without_database.get("/api/v1/events/stream")

    assert answer.status_code == 503


async def test_one_that_does_not_read_is_let_go_holds_nothing_and_resumes_without_a_gap(
    database: Database, records: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "BUFFER", 3)
    feed = Feed(database, interval=timedelta(milliseconds=20))
    deaf, ear = feed.follow(None), feed.follow(None)
    await anext(deaf)
    await anext(ear)
    pieces = [asyncio.ensure_future(anext(one)) for one in (deaf, ear)]
    async with asyncio.timeout(60):
        await listened_to(feed, by=2)
        first = await records.event()
        begun = [await piece for piece in pieces]
        numbers = []
        while len(feed._listeners) > 1:
            numbers.append(await records.event())
            await anext(ear)
    (listener,) = feed._listeners
    assert begun[0] == begun[1]
    assert begun[0].startswith(f"id: {first}\n".encode())

    with pytest.raises(StopAsyncIteration):
        await anext(deaf)
    again = feed.follow(first)
    await anext(again)
    resumed = [await anext(again) for _ in numbers]

    assert [piece.split(b"\n", 1)[0] for piece in resumed] == [f"id: {number}".encode() for number in numbers]
    assert listener in feed._listeners
    await feed.end()


async def test_what_waits_for_a_listener_is_sent_as_one_piece(
    database: Database, records: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_AT_ONCE", 2)
    feed = Feed(database, interval=timedelta(milliseconds=20))
    ear, watch = feed.follow(None), feed.follow(None)
    await anext(ear)
    await anext(watch)
    begun = [asyncio.ensure_future(anext(one)) for one in (ear, watch)]
    async with asyncio.timeout(60):
        await listened_to(feed, by=2)
        await records.event()
        await asyncio.gather(*begun)
        for _ in range(3):
            await records.event()
            await anext(watch)
        await feed.end()
        pieces = [piece async for piece in ear]

    assert [piece.count(b"data: ") for piece in pieces] == [2, 1]
