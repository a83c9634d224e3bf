"""Playbooks: what may be done about which alert."""

from typing import Final
from urllib.parse import quote

from receiver.clients.receiver.questions import API, Questions
from receiver.model.shapes.asking import Asked
from receiver.model.shapes.breakers import StandingShape
from receiver.model.shapes.playbook_requests import BacktestShape, BacktestWish, RunWish
from receiver.model.shapes.playbooks import PlaybookList, PlaybookTextShape

_PATH: Final = f"{API}/playbooks"


class Playbooks:
    """The playbooks of a service, and what may be asked of one."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions

    async def all(self) -> PlaybookList:
        """List the playbooks as the service loaded them."""
        return await self._questions.read(_PATH, PlaybookList)

    async def get(self, name: str) -> PlaybookTextShape | None:
        """Give one playbook with its document."""
        return await self._questions.get(_one(name), PlaybookTextShape)

    async def close(self, name: str) -> StandingShape | None:
        """Close a playbook's breaker, and give back the mode that it lost; gives how it stands then."""
        return await self._questions.post(f"{_one(name)}/close", StandingShape)

    async def run(self, name: str, wish: RunWish) -> Asked | None:
        """Ask for a run on what is named."""
        return await self._questions.post(f"{_one(name)}/runs", Asked, wish)

    async def backtest(self, name: str, wish: BacktestWish) -> Asked | None:
        """Ask what a playbook would have done about stored history."""
        return await self._questions.post(f"{_one(name)}/backtests", Asked, wish)

    async def backtested(self, name: str, request_id: int) -> BacktestShape | None:
        """Give what a backtest found; None while it is not done."""
        return await self._questions.get(f"{_one(name)}/backtests/{request_id}", BacktestShape)


def _one(name: str) -> str:
    return f"{_PATH}/{quote(name, safe='')}"
