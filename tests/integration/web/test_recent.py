"""What `/metrics` says of the last hour and the last day, out of rows alone."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from receiver.store.peer_tables import PeerRow

VERIFIED = [{"action": "workflow.restart"}, {"action": "verify"}]


def samples(text: str) -> dict[str, float]:
    shown = (line.rpartition(" ") for line in text.splitlines() if line.startswith("receiver_"))
    return {name.replace('"', ""): float(value) for name, _, value in shown}


async def test_each_metric_of_ours_is_documented(site: Any) -> None:
    page = (Path(__file__).parents[3] / "docs/monitoring.md").read_text()
    documented = set(re.findall(r"`(receiver_\w+)", page))

    shown = set(re.findall(r"^# TYPE (receiver_\w+)", (await site.get("/metrics", role=None)).text, re.MULTILINE))

    assert shown - documented == set()


async def test_metrics_show_what_healed_and_how_long_that_took(site: Any, records: Any) -> None:
    now = datetime.now(UTC)
    opened, ago = now - timedelta(minutes=10), now - timedelta(days=2)
    healed = await records.incident(state="closed", opened_at=opened, closed_at=now)
    await records.incident(key="by a person", state="closed", opened_at=opened, closed_at=now)
    ended = {"state": "finished", "outcome": "succeeded", "steps": VERIFIED}
    await records.run(incident_id=healed, **ended, finished_at=opened + timedelta(seconds=90))
    await records.run(incident_id=healed, **ended, finished_at=ago, lineage="older")

    shown = samples((await site.get("/metrics", role=None)).text)

    assert shown["receiver_incidents_closed_last_day"] == 2
    assert shown["receiver_incidents_healed_last_day"] == 1
    assert shown["receiver_heal_seconds_last_day{quantile=0.5}"] == 90
    outcome = "{outcome=succeeded,playbook=restart-stuck-workflow}"
    assert shown[f"receiver_playbook_outcomes_last_day{outcome}"] == 1


async def test_metrics_show_what_guards_refused_by_the_first_that_did(site: Any, records: Any) -> None:
    passed = {"guard": "budget", "passed": True}
    refused = {"guard": "storm", "passed": False}
    later = {"guard": "cooldown", "passed": False}
    now = datetime.now(UTC)
    await records.decision(at=now, checks=[passed, refused, later])
    await records.decision(at=now, checks=[passed, refused], firing=2)
    await records.decision(at=now, checks=[passed, later], outcome="skipped", firing=3)
    await records.decision(at=now - timedelta(days=2), checks=[refused], firing=4)

    shown = samples((await site.get("/metrics", role=None)).text)

    refusals = {name: value for name, value in shown.items() if name.startswith("receiver_playbook_refusals")}
    assert refusals == {"receiver_playbook_refusals_last_day{guard=storm,playbook=restart-stuck-workflow}": 2}


async def test_metrics_show_how_late_people_were_told_and_who_answers(site: Any, records: Any) -> None:
    now = datetime.now(UTC)
    number = await records.message(state="sent", created_at=now - timedelta(seconds=5), sent_at=now)
    await records.event(at=now, kind="message.sent", detail={"message_id": number})
    peer = {"version": "0.28.0", "started_at": None, "noticed_at": None, "asked_at": now, "answers": 1}
    async with records._database.transaction() as tx:
        await tx.execute(insert(PeerRow), [{"url": "a", "error": "", **peer}, {"url": "b", "error": "away", **peer}])

    shown = samples((await site.get("/metrics", role=None)).text)

    assert shown["receiver_message_delay_seconds_last_hour{quantile=1}"] == 5
    assert shown["receiver_events_last_hour{kind=message.sent}"] == 1
    assert shown["receiver_events_last_hour{kind=alert.closed}"] == 0
    assert shown["receiver_alertmanagers{state=answering}"] == 1
    assert shown["receiver_alertmanagers{state=failing}"] == 1
    assert shown["receiver_jobs_waiting{kind=look}"] == 0
