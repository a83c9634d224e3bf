import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from receiver.model.errors import ClusterError
from receiver.store.database import Database
from receiver.web import health
from receiver.web.health import Condition, Health, State


def samples(exposition: str) -> dict[str, float]:
    return {
        sample.name + "".join(f"{{{label}={value}}}" for label, value in sample.labels.items()): sample.value
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
    }


async def test_alive_and_ready_with_a_database(site: Any) -> None:
    alive = await site.get("/healthz", role=None)
    ready = await site.get("/readyz", role=None)

    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    assert ready.status_code == 200
    assert ready.json()["ready"] is True
    assert {name: check["state"] for name, check in ready.json()["checks"].items()} == {
        "database": "ok",
        "migrations": "ok",
    }


async def test_alive_but_not_ready_without_a_database(site_without_database: Any) -> None:
    alive = await site_without_database.get("/healthz", role=None)
    ready = await site_without_database.get("/readyz", role=None)

    assert (alive.status_code, ready.status_code) == (200, 503)
    assert ready.json()["checks"]["database"]["state"] == "degraded"
    assert "nowhere" not in ready.text


@pytest.mark.parametrize(("spool", "ready"), [(State.OK, True), (State.DEGRADED, False)])
async def test_without_a_database_readiness_follows_the_spool(tmp_path: Path, spool: State, *, ready: bool) -> None:
    async def look() -> Condition:
        return Condition(state=spool, text="3 deliveries wait for Postgres, the oldest for 7 s")

    absent = Database(f"host={tmp_path} dbname=nobody", connections=1)
    await absent.open()

    found = await Health(absent, {"spool": look}).look()
    await absent.close()

    assert found.ready is ready
    assert {name: check.state for name, check in found.checks.items()} == {
        "database": State.DEGRADED,
        "migrations": State.DEGRADED,
        "spool": spool,
    }


async def test_readiness_follows_durability_alone(database: Database) -> None:
    async def failing() -> Condition:
        raise ClusterError("no route to 10.0.0.1")

    async def off() -> Condition:
        return Condition(state=State.DISABLED, text="slack.bot_token is not configured")

    found = await Health(database, {"kubernetes": failing, "slack": off}).look()

    assert found.ready
    assert {name: check.state for name, check in found.checks.items()} == {
        "database": State.OK,
        "migrations": State.OK,
        "kubernetes": State.DEGRADED,
        "slack": State.DISABLED,
    }
    assert "10.0.0.1" not in found.checks["kubernetes"].text


async def test_a_check_that_hangs_is_given_up(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hanging() -> Condition:
        await asyncio.Event().wait()
        return Condition(state=State.OK)

    monkeypatch.setattr(health, "PATIENCE", timedelta(milliseconds=50))

    found = await Health(database, {"worker": hanging}).look()

    assert found.checks["worker"].state is State.DEGRADED
    assert "no answer within 0.05 s" in found.checks["worker"].text


@pytest.mark.parametrize(
    ("change", "ready"),
    [
        ("update alembic_version set version_num = '0001'", False),
        ("update alembic_version set version_num = '9999'", True),
        ("drop table alembic_version", False),
    ],
    ids=["old", "newer than us", "none"],
)
async def test_a_schema_that_is_too_old_is_not_ready(database: Database, change: str, ready: bool) -> None:  # noqa: FBT001
    async with database.transaction() as tx:
        await tx.execute(text(change))

    found = await Health(database, {}).look()

    assert found.ready is ready


async def test_metrics_show_the_process_and_what_is_open(site: Any, records: Any) -> None:
    await records.incident()
    await records.incident(key="other", state="closed")
    await records.message()
    await records.message(key="sent", state="sent")
    await records.run(state="waiting")
    await records.run(state="finished", outcome="failed")
    await records.dead_letter()
    await records.dead_letter(settled_at=datetime.now(UTC), settlement="discarded")

    answer = await site.get("/metrics", role=None)
    shown = samples(answer.text)

    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert shown["receiver_database_up"] == 1
    assert shown["receiver_incidents_open"] == 1
    assert shown["receiver_outbox_pending{place=slack}"] == 1
    assert shown["receiver_outbox_pending{place=pagerduty}"] == 0
    assert shown["receiver_outbox_oldest_seconds"] >= 0
    assert shown["receiver_runs_active{state=waiting}"] == 1
    assert shown["receiver_runs_active{state=running}"] == 0
    assert shown["receiver_deadletters_open"] == 1
    assert shown["process_resident_memory_bytes"] > 0


async def test_metrics_are_shown_without_a_database_too(site_without_database: Any) -> None:
    answer = await site_without_database.get("/metrics", role=None)
    shown = samples(answer.text)

    assert answer.status_code == 200
    assert shown["receiver_database_up"] == 0
    assert "receiver_incidents_open" not in shown
    assert shown["process_resident_memory_bytes"] > 0


async def test_metrics_are_given_as_openmetrics_where_that_is_asked_for(site: Any) -> None:
    answer = await site.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})

    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
