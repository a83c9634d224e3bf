"""Traces of incidents that are over, taken by a collector that speaks OpenTelemetry's own protocol."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from sqlalchemy import select

from receiver.clients.traces import TraceCollector
from receiver.model.errors import TraceError
from receiver.store.database import Database
from receiver.store.tables import EventRow
from receiver.upkeep.tracing import LATEST, SETTLED, Tracing

from .asking.alertmanager import free_port

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
OPENED, CLOSED = NOW - timedelta(minutes=10), NOW - timedelta(minutes=2)


@dataclass
class Collector:
    """What was sent, and how it is answered."""

    url: str
    answer: int = 200
    requests: list[ExportTraceServiceRequest] = field(default_factory=list)

    @property
    def spans(self) -> dict[str, Span]:
        """All spans of the newest request, by name."""
        newest = self.requests[-1].resource_spans
        return {span.name: span for resource in newest for scope in resource.scope_spans for span in scope.spans}


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    made = Collector(f"http://127.0.0.1:{free_port()}/v1/traces")

    async def take(request: web.Request) -> web.Response:
        if made.answer == 200:
            made.requests.append(ExportTraceServiceRequest.FromString(await request.read()))
        return web.Response(status=made.answer)

    app = web.Application()
    app.router.add_post("/v1/traces", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(made.url.split(":")[2].partition("/")[0])).start()
    yield made
    await runner.cleanup()


@pytest.fixture
async def tracing(database: Database, collector: Collector) -> AsyncIterator[Tracing]:
    client = TraceCollector(collector.url, name="receiver-eu", timeout=timedelta(seconds=30))
    yield Tracing(database=database, collector=client, origin="receiver-eu", now=lambda: NOW)
    await client.close()


async def healed(records: Any) -> int:
    """Record an incident that went through every room."""
    number: int = await records.incident(state="closed", opened_at=OPENED, closed_at=CLOSED)
    alert = await records.alert(
        starts_at=OPENED - timedelta(seconds=30), first_seen_at=OPENED, ends_at=CLOSED, status="resolved",
        incident_id=number,
    )  # fmt: skip
    await records.event(at=OPENED, incident_id=number, alert_id=alert)
    await records.finding(incident_id=number, at=OPENED + timedelta(seconds=1), took=timedelta(seconds=1))
    run = await records.run(
        incident_id=number, alert_id=alert, state="finished", outcome="failed", reason="it did not help",
        started_at=OPENED + timedelta(seconds=2), finished_at=OPENED + timedelta(seconds=9),
    )  # fmt: skip
    await records.decision(incident_id=number, alert_id=alert, at=OPENED, outcome=None, run_id=run)
    await records.entry(run_id=run, started_at=OPENED, finished_at=OPENED + timedelta(seconds=3))
    await records.message(incident_id=number, created_at=OPENED, sent_at=CLOSED, state="sent")
    return number


async def test_an_incident_that_is_over_is_one_trace_with_a_span_for_each_room(
    records: Any, tracing: Tracing, collector: Collector
) -> None:
    await healed(records)

    assert await tracing.round() == 1

    spans = collector.spans
    parents = {name: next((one.name for one in spans.values() if one.span_id == span.parent_span_id), None)
               for name, span in spans.items()}  # fmt: skip
    assert parents == {
        "incident": None,
        "alert": "incident",
        "receive": "alert",
        "enrich workflow": "incident",
        "decide": "incident",
        "remediate": "incident",
        "workflow.terminate": "remediate",
        "notify slack": "incident",
    }
    assert len({span.trace_id for span in spans.values()}) == 1
    assert spans["receive"].end_time_unix_nano - spans["receive"].start_time_unix_nano == 30_000_000_000
    assert spans["remediate"].status.message == "it did not help"
    assert [event.name for event in spans["incident"].events] == ["alert.fired"]
    named = {one.key: one.value.string_value for one in collector.requests[0].resource_spans[0].resource.attributes}
    assert named["service.name"] == "receiver-eu"


async def test_a_trace_is_sent_once_and_the_timeline_tells_its_number(
    records: Any, tracing: Tracing, collector: Collector, database: Database
) -> None:
    number = await healed(records)
    await records.incident(key="open")
    await records.incident(key="just over", state="closed", closed_at=NOW - SETTLED / 2)
    await records.incident(key="long over", state="closed", closed_at=NOW - LATEST * 2)

    assert [await tracing.round(), await tracing.round()] == [1, 0]

    async with database.transaction() as tx:
        [told] = await tx.execute(select(EventRow).where(EventRow.kind == "incident.traced"))
    assert (told.incident_id, told.detail["trace_id"]) == (number, collector.spans["incident"].trace_id.hex())


async def test_a_trace_that_was_not_taken_is_sent_again_as_the_same_and_holds_up_no_other(
    records: Any, tracing: Tracing, collector: Collector
) -> None:
    await healed(records)
    collector.answer = 400
    with pytest.raises(TraceError, match="did not take a trace of 8 spans"):
        await tracing.round()

    collector.answer = 200
    await records.incident(key="later", state="closed", opened_at=OPENED, closed_at=CLOSED + timedelta(seconds=1))

    assert await tracing.round() == 2
    assert len(collector.requests) == 2
