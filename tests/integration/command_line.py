"""The command line as a test calls it: within this process, with how it ended and what it printed."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

import pytest

from receiver.cli import front

Receiver = Callable[..., Awaitable[tuple[int, str, str]]]
"""Takes the words after `receiver` and gives the exit code, the output and the errors."""


def command_line(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *first: str) -> Receiver:
    """Give the command line; the first words, such as a group of commands, stand before those of each call."""
    monkeypatch.setattr(front, "set_up_logs", lambda: None)

    def call(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["receiver", *first, *words])
        try:
            front.main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    async def receiver(*words: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = await asyncio.to_thread(call, *words)
        return (code, *capfd.readouterr())

    return receiver
