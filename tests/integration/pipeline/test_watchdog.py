"""A watchdog that falls silent wakes somebody, by the routes that hold for everything; its own voice tells nobody."""

from datetime import timedelta

from receiver.model.incident import LabelNames
from receiver.model.matcher import Matcher
from receiver.sandbox.alertmanager import Firing, delivery
from receiver.store.intake import Intake
from receiver.upkeep.watchdog import Watch, Watchdog
from receiver.webhook.message import parse

from .conftest import House

HALF = timedelta(seconds=30)


async def test_its_silence_pages_and_its_return_resolves_the_page(house: House) -> None:
    matchers = (Matcher.parse('alertname="Watchdog"'),)
    intake = Intake(house.rooms.database, house.rooms.queue, LabelNames(watchdogs=matchers))
    watchdog = Watchdog(
        database=house.rooms.database,
        record=intake.record,
        watch=Watch(matchers=matchers, interval=timedelta(minutes=5)),
        now=house.clock,
    )
    alert = Firing(labels={"alertname": "Watchdog", "severity": "none"}, annotations={}, starts_at=house.clock())

    for _ in range(12):
        await intake.record(parse(delivery(alert), house.clock()))
        await watchdog.round()
        await house.live(HALF)
    assert house.pagerduty.events == []
    assert house.slack.messages("#taskmaster-alerts") == []

    for _ in range(12):
        await watchdog.round()
        await house.live(HALF)
    assert [page.status.value for page in house.pagerduty.alerts] == ["triggered"]
    [message] = [one for one in house.slack.messages("#taskmaster-alerts") if one.thread_ts is None]
    assert "WatchdogSilent" in message.text

    for _ in range(14):
        await intake.record(parse(delivery(alert), house.clock()))
        await watchdog.round()
        await house.live(HALF)
    assert [page.status.value for page in house.pagerduty.alerts] == ["resolved"]
    assert await house.rows("select state from incidents") == [("closed",)]
    await intake.close()
