import gzip
import json
from datetime import UTC, datetime
from typing import Any

from receiver.model.evidence import Evidence
from receiver.store import evidence
from receiver.store.database import Database


async def keep(database: Database, run: int, *, bucket: str = "") -> bytes:
    packed = gzip.compress(json.dumps({"workflow": {"kind": "Workflow"}}).encode())
    kept = Evidence(
        run_id=run,
        cursor=2,
        at=datetime(2026, 11, 24, tzinfo=UTC),
        bucket=bucket,
        key="evidence/x.json.gz" if bucket else "",
        sha256="ab" * 32,
        size=len(packed),
    )
    async with database.transaction() as tx:
        await evidence.keep(tx, kept, None if bucket else packed)
    return packed


async def test_evidence_is_listed_and_given_to_operators_only(site: Any, records: Any, database: Database) -> None:
    run = await records.run()
    await keep(database, run)
    address = f"/api/v1/remediations/{run}/evidence"

    listed = await site.get(address, role="operator")
    given = await site.get(f"{address}/2", role="operator")
    curious = [await site.get(one, role="viewer") for one in (address, f"{address}/2")]

    assert [(one["cursor"], one["place"]) for one in listed.json()["items"]] == [(2, "postgres")]
    assert given.json() == {"workflow": {"kind": "Workflow"}}
    assert (given.headers["content-encoding"], given.headers["etag"]) == ("gzip", f'"{"ab" * 32}"')
    assert [one.status_code for one in curious] == [403, 403]


async def test_evidence_that_is_not_there_or_not_in_reach_is_told_apart(
    site: Any, records: Any, database: Database
) -> None:
    run = await records.run()
    await keep(database, run, bucket="elsewhere")
    address = f"/api/v1/remediations/{run}/evidence"

    never = await site.get(f"{address}/0", role="operator")
    away = await site.get(f"{address}/2", role="operator")

    assert (never.status_code, away.status_code) == (404, 503)
    assert "s3://elsewhere/evidence/x.json.gz" in away.json()["detail"]
