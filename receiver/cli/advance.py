"""A bar that shows on a terminal how far a long command has come; elsewhere, and for programs, nothing is shown."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def bar(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar on stderr while the block lasts, so that what is printed stays whole.

    Args:
        title: What is being done; ours.
        total: How much there is to do; None where that is not known.

    Yields:
        Called with how much was done since the last call.
    """
    with _shown() as shown:
        task = shown.add_task(title, total=total)
        yield lambda count: shown.advance(task, count)


@contextmanager
def counter(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show such a bar of something that says itself how much there is to do.

    Yields:
        Called with how much is done, and of how much; from any thread.
    """
    with _shown() as shown:
        task = shown.add_task(title, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


def _shown() -> Progress:
    """Make a bar that never takes what goes to stdout, unless both are the same terminal: then it is kept above it."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True, highlight=False, soft_wrap=True),
        transient=True,
        redirect_stdout=sys.stdout.isatty(),
        disable=not sys.stderr.isatty(),
    )
