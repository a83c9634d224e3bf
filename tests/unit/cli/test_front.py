"""How a command ends when it is told to."""

import signal
import subprocess
import sys
from typing import Final

import pytest

COMMAND: Final = """
import asyncio
from receiver.cli.front import run

async def work():
    try:
        print("open", flush=True)
        await asyncio.Event().wait()
    finally:
        print("put away", flush=True)

run(work())
"""


@pytest.mark.parametrize(("told", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_command_that_is_told_to_end_puts_away_what_it_opened(told: signal.Signals, code: int) -> None:
    with subprocess.Popen([sys.executable, "-c", COMMAND], stdout=subprocess.PIPE, text=True) as command:
        assert command.stdout is not None
        begun = command.stdout.readline()
        command.send_signal(told)
        left = command.stdout.read()

    assert (begun, left, command.returncode) == ("open\n", "put away\n", code)
