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
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    shown = Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
    with shown:
        task = shown.add_task(title, total=total)
        yield lambda count: shown.advance(task, count)
