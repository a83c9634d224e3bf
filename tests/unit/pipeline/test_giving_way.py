"""Recording comes first: looks wait while deliveries crowd the door, and then go one at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from receiver.pipeline import labour as module
from receiver.pipeline.labour import Labour
from receiver.store.jobs import Job


class Looking:
    """The queue that Labour listens to, and the looks that it takes."""

    def __init__(self) -> None:
        self.jobs: dict[Job, Callable[..., Awaitable[None]]] = {}
        self.under_way = 0
        self.most = 0
        self.looked: list[int] = []

    def on(self, job: Job, work: Callable[..., Awaitable[None]]) -> None:
        self.jobs[job] = work

    async def look(self, _: object, incident_id: int) -> None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        self.looked.append(incident_id)
        self.under_way -= 1

    async def all_of(self, *numbers: int) -> None:
        await asyncio.gather(*(self.jobs[Job.LOOK](incident_id=number) for number in numbers))


@pytest.fixture
def looking(monkeypatch: pytest.MonkeyPatch) -> Looking:
    looking = Looking()
    monkeypatch.setattr(module, "look", looking.look)
    monkeypatch.setattr(module, "_COURTESIES", 3)
    return looking


def labour(looking: Looking) -> Labour:
    return Labour(cast("Any", SimpleNamespace(queue=looking)))


async def test_looks_go_side_by_side_where_nothing_crowds_the_door(looking: Looking) -> None:
    labour(looking)

    await looking.all_of(1, 2, 3)

    assert (sorted(looking.looked), looking.most) == ([1, 2, 3], 3)


async def test_a_look_waits_until_the_door_is_free(looking: Looking) -> None:
    crowded = [True, True, False]
    asked = []

    def ask() -> bool:
        asked.append(len(looking.looked))
        return crowded.pop(0) if crowded else False

    labour(looking).give_way(ask)
    await looking.all_of(1)

    assert looking.looked == [1]
    assert asked == [0, 0, 0, 0]


async def test_where_the_crowd_does_not_end_all_is_looked_at_one_at_a_time(looking: Looking) -> None:
    labour(looking).give_way(lambda: True)

    await looking.all_of(1, 2, 3)

    assert (sorted(looking.looked), looking.most) == ([1, 2, 3], 1)
