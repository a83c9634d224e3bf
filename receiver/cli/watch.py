"""What looks whether the alerts here are still true: made of the settings, run beside the worker."""

import asyncio

from receiver.model.peer import Peer
from receiver.pipeline.rooms import Rooms
from receiver.settings import Settings
from receiver.store import peers
from receiver.store.intake import Intake
from receiver.upkeep.inquire import Inquirer
from receiver.upkeep.reconcile import Habits, Reconciler
from receiver.upkeep.watchdog import Watch, Watchdog
from receiver.web.health import Condition, State


async def keep_watch(settings: Settings, rooms: Rooms) -> None:
    """Compare with Alertmanager, ask it what is in doubt, and hear the watchdog, until cancelled."""
    intake = Intake(rooms.database, rooms.queue, settings.names)
    wanted, watch = settings.alertmanager, settings.watchdog
    reconciler = Reconciler(
        database=rooms.database,
        queue=rooms.queue,
        clients=rooms.alertmanagers,
        cluster=rooms.cluster,
        habits=Habits(
            interval=wanted.interval,
            group_interval=wanted.group_interval,
            matchers=wanted.matchers,
            ended_with_workflow=settings.incidents.ended_with_workflow,
        ),
        now=rooms.now,
    )
    inquirer = Inquirer(database=rooms.database, record=intake.record, clients=rooms.alertmanagers, now=rooms.now)
    watchdog = Watchdog(
        database=rooms.database,
        record=intake.record,
        watch=Watch(matchers=watch.matchers, interval=watch.interval) if watch else None,
        now=rooms.now,
    )
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(reconciler.run())
            group.create_task(inquirer.run())
            group.create_task(watchdog.run())
    finally:
        await intake.close()


async def look_at_peers(rooms: Rooms) -> Condition:
    """Say for `/readyz` whether the Alertmanagers that are asked answer."""
    urls = [client.url for client in rooms.alertmanagers]
    if not urls:
        return Condition(state=State.DISABLED, text="alertmanager.url is not set")
    async with rooms.database.transaction() as transaction:
        known = await peers.known(transaction, urls)
    silent = [_number(urls, peer) for peer in known.values() if peer.error]
    if silent:
        return Condition(state=State.DEGRADED, text=f"{', '.join(sorted(silent))} of {len(urls)} did not answer")
    return Condition(state=State.OK, text="" if known else "not asked yet")


def _number(urls: list[str], peer: Peer) -> str:
    """Name a peer without its address, which is nobody's business."""
    return f"number {urls.index(peer.url) + 1}"
