"""Questions that come at the same time share one asking."""

import asyncio
from collections.abc import Mapping

import pytest

from receiver.model.errors import StoreError
from receiver.pipeline.together import Together


class Desk:
    """Answers squares once it may, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.began = asyncio.Event()
        self.may = asyncio.Semaphore(0)
        self.failures = 0

    async def ask(self, questions: Mapping[int, int]) -> Mapping[int, int]:
        self.asked.append(list(questions))
        self.began.set()
        await self.may.acquire()
        if self.failures:
            self.failures -= 1
            raise StoreError("away")
        return {key: number * number for key, number in questions.items() if number}


async def test_what_is_asked_meanwhile_is_asked_in_one_go() -> None:
    desk = Desk()
    together: Together[int, int, int] = Together(desk.ask)

    waiting = [asyncio.create_task(together.answer(number, number)) for number in (1, 2, 3, 3, 0)]
    await desk.began.wait()
    later = [asyncio.create_task(together.answer(number, number)) for number in (4, 5)]
    desk.may.release()
    desk.may.release()

    assert await asyncio.gather(*waiting) == [1, 4, 9, 9, None]
    assert await asyncio.gather(*later) == [16, 25]
    assert desk.asked == [[1], [2, 3, 0, 4, 5]]


async def test_who_asked_in_vain_is_told_and_the_others_ask_again() -> None:
    desk = Desk()
    together: Together[int, int, int] = Together(desk.ask)
    desk.failures = 2

    waiting = [asyncio.create_task(together.answer(number, number)) for number in (1, 2, 3)]
    await desk.began.wait()
    for _ in range(3):
        desk.may.release()
    answers = await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(one) for one in answers[:2]] == [StoreError, StoreError]
    assert answers[2] == 9
    assert desk.asked == [[1], [2, 3], [2, 3]]


async def test_who_goes_away_while_asking_for_all_leaves_no_one_alone() -> None:
    desk = Desk()
    together: Together[int, int, int] = Together(desk.ask)
    first, second, third = (asyncio.create_task(together.answer(number, number)) for number in (1, 2, 3))
    await desk.began.wait()
    desk.began.clear()
    desk.may.release()
    assert await first == 1
    await desk.began.wait()

    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    desk.may.release()

    assert await third == 9
    assert desk.asked == [[1], [2, 3], [2, 3]]
