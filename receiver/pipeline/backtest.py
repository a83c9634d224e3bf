"""Play a playbook against stored history. Nothing is changed, neither in the cluster nor in the history."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from receiver.model.backtest import Backtest
from receiver.remediate.backtest import replay
from receiver.remediate.language import Playbook
from receiver.remediate.ledger import World
from receiver.settings import Kubernetes
from receiver.store import backtests
from receiver.store.database import Database


async def backtest(
    database: Database,
    kubernetes: Kubernetes,
    playbook: Playbook,
    *,
    since: datetime,
    until: datetime,
    told: Callable[[int, int], None] = lambda _done, _of: None,
) -> Backtest:
    """Say what a playbook would have done about the alerts that were heard of in a range.

    Args:
        database: Has the history.
        kubernetes: Where playbooks may act.
        playbook: Its mode does not matter.
        since: Begin of the range.
        until: Its end.
        told: Called now and then, in another thread, with how many alerts were played, and of how many.

    Raises:
        StoreError: The history could not be read.
    """
    async with database.transaction() as transaction:
        past = await backtests.past(transaction, playbook.on.matchers, since, until)
    world = World(allows=kubernetes.allows, opt_in=kubernetes.opt_in)
    # Thousands of decisions take seconds, in which nobody else should have to wait.
    return await asyncio.to_thread(replay, playbook, past, world, since=since, until=until, told=told)
