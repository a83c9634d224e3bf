"""Rows as the pipeline would leave them, for tests of those who read."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from sqlalchemy import insert

from receiver.store.database import Database
from receiver.store.rows import public_id
from receiver.store.tables import (
    DeadLetterRow,
    DecisionRow,
    EntryRow,
    EventRow,
    FindingRow,
    IncidentRow,
    MessageRow,
    OccurrenceRow,
    PlaybookRow,
    RunRow,
    Table,
)

NOW: Final = datetime(2026, 11, 24, 3, 22, 31, 673412, UTC)


class Records:
    """Inserts rows that are whole but for what a test names."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert(self, table: type[Table], *rows: dict[str, Any]) -> list[Any]:
        """Insert many rows at once; returns them with what the database added."""
        async with self._database.transaction() as tx:
            return [(await tx.execute(insert(table).values(**row).returning(*table.__table__.c))).one() for row in rows]

    async def bulk(self, table: type[Table], rows: list[dict[str, Any]]) -> None:
        """Insert very many rows."""
        async with self._database.transaction() as tx:
            await tx.execute(insert(table), rows)

    def alert_row(self, **given: Any) -> dict[str, Any]:
        """Write one occurrence; columns that are also labels follow them."""
        labels = given.pop("labels", {"alertname": "WorkflowStuck", "severity": "critical"})
        row = {
            "fingerprint": "c0ffee0000000000", "starts_at": NOW, "starts_at_text": "2026-11-24T03:22:31.673412Z",
            "status": "firing", "inferred": False, "ends_at": None, "cluster": "", "namespace": "", "workflow": "",
            "agent": "", "annotations": {}, "generator_url": "", "group_key": "", "receiver": "receiver",
            "first_seen_at": NOW, "last_seen_at": NOW, "resolved_seen_at": None, "deliveries": 1, "firings": 1,
            "incident_id": None,
        }  # fmt: skip
        names = {"alertname": labels.get("alertname", ""), "severity": labels.get("severity", "")}
        return row | names | {"labels": labels} | given

    async def alert(self, **given: Any) -> str:
        """Insert one occurrence; returns its public id."""
        (row,) = await self.insert(OccurrenceRow, self.alert_row(**given))
        return public_id(row.starts_at, row.id)

    async def incident(self, **given: Any) -> int:
        """Insert one open incident; returns its number."""
        row = {
            "key": "key", "state": "open", "cluster": "", "namespace": "taskmaster", "workflow": "etl-42", "agent": "",
            "title": "WorkflowStuck: taskmaster/etl-42", "severity": "critical", "opened_at": NOW, "closed_at": None,
            "quiet_since": None, "firing": 1, "flaps": 0, "previous_id": None, "look_at": None,
        }  # fmt: skip
        (made,) = await self.insert(IncidentRow, row | given)
        return int(made.id)

    async def event(self, **given: Any) -> int:
        """Insert one line of the timeline; returns its number."""
        row = {
            "at": NOW, "kind": "alert.fired", "text": "WorkflowStuck fires", "incident_id": None, "alert_id": None,
            "run_id": None, "detail": {},
        }  # fmt: skip
        (made,) = await self.insert(EventRow, row | given)
        return int(made.id)

    async def decision(self, **given: Any) -> int:
        """Insert one decision; returns its number."""
        row = {
            "at": NOW, "incident_id": 1, "alert_id": "202611-1", "firing": 1, "playbook": "restart-stuck-workflow",
            "version": "1", "mode": "dry_run", "target": None, "outcome": "blocked", "reason": "the cooldown holds",
            "checks": [{"guard": "cooldown", "passed": False, "measured": "5m", "limit": "1h", "reason": "too soon"}],
            "would": ["terminate"], "run_id": None,
        }  # fmt: skip
        (made,) = await self.insert(DecisionRow, row | given)
        return int(made.id)

    async def run(self, **given: Any) -> int:
        """Insert one running run; returns its number."""
        row = {
            "incident_id": 1, "alert_id": "202611-1", "playbook": "restart-stuck-workflow", "version": "1",
            "mode": "live", "lineage": "", "state": "running", "outcome": None, "reason": "", "confirm": "",
            "target": {"kind": "workflow", "namespace": "taskmaster", "name": "etl-42", "uid": "u", "lineage": "u"},
            "escalate": True, "hold_until": None, "steps": [{"workflow.terminate": {}}], "cursor": 0, "vars": {},
            "wake_at": None, "entered_at": NOW, "started_at": NOW, "finished_at": None,
        }  # fmt: skip
        (made,) = await self.insert(RunRow, row | given)
        return int(made.id)

    async def entry(self, **given: Any) -> None:
        """Insert one line of a journal."""
        row = {
            "run_id": 1, "cursor": 0, "attempt": 1, "action": "workflow.terminate", "state": "done", "started_at": NOW,
            "finished_at": NOW, "result": {}, "error": "",
        }  # fmt: skip
        await self.insert(EntryRow, row | given)

    async def finding(self, **given: Any) -> None:
        """Insert one finding."""
        row = {
            "incident_id": 1, "at": NOW, "source": "workflow", "state": "found", "summary": "it runs", "detail": {},
            "took": timedelta(milliseconds=12),
        }  # fmt: skip
        await self.insert(FindingRow, row | given)

    async def message(self, **given: Any) -> int:
        """Insert one pending message; returns its number."""
        row = {
            "incident_id": 1, "place": "slack", "address": "#ops", "act": "post", "key": "key",
            "payload": {"text": "x"}, "cause": "it began",
            "state": "pending", "attempts": 0, "created_at": NOW, "due_at": NOW, "sent_at": None,
            "error": "", "answer": {},
        }  # fmt: skip
        (made,) = await self.insert(MessageRow, row | given)
        return int(made.id)

    async def playbook(self, **given: Any) -> None:
        """Insert one loaded playbook."""
        row = {
            "name": "restart-stuck-workflow", "version": "1", "mode": "dry_run", "summary": "Restart what is stuck",
            "text": "name: restart-stuck-workflow\n", "disabled": "", "loaded_at": NOW,
        }  # fmt: skip
        await self.insert(PlaybookRow, row | given)

    async def dead_letter(self, **given: Any) -> int:
        """Insert one dead letter; returns its number."""
        row = {"received_at": NOW, "reason": "the body is not JSON", "place": "", "body": b"{"}
        (made,) = await self.insert(DeadLetterRow, row | given)
        return int(made.id)


@pytest.fixture
def records(database: Database) -> Records:
    """Rows in the test's own database."""
    return Records(database)
