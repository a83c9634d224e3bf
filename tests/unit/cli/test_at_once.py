"""What is written in one turn leaves in one piece, and nothing is left behind."""

import asyncio

import pytest

from receiver.cli.at_once import HELD, Gathering


class Wire:
    """A transport that notes what it is asked for."""

    def __init__(self) -> None:
        self.done: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        self.done.append(data)

    def close(self) -> None:
        self.done.append("closed")

    def pause_reading(self) -> None:
        self.done.append("paused")


@pytest.fixture
async def wire() -> Wire:
    return Wire()


@pytest.fixture
async def gathering(wire: Wire) -> Gathering:
    return Gathering(wire, asyncio.get_running_loop())  # type: ignore[arg-type]  # as much of one as is asked for


async def test_head_and_body_leave_together_and_the_next_answer_apart(wire: Wire, gathering: Gathering) -> None:
    gathering.write(b"head ")
    gathering.write(b"body")
    assert wire.done == []
    await asyncio.sleep(0)
    gathering.write(b"another")
    await asyncio.sleep(0)

    assert wire.done == [b"head body", b"another"]


async def test_what_is_held_leaves_before_the_end(wire: Wire, gathering: Gathering) -> None:
    gathering.write(b"last words")
    gathering.close()
    await asyncio.sleep(0)

    assert wire.done == [b"last words", "closed"]


async def test_much_is_not_held_back(wire: Wire, gathering: Gathering) -> None:
    gathering.write(b"head")
    gathering.write(b"x" * HELD)

    assert [len(one) for one in wire.done] == [HELD + 4]
    await asyncio.sleep(0)
    assert len(wire.done) == 1


async def test_whatever_else_is_asked_the_transport_answers(wire: Wire, gathering: Gathering) -> None:
    gathering.pause_reading()

    assert wire.done == ["paused"]
