"""The stream of events: one reader of the timeline for all who listen.

Events are numbered when they are written and become visible when their transaction commits, so a number may appear
after a higher one. The reader remembers which numbers are missing and looks for them for a while. A listener is told,
as the id of each event, the number up to which nothing is missing: whoever resumes from there loses nothing, and may
hear of an event twice; the event's own number tells.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import msgspec
import structlog

from receiver.model.errors import StoreError
from receiver.model.timeline import Event
from receiver.store.database import Database
from receiver.store.history import timeline
from receiver.web.api.timeline import event_shape

INTERVAL: Final = timedelta(milliseconds=250)
"""Between two looks at the timeline, by one reader for all who listen: below what a person notices as waiting."""

HEARTBEAT: Final = timedelta(seconds=15)
"""Between two signs of life; proxies cut connections that are silent for a minute."""

NEWS_GAP: Final = timedelta(seconds=1)
"""Between two rings for one page: in a storm it is read anew once a second, not with each line."""

NEWS_PAUSE: Final = timedelta(seconds=30)
"""After this a page is rung for even though nothing happened: ages grow, and limits run out."""

BUFFER: Final = 1_000
"""Events that wait for a slow listener; one that falls further behind is let go, and resumes from where it was."""

_AT_ONCE: Final = 50
"""Most events that are sent as one piece: each piece costs as much as a dozen events do."""

_PATIENCE: Final = timedelta(seconds=60)
"""For which a missing number is looked for; then its transaction was rolled back."""

_BEHIND: Final = 500
"""Numbers before the newest that are looked at when reading begins, to see which are missing."""

_MOST_MISSING: Final = 5_000
_PAGE: Final = 500

_log = structlog.get_logger(__name__)


class Progress:
    """How far the timeline was read, and which numbers were missing on the way.

    Args:
        number: The highest number that was read.
    """

    def __init__(self, number: int) -> None:
        self.highest = number
        self._missing: dict[int, float] = {}

    @property
    def missing(self) -> tuple[int, ...]:
        """Numbers that may still appear, lowest first."""
        return tuple(sorted(self._missing))

    @property
    def settled(self) -> int:
        """The number up to which nothing is missing."""
        return min(self._missing, default=self.highest + 1) - 1

    def read(self, number: int, now: float) -> None:
        """Note that an event was read."""
        for skipped in range(max(self.highest + 1, number - _MOST_MISSING), number):
            self._missing[skipped] = now
        self._missing.pop(number, None)
        self.highest = max(self.highest, number)

    def give_up(self, now: float) -> None:
        """Look no longer for what has been missing for long, nor for the lowest of too many."""
        since = now - _PATIENCE.total_seconds()
        kept = sorted(number for number, noticed in self._missing.items() if noticed > since)[-_MOST_MISSING:]
        self._missing = {number: self._missing[number] for number in kept}


@dataclass(eq=False, slots=True)
class _Listener:
    """Somebody who listens; None in the queue means that there is nothing more to come."""

    queue: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(BUFFER + 1))
    told: set[int] = field(default_factory=set)
    """Numbers that were missing when it came, and of which it has heard since by catching up."""

    def hear(self, event: Event, told: bytes) -> bool:
        """Take an event; false where it is too far behind."""
        if _number(event) in self.told:
            return True
        if self.queue.qsize() >= BUFFER:
            return False
        self.queue.put_nowait(told)
        return True

    async def next(self) -> bytes | None:
        """Wait for what there is to tell, as one piece; None where nothing more comes."""
        told = await self.queue.get()
        pieces = []
        while told is not None:
            pieces.append(told)
            if self.queue.empty() or len(pieces) == _AT_ONCE:
                return b"".join(pieces)
            told = self.queue.get_nowait()
        if pieces:
            self.queue.put_nowait(None)
        return b"".join(pieces) or None

    def dismiss(self) -> None:
        """Say that nothing more comes; what waits for one that does not read is kept no longer, for it comes back."""
        if self.queue.qsize() >= BUFFER:
            self.queue = asyncio.Queue(1)
        self.queue.put_nowait(None)


@dataclass(eq=False, slots=True)
class _Bell:
    """Somebody who wants to know only that something happened.

    Attributes:
        about: The incident that matters; None for any.
    """

    about: int | None
    rung: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, event: Event, told: bytes) -> bool:  # noqa: ARG002 - as every listener
        """Ring where it matters; nobody falls behind by being rung for."""
        if self.about in {None, event.incident_id}:
            self.rung.set()
        return True

    def dismiss(self) -> None:
        """Say that nothing more comes."""
        self.over.set()
        self.rung.set()


class Feed:
    """Reads the timeline as long as somebody listens.

    Args:
        database: Where the timeline is.
        interval: Between two looks at it.
        clock: Seconds of a monotonic clock.
    """

    def __init__(
        self, database: Database, *, interval: timedelta = INTERVAL, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._interval = interval
        self._clock = clock
        self._listeners: set[_Listener | _Bell] = set()
        self._progress: Progress | None = None
        self._reader: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self._ended = False

    async def end(self) -> None:
        """Let everybody go; from now on there is nothing to hear. Call it when the service begins to stop."""
        self._ended = True
        self._dismiss_all()
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.cancel()
            await asyncio.wait([reader])

    async def follow(self, since: int | None) -> AsyncIterator[bytes]:
        """Hear every event from now on, as server-sent events, with signs of life in between.

        The stream ends where the timeline cannot be read at its beginning; a listener comes back by itself.

        Args:
            since: Number from which to resume; None to hear only what is new.
        """
        yield b"retry: 2000\n\n"
        if self._ended:
            return
        listener = _Listener()
        try:
            upto, missing = await self._join(listener)
        except StoreError as error:
            _log.warning("stream_without_database", reason=str(error))
            return
        try:
            if since is not None:
                async for caught_up in self._catch_up(listener, since, upto, missing):
                    yield caught_up
            while (told := await self._next(listener)) is not None:
                yield told
        except StoreError as error:
            _log.warning("stream_without_database", reason=str(error))
        finally:
            self._leave(listener)

    async def news(
        self, about: int | None = None, *, gap: timedelta = NEWS_GAP, pause: timedelta = NEWS_PAUSE
    ) -> AsyncIterator[bytes]:
        """Hear that something happened, as server-sent events `news` without content: once at first, then each time.

        Args:
            about: The incident that matters; None for any.
            gap: Least time between two.
            pause: Most time between two.
        """
        if self._ended:
            return
        bell = _Bell(about)
        try:
            await self._join(bell)
        except StoreError as error:
            _log.warning("stream_without_database", reason=str(error))
            return
        try:
            while not bell.over.is_set():
                yield b"event: news\ndata:\n\n"
                await _within(gap, bell.over)
                await _within(pause, bell.rung)
                bell.rung.clear()
        finally:
            self._leave(bell)

    async def _join(self, listener: _Listener | _Bell) -> tuple[int, frozenset[int]]:
        async with self._opening:
            if self._progress is None:
                self._progress = await self._begin()
            if self._reader is None:
                self._reader = asyncio.create_task(self._read(self._progress))
                self._reader.add_done_callback(self._reader_ended)
            self._listeners.add(listener)
            if self._ended:
                # It ended while the timeline was looked at, and nobody would let this listener go.
                listener.dismiss()
            return self._progress.highest, frozenset(self._progress.missing)

    def _leave(self, listener: _Listener | _Bell) -> None:
        self._listeners.discard(listener)
        if not self._listeners and self._reader is not None:
            reader, self._reader, self._progress = self._reader, None, None
            reader.cancel()

    def _reader_ended(self, reader: asyncio.Task[None]) -> None:
        """Let everybody go when the reader failed; they come back, and a new one begins."""
        if not reader.cancelled() and (error := reader.exception()) is not None:
            _log.error("stream_failed", exc_info=error)
        if reader is self._reader:
            self._reader, self._progress = None, None
            self._dismiss_all()

    async def _begin(self) -> Progress:
        async with self._database.transaction() as tx:
            newest = await timeline.newest(tx)
            recent = await timeline.after(tx, newest - _BEHIND, limit=_BEHIND)
        progress = Progress(_number(recent[0]) if recent else newest)
        for event in recent:
            progress.read(_number(event), self._clock())
        return progress

    async def _catch_up(
        self, listener: _Listener, since: int, upto: int, missing: frozenset[int]
    ) -> AsyncIterator[bytes]:
        while since < upto and not self._ended:
            async with self._database.transaction() as tx:
                events = await timeline.after(tx, since, limit=_PAGE)
            for event in events:
                since = _number(event)
                if since > upto:
                    return
                if since in missing:
                    listener.told.add(since)
                yield _told(event, min((number - 1 for number in missing if number <= since), default=since))
            if len(events) < _PAGE:
                return

    async def _next(self, listener: _Listener) -> bytes | None:
        try:
            async with asyncio.timeout(HEARTBEAT.total_seconds()):
                return await listener.next()
        except TimeoutError:
            return b": still here\n\n"

    async def _read(self, progress: Progress) -> None:
        while True:
            try:
                await self._read_once(progress)
            except StoreError as error:
                _log.warning("stream_without_database", reason=str(error))
            await asyncio.sleep(self._interval.total_seconds())

    async def _read_once(self, progress: Progress) -> None:
        full = True
        while full:
            async with self._database.transaction() as tx:
                events = await timeline.after(tx, progress.highest, also=progress.missing, limit=_PAGE)
            for event in events:
                progress.read(_number(event), self._clock())
                self._tell(event, progress.settled)
            full = len(events) == _PAGE
        progress.give_up(self._clock())

    def _tell(self, event: Event, settled: int) -> None:
        told = _told(event, settled)
        for listener in tuple(self._listeners):
            if not listener.hear(event, told):
                self._listeners.discard(listener)
                listener.dismiss()

    def _dismiss_all(self) -> None:
        for listener in self._listeners:
            listener.dismiss()
        self._listeners.clear()


async def _within(limit: timedelta, event: asyncio.Event) -> None:
    """Wait for something, and for no longer than a limit."""
    with suppress(TimeoutError):
        async with asyncio.timeout(limit.total_seconds()):
            await event.wait()


def _number(event: Event) -> int:
    return event.id or 0


def _told(event: Event, settled: int) -> bytes:
    # In ASCII: not every client's idea of a line is that of the standard, and some end one at U+2028.
    body = json.dumps(msgspec.to_builtins(event_shape(event)), separators=(",", ":"))
    return f"id: {settled}\nevent: {event.kind.value}\ndata: {body}\n\n".encode()
