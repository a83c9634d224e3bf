from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from receiver.store.database import Database
from receiver.upkeep.rollup import count_up

NOW: Final = datetime(2026, 11, 24, 3, 22, 31, 673412, UTC)
NIGHT: Final = {"since": "2026-11-23T18:00:00Z", "until": "2026-11-24T06:00:00Z"}


async def test_a_night_is_told_with_exactly_the_promised_members(site: Any, records: Any, database: Database) -> None:
    await records.alert(labels={"alertname": "Old"}, starts_at=NOW - timedelta(days=3), status="resolved", ends_at=NOW)
    await records.alert(
        fingerprint="1" * 16,
        starts_at=NOW - timedelta(days=9),
        status="resolved",
        ends_at=NOW,
        labels={"alertname": "Gone"},
    )
    await records.alert(status="resolved", ends_at=NOW + timedelta(minutes=10))
    incident = await records.incident(state="closed", closed_at=NOW + timedelta(hours=1))
    verify = [{"action": "verify"}]
    await records.run(incident_id=incident, state="finished", outcome="succeeded", finished_at=NOW, steps=verify)
    await records.decision(outcome="blocked")
    await count_up(database, NOW + timedelta(days=1))

    answer = await site.get("/api/v1/stats", params={**NIGHT, "step": "1d"})

    assert answer.json() == {
        "since": "2026-11-23T18:00:00Z",
        "until": "2026-11-24T06:00:00Z",
        "step": "1d",
        "live_since": None,
        "gap_since": None,
        "total": {"fired": 1, "resolved": 3, "mttr_seconds": pytest.approx((3 + 9) * 86_400 / 3 + 200)},
        "steps": [
            {"at": "2026-11-23T00:00:00Z", "fired": 0, "resolved": 0, "mttr_seconds": None},
            {"at": "2026-11-24T00:00:00Z", "fired": 1, "resolved": 3, "mttr_seconds": pytest.approx(4 * 86_400 + 200)},
        ],
        "alerts": [
            {"alertname": "WorkflowStuck", "fired": 1, "resolved": 1, "mttr_seconds": 600.0},
            {"alertname": "Gone", "fired": 0, "resolved": 1, "mttr_seconds": 9 * 86_400.0},
            {"alertname": "Old", "fired": 0, "resolved": 1, "mttr_seconds": 3 * 86_400.0},
        ],
        "silent": [],
        "silent_alerts": 0,
        "incidents": {"closed": 1, "healed": 1, "share": 1.0},
        "playbooks": [{"playbook": "restart-stuck-workflow", "outcomes": {"blocked": 1, "succeeded": 1}}],
    }


async def test_without_a_range_the_last_day_is_told_by_the_hour(site: Any) -> None:
    found = (await site.get("/api/v1/stats")).json()

    assert found["step"] == "1h"
    assert len(found["steps"]) in {24, 25}
    assert found["incidents"] == {"closed": 0, "healed": 0, "share": None}
    assert found["total"] == {"fired": 0, "resolved": 0, "mttr_seconds": None}


async def test_a_question_about_one_workflow_leaves_out_what_it_cannot_tell(site: Any, records: Any) -> None:
    await records.alert(namespace="taskmaster", workflow="etl")
    about = {"namespace": "taskmaster", "workflow": "etl"}

    found = (await site.get("/api/v1/stats", params={**NIGHT, **about})).json()

    assert (found["total"]["fired"], found["silent"], found["playbooks"]) == (1, None, None)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("workflow=etl", "namespace"),
        ("step=5m", "step"),
        ("top=501", "top"),
        ("since=2026-11-24T00:00:00Z&until=2026-11-23T00:00:00Z", "before until"),
        ("since=0001-01-01T00:00:00Z", "1970"),
        ("until=0001-01-01T00:00:00Z", "1970"),
        ("until=9999-12-31T23:59:59Z", "9000"),
        ("sinse=2026-11-24T00:00:00Z", "did you mean 'since'?"),
    ],
)
async def test_what_is_wrong_with_a_question_is_said(site: Any, query: str, said: str) -> None:
    answer = await site.get(f"/api/v1/stats?{query}")

    assert answer.status_code == 400
    assert said in answer.json()["detail"]
