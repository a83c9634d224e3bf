"""How a command that reads tells what it found: once, or again and again with `--watch`; the same for every command."""

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Annotated, Any, Final, Generic, TypeVar

import typer
from rich.cells import cell_len, set_cell_size

from receiver.cli.forms import Form, give, give_line, give_list, names
from receiver.cli.front import run
from receiver.cli.tables import cell, clean
from receiver.model.errors import ReceiverError, RemoteError, StoreError

T = TypeVar("T")

Ask = Callable[[], Awaitable[T | None]]
"""Asks the question; None where there is no such thing."""

Watch = Annotated[
    bool,
    typer.Option("--watch", "-w", help="Ask again and again, and show what changes, until it is ended by Ctrl-C."),
]

_EVERY: Final = timedelta(seconds=2)
_TO_THE_TOP: Final = "\x1b[H"
_REST_OF_LINE: Final = "\x1b[K"
_ALL_BELOW: Final = "\x1b[J"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way(Generic[T]):
    """How an answer is told.

    Attributes:
        output: The form that was asked for.
        told: Prints it for people.
        shape: Gives what programs read of it.
        name: Gives what names an item, where the answer is a list; None where it is none.
    """

    output: Form
    told: Callable[[T], None]
    shape: Callable[[T], Any] = lambda found: found
    name: Callable[[Any], object] | None = None

    def tell(self, found: T) -> None:
        """Print an answer."""
        shape = self.shape(found)
        if self.name is None:
            give(shape, self.output, lambda: self.told(found))
        else:
            give_list(shape, self.output, lambda: self.told(found), name=self.name)


def tell(
    asking: AbstractAsyncContextManager[Ask[T]],
    way: Way[T],
    *,
    missing: ReceiverError | None = None,
    watch: bool = False,
) -> None:
    """Ask, and print the answer; again and again where that is wanted.

    Args:
        asking: Opens whoever is asked, and gives the question.
        way: How the answer is told.
        missing: The error where there is no such thing.
        watch: Whether to go on asking.

    Raises:
        ReceiverError: There is no answer; while one is watched, only where there was none to begin with.
    """

    async def once() -> T | None:
        async with asking as ask:
            return await ask()

    async def for_ever() -> None:
        async with asking as ask:
            await watched(ask, way, missing=missing)

    if watch:
        run(for_ever())
        return
    found = run(once())
    if found is None:
        raise missing or StoreError("there is no such thing")
    way.tell(found)


async def watched(ask: Ask[T], way: Way[T], *, missing: ReceiverError | None = None, every: timedelta = _EVERY) -> None:
    """Ask until cancelled: a terminal always shows the newest answer, elsewhere only what is new is printed.

    Raises:
        ReceiverError: The first question found no answer. Later it is said, and asked again.
    """
    show = _Screen(way) if way.output is Form.TABLE and sys.stdout.isatty() else _Paper(way)
    known = False
    while True:
        try:
            found = await ask()
            if found is None:
                raise missing or StoreError("there is no such thing")
        except (RemoteError, StoreError) as error:
            if not known:
                raise
            show.trouble(error)
        else:
            known = True
            show.answer(found)
        await asyncio.sleep(every.total_seconds())


class _Screen(Generic[T]):
    """A terminal: painted anew with each answer, without clearing it, so that nothing flickers."""

    def __init__(self, way: Way[T]) -> None:
        self._way = way
        self._lines: list[str] = []
        sys.stdout.write(_TO_THE_TOP + _ALL_BELOW)

    def answer(self, found: T) -> None:
        """Show an answer."""
        with redirect_stdout(StringIO()) as told:
            self._way.tell(found)
        self._lines = told.getvalue().splitlines()
        self._paint(cell(datetime.now(UTC)))

    def trouble(self, error: ReceiverError) -> None:
        """Keep the last answer, and say why there is no newer one."""
        self._paint(f"not asked anew: {clean(str(error))}")

    def _paint(self, head: str) -> None:
        sys.stdout.write(painted([head, "", *self._lines], *shutil.get_terminal_size()))
        sys.stdout.flush()


class _Paper(Generic[T]):
    """A pipe or a file: an answer is printed when it differs from the one before, of names only those that are new."""

    def __init__(self, way: Way[T]) -> None:
        self._way = way
        self._last: T | None = None
        self._named: set[str] = set()

    def answer(self, found: T) -> None:
        """Print what is new."""
        if found == self._last:
            return
        if self._way.output is Form.NAME and self._way.name is not None:
            for name in names(self._way.shape(found), self._way.name):
                if name not in self._named:
                    self._named.add(name)
                    sys.stdout.write(f"{name}\n")
            sys.stdout.flush()
        else:
            give_line(self._way.shape(found), self._way.output, lambda: self._way.tell(found))
        self._last = found

    def trouble(self, error: ReceiverError) -> None:
        """Say beside the answers why there is none now."""
        typer.echo(f"receiver: not asked anew: {clean(str(error))}", err=True)


def painted(lines: list[str], width: int, height: int) -> str:
    """Write the picture of a terminal over the one before; lines that do not fit are counted in the last one."""
    room = max(height - 1, 1)
    if len(lines) > room:
        left = len(lines) - room + 1
        lines = [*lines[: room - 1], f"and {left} lines more; a --limit or a filter makes it fit"]
    fitting = (line if cell_len(line) <= width else set_cell_size(line, width) for line in lines)
    return _TO_THE_TOP + "".join(f"{line}{_REST_OF_LINE}\n" for line in fitting) + _ALL_BELOW
