"""The spool: records that arrive together are written with one fsync, in a thread of its own.

The disk may hang, and other work may have taken all threads of the loop's own pool; neither holds up a delivery here.
All files are touched by that one thread alone, so nothing in them needs a lock.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Self, TypeVar

import structlog

from receiver.model.errors import SettingsError, SpoolUnavailable
from receiver.store.spool.folder import Folder
from receiver.store.spool.frame import Frame, Record
from receiver.store.spool.shelf import Shelf

_GROUP: Final = 8 * 1024 * 1024
"""Bytes of bodies that are written together."""
_CROWD: Final = 64 * 1024 * 1024
"""Bytes of bodies that may wait for the disk; beyond, the sender is asked to come again."""
_USUAL: Final = 64 * 1024
"""Bytes of a delivery as they usually are; with less room the spool calls itself full, though a smaller one may fit."""
_PATIENCE: Final = timedelta(seconds=10)
"""With which one record is waited for: a disk that hangs is as good as full."""

_Result = TypeVar("_Result")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How full the spool is.

    Attributes:
        size: Bytes on disk.
        most: Bytes that what this process writes may take.
        waiting: Records to be drained.
        oldest: When the oldest of them came, exact to one batch; None where there is none.
        appended: Records written since the process began.
        drained: Records recorded elsewhere since the process began.
    """

    size: int
    most: int
    waiting: int
    oldest: datetime | None
    appended: int
    drained: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The oldest records, and where they are."""

    frames: Sequence[Frame]
    shelf: Shelf

    @property
    def records(self) -> list[Record]:
        """The records, oldest first."""
        return [one.record for one in self.frames]


class Spool:
    """The spool of one process; made by `open`."""

    def __init__(self, base: Path, folder: Folder, most: int) -> None:
        self._base = base
        self._most = most
        self._held = {(own := Shelf(folder.path, most)): folder}
        self._own = own
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool")
        self._waiting: deque[tuple[Record, asyncio.Future[None]]] = deque()
        self._crowd = 0
        self._writer: asyncio.Task[None] | None = None
        self._appended = 0
        self._drained = 0
        self.trouble = ""
        """Why the disk did not take the last record; empty while it does."""
        self.filled = asyncio.Event()
        """Set while there is something to drain."""

    @classmethod
    async def open(cls, data_dir: Path, *, max_bytes: int) -> Self:
        """Take a folder of our own, find what an earlier process left in it, and take over what others left.

        Raises:
            SettingsError: `data_dir` cannot be used.
        """
        base = data_dir / "spool"
        try:
            spool = cls(base, await asyncio.to_thread(Folder.claim, base), max_bytes)
            await spool._run(spool._own.load)
        except OSError as error:
            raise SettingsError(
                f"the spool cannot be kept in {base}: {error.strerror or error}; "
                "choose a data_dir on a disk where this account can make files"
            ) from error
        await spool.adopt()
        return spool

    async def adopt(self) -> None:
        """Take over what processes left that are gone."""
        try:
            folders = await self._run(lambda: Folder.abandoned(self._base))
            for folder in folders:
                shelf = Shelf(folder.path, self._most)
                self._held[shelf] = folder
                await self._run(shelf.load)
                log.info("spool", action="spool_adopted", folder=folder.path.name, waiting=shelf.waiting)
        except OSError as error:
            log.warning("spool", action="spool_not_adopted", reason=str(error))
        self._note_whether_filled()

    async def append(self, record: Record) -> None:
        """Keep a record; when this returns it survives any crash.

        Raises:
            SpoolUnavailable: It is not durable: the spool is full, or its disk fails or hangs.
        """
        if self._crowd + len(record.body) > _CROWD:
            raise SpoolUnavailable(f"{len(self._waiting)} deliveries wait for the disk of the spool already")
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((record, answer))
        self._crowd += len(record.body)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name="spool")
        try:
            await asyncio.wait_for(answer, _PATIENCE.total_seconds())
        except TimeoutError as error:
            self.trouble = f"the disk of the spool did not answer within {_PATIENCE.total_seconds():.0f} s"
            raise SpoolUnavailable(self.trouble) from error

    async def peek(self, most: int) -> Kept:
        """Read the oldest records, those first that others left; none when the spool is empty.

        Raises:
            SpoolUnavailable: The disk fails.
        """
        shelf = next((one for one in reversed(self._held) if one.waiting), self._own)
        return Kept(frames=await self._on_disk(lambda: shelf.peek(most)), shelf=shelf)

    async def drop(self, kept: Kept, count: int) -> Kept:
        """Note that the first records of what was kept are recorded elsewhere; returns the others.

        Raises:
            SpoolUnavailable: The disk fails; after a death they may be given out once more.
        """
        try:
            await self._on_disk(lambda: kept.shelf.drop(kept.frames[:count]))
        finally:
            self._drained += count
            if kept.shelf is not self._own and not kept.shelf.waiting:
                self._held.pop(kept.shelf).release()
            self._note_whether_filled()
        return Kept(frames=kept.frames[count:], shelf=kept.shelf)

    async def look(self) -> str:
        """Say why a delivery could not be kept now; empty when it could. A disk that failed is tried again."""
        if self._own.size + _USUAL > self._most:
            return f"it is full: {self._own.size} bytes of {self._most}, which is spool.max_bytes"
        if self.trouble:
            try:
                await asyncio.wait_for(self._on_disk(lambda: self._own.probe(_USUAL)), _PATIENCE.total_seconds())
            except SpoolUnavailable as error:
                return str(error)
            except TimeoutError:
                return self.trouble
            self.trouble = ""
        return ""

    @property
    def figures(self) -> Figures:
        """How full it is."""
        shelves = list(self._held)
        oldest = [one.oldest for one in shelves if one.oldest]
        return Figures(
            size=sum(one.size for one in shelves),
            most=self._most,
            waiting=sum(one.waiting for one in shelves),
            oldest=min(oldest, default=None),
            appended=self._appended,
            drained=self._drained,
        )

    async def close(self) -> None:
        """Write what was handed in, and leave the folders to whoever comes next."""
        if self._writer is not None:
            await self._writer
        self._thread.shutdown(wait=False)
        for folder in self._held.values():
            folder.release()

    async def _write(self) -> None:
        while self._waiting:
            group = [self._waiting.popleft()]
            size = len(group[0][0].body)
            while self._waiting and size + len(self._waiting[0][0].body) <= _GROUP:
                group.append(self._waiting.popleft())
                size += len(group[-1][0].body)
            await self._answer(group)
            self._crowd -= size

    async def _answer(self, group: list[tuple[Record, asyncio.Future[None]]]) -> None:
        refusal: SpoolUnavailable | None = None
        added: list[bool] = []
        try:
            added = await self._on_disk(lambda: self._own.add([record for record, _ in group]))
        except SpoolUnavailable as error:
            if len(group) > 1:
                # Where there is no room for all there may be room for some.
                for one in group:
                    await self._answer([one])
                return
            refusal = error
            self.trouble = str(error)
        else:
            self.trouble = ""
        full = SpoolUnavailable(f"the spool is full: spool.max_bytes is {self._most}")
        for index, (_, answer) in enumerate(group):
            kept = refusal is None and added[index]
            self._appended += kept
            if answer.done():
                continue
            if kept:
                answer.set_result(None)
            else:
                answer.set_exception(refusal or full)
        self._note_whether_filled()

    async def _on_disk(self, work: Callable[[], _Result]) -> _Result:
        try:
            return await self._run(work)
        except OSError as error:
            raise SpoolUnavailable(f"the disk of the spool failed: {error.strerror or error}") from error

    async def _run(self, work: Callable[[], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _note_whether_filled(self) -> None:
        if any(one.waiting for one in self._held):
            self.filled.set()
        else:
            self.filled.clear()
