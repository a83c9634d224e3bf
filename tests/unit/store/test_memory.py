from datetime import UTC, datetime

import pytest

from receiver.store import memory as remembered
from receiver.store.memory import Memory

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def test_the_oldest_memories_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "_OCCURRENCES", 3)
    monkeypatch.setattr(remembered, "_INCIDENTS", 2)
    memory = Memory()
    keys = [(f"{number:016x}", NOW) for number in range(5)]

    memory.remember(keys[:2])
    memory.remember(keys[1:])
    memory.kindle(["a", "b", "c"])

    assert [memory.knows(key) for key in keys] == [False, False, True, True, True]
    assert [memory.burns(name) for name in ("a", "b", "c")] == [False, True, True]


def test_an_incident_that_burns_no_more_is_forgotten() -> None:
    memory = Memory()
    memory.kindle(["a", "b"])

    memory.quench(["a", "never heard of"])

    assert [memory.burns(name) for name in ("a", "b")] == [False, True]
