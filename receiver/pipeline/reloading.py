"""Read a folder of playbooks again when it changes, without a restart; a broken new version keeps the old ones.

Runs that have begun are not touched by it: each carries its steps and its condition as they were when it began.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final, overload

import structlog

from receiver.model.errors import DocumentError, PlaybookError, ReceiverError
from receiver.remediate.language import Playbook
from receiver.remediate.loader import load_all

log = structlog.get_logger()

LOOK_EVERY: Final = timedelta(seconds=5)
"""How soon a change is seen; a folder is cheap to look at."""

_Print = tuple[tuple[str, int, int, int], ...]


class Playbooks(Sequence[Playbook]):
    """The playbooks as they are now, in the order in which they are asked; whoever goes through them sees one state."""

    def __init__(self, playbooks: Sequence[Playbook]) -> None:
        self._current = tuple(playbooks)

    def replace(self, playbooks: Sequence[Playbook]) -> None:
        """Let others take their place, all at once."""
        self._current = tuple(playbooks)

    def __len__(self) -> int:
        return len(self._current)

    def __iter__(self) -> Iterator[Playbook]:
        return iter(self._current)

    @overload
    def __getitem__(self, place: int) -> Playbook: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Playbook]: ...

    def __getitem__(self, place: int | slice) -> Playbook | Sequence[Playbook]:
        return self._current[place]


class Reloading:
    """Looks after one folder.

    Args:
        folder: Where the playbooks are.
        playbooks: What is replaced.
        changed: Called when it was, to make it known.
    """

    def __init__(self, folder: Path, playbooks: Playbooks, changed: Callable[[], Awaitable[None]]) -> None:
        self._folder = folder
        self._playbooks = playbooks
        self._changed = changed
        self._seen = _print_of(folder)
        self.trouble = ""
        """Why the newest version of the folder is not in use; empty when it is."""
        self.taken = 0
        """How often the playbooks were replaced."""
        self.refused = 0
        """How often a change was not taken."""

    async def keep(self) -> None:
        """Look again and again, until cancelled.

        Raises:
            StoreError: The change could not be made known; it is in use all the same.
        """
        while True:
            await asyncio.sleep(LOOK_EVERY.total_seconds())
            await self.look()

    async def look(self) -> bool:
        """Look once; says whether the playbooks were replaced.

        Raises:
            StoreError: The change could not be made known; it is in use all the same.
        """
        found = await asyncio.to_thread(_print_of, self._folder)
        if found == self._seen:
            return False
        self._seen = found
        try:
            playbooks = await asyncio.to_thread(load_all, str(self._folder))
        except (PlaybookError, DocumentError) as error:
            self._refuse(error)
            return False
        self._playbooks.replace(playbooks)
        self.trouble = ""
        self.taken += 1
        names = [f"{playbook.name} {playbook.version} ({playbook.mode.value})" for playbook in playbooks]
        log.info("playbooks", action="playbooks_reloaded", folder=str(self._folder), playbooks=names)
        await self._changed()
        return True

    def _refuse(self, error: ReceiverError) -> None:
        self.refused += 1
        self.trouble = f"the playbooks as they were before the last change are in use, since {error}"
        log.error(
            "playbooks",
            action="playbooks_refused",
            folder=str(self._folder),
            error=str(error),
            hint="the old ones stay in use; `receiver playbooks lint` says the same",
        )


def _print_of(folder: Path) -> _Print:
    """Tell one state of a folder from another; a mounted ConfigMap changes by a link, which is followed."""
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix in {".yaml", ".yml"})
        stats = [(file.name, file.stat()) for file in files]
    except OSError:
        return ()
    return tuple((name, stat.st_ino, stat.st_mtime_ns, stat.st_size) for name, stat in stats)
