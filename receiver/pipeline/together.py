"""Ask in one go what several ask at the same time, so that many share one statement and one commit."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K")
Q = TypeVar("Q")
V = TypeVar("V")


class _Batch(Generic[K, Q, V]):
    def __init__(self) -> None:
        self.questions: dict[K, Q] = {}
        self.answers: Mapping[K, V] | None = None


class Together(Generic[K, Q, V]):
    """Questions that come while others are being answered wait, and are then asked together.

    Where asking fails, whoever asked is told; the others who waited ask again, each for all of them, so that nobody is
    refused, or left alone, for what another one met.

    Args:
        ask: Answers many questions, by their keys; leaving one out is an answer too.
    """

    def __init__(self, ask: Callable[[Mapping[K, Q]], Awaitable[Mapping[K, V]]]) -> None:
        self._ask = ask
        self._turn = asyncio.Lock()
        self._next: _Batch[K, Q, V] = _Batch()

    async def answer(self, key: K, question: Q) -> V | None:
        """Answer one question; raises whatever asking does.

        Args:
            key: Tells it from others; those with one key are one question.
            question: The question.
        """
        batch = self._next
        batch.questions.setdefault(key, question)
        async with self._turn:
            if batch is self._next:
                self._next = _Batch()
            if batch.answers is None:
                batch.answers = await self._ask(batch.questions)
            return batch.answers.get(key)
