"""The watchdog is never told; its silence is, and its voice ends that."""

from datetime import timedelta

from receiver.sandbox.alertmanager import Firing, delivery
from receiver.upkeep.watchdog import Watchdog

from .conftest import MINUTE, Desk

WATCHDOG = {"alertname": "Watchdog", "severity": "none", "cluster": "a"}
ALARMS = (
    "select status, labels->>'cluster', receiver, severity from alerts where alertname = 'WatchdogSilent' order by id"
)


async def pass_by(desk: Desk, watchdog: Watchdog, minutes: int) -> list[str]:
    """Let minutes pass, looking twice in each; returns what was told."""
    told = []
    for _ in range(2 * minutes):
        desk.clock.pass_by(MINUTE / 2)
        told += [alert.status.value for alert in await watchdog.round()]
    return told


async def test_the_watchdog_itself_is_recorded_and_belongs_to_no_incident(desk: Desk) -> None:
    alert = Firing(labels=WATCHDOG, annotations={}, starts_at=desk.clock())
    await desk.take(delivery(alert))
    over = Firing(labels=WATCHDOG, annotations={}, starts_at=alert.starts_at, ends_at=desk.clock())
    await desk.take(delivery(over))
    desk.clock.pass_by(11 * MINUTE)
    await desk.take(delivery(alert))

    assert await desk.rows("select status, incident_id, firings from alerts") == [("firing", None, 2)]
    assert await desk.rows("select count(*) from incidents") == [(0,)]
    assert await desk.rows("select count(*) from procrastinate_jobs") == [(0,)]


async def test_a_watchdog_that_falls_silent_opens_an_incident_and_ends_it_when_it_is_heard(desk: Desk) -> None:
    watchdog = desk.watchdog(5 * MINUTE)
    alert = Firing(labels=WATCHDOG, annotations={}, starts_at=desk.clock())
    for _ in range(6):
        await desk.take(delivery(alert))
        assert await pass_by(desk, watchdog, 1) == []
    heard_at = desk.clock() - MINUTE

    assert await pass_by(desk, watchdog, 5) == ["firing"]
    assert await desk.rows(ALARMS) == [("firing", "a", "receiver", "critical")]
    assert await desk.rows("select starts_at from alerts where alertname = 'WatchdogSilent'") == [
        (heard_at + 5 * MINUTE,)
    ]
    assert await desk.rows("select state, severity, firing from incidents") == [("open", "critical", 1)]
    assert await desk.rows("select task_name from procrastinate_jobs") == [("look",)]
    assert await pass_by(desk, watchdog, 10) == [], "it sounds once"

    await desk.take(delivery(alert))
    assert await pass_by(desk, watchdog, 1) == ["resolved"]
    assert await desk.rows(ALARMS) == [("resolved", "a", "receiver", "critical")]
    assert await desk.rows("select firing, quiet_since is not null from incidents") == [(0, True)]

    assert await pass_by(desk, watchdog, 6) == ["firing"]
    assert [row[0] for row in await desk.rows(ALARMS)] == ["resolved", "firing"]


async def test_an_end_of_the_watchdog_is_no_good_news(desk: Desk) -> None:
    watchdog = desk.watchdog(5 * MINUTE)
    start = desk.clock()
    for _ in range(6):
        await desk.take(delivery(Firing(labels=WATCHDOG, annotations={}, starts_at=start)))
        await pass_by(desk, watchdog, 1)
    await desk.take(delivery(Firing(labels=WATCHDOG, annotations={}, starts_at=start, ends_at=desk.clock())))

    assert await pass_by(desk, watchdog, 6) == ["firing"]


async def test_where_none_was_ever_heard_that_is_said_too(desk: Desk) -> None:
    watchdog = desk.watchdog(5 * MINUTE)

    assert await pass_by(desk, watchdog, 5) == []
    assert await pass_by(desk, watchdog, 1) == ["firing"]
    [(series, summary)] = await desk.rows("select labels->>'series', annotations->>'summary' from alerts")
    assert series == "none"
    assert "was never heard" in summary

    await desk.take(delivery(Firing(labels=WATCHDOG, annotations={}, starts_at=desk.clock())))
    assert await pass_by(desk, watchdog, 1) == ["resolved"]


async def test_two_replicas_sound_one_alarm(desk: Desk) -> None:
    one, other = desk.watchdog(5 * MINUTE), desk.watchdog(5 * MINUTE)
    told = []
    for _ in range(12):
        desk.clock.pass_by(MINUTE / 2)
        told += [*await one.round(), *await other.round()]

    assert len(told) == 1


async def test_whoever_was_away_himself_has_heard_nothing_and_says_nothing(desk: Desk) -> None:
    watchdog = desk.watchdog(5 * MINUTE)
    await desk.take(delivery(Firing(labels=WATCHDOG, annotations={}, starts_at=desk.clock())))
    await pass_by(desk, watchdog, 1)

    desk.clock.pass_by(timedelta(hours=3))
    assert await watchdog.round() == []

    later = desk.watchdog(5 * MINUTE)
    assert await later.round() == []
    assert await pass_by(desk, later, 6) == ["firing"]


async def test_an_alarm_survives_a_start_and_ends_when_nobody_watches_any_more(desk: Desk) -> None:
    await desk.take(delivery(Firing(labels=WATCHDOG, annotations={}, starts_at=desk.clock())))
    assert await pass_by(desk, desk.watchdog(5 * MINUTE), 6) == ["firing"]

    assert await desk.watchdog(5 * MINUTE).round() == []
    assert [row[0] for row in await desk.rows(ALARMS)] == ["firing"]

    desk.clock.pass_by(MINUTE)
    assert [alert.status.value for alert in await desk.watchdog(None).round()] == ["resolved"]

    assert await pass_by(desk, desk.watchdog(5 * MINUTE), 6) == ["firing"], "watched again, it sounds again"
    assert await desk.rows("select count(*) from inquiries") == [(0,)]
