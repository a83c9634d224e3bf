from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from receiver.model.archive import Archived
from receiver.model.request import Kind
from receiver.store import archives, requests
from receiver.store.database import Database

NOW = datetime(2026, 11, 24, 3, 22, 31, tzinfo=UTC)
ONE = Archived(
    namespace="argo",
    name="etl",
    uid="u",
    content="c",
    labels={"team": "a", "odd": "\x00"},
    phase="Succeeded",
    started_at=None,
    finished_at=NOW,
    archived_at=NOW,
    archived_by="ann",
    bucket="b",
    key="k",
    size=1000,
    sha256="s",
    verified_at=NOW,
)


@pytest.fixture
async def kept(database: Database) -> list[Archived]:
    """Three archives, the newest last."""
    others = [
        replace(ONE, uid="v", name="train", phase="Failed", labels={"team": "b"}, finished_at=NOW + timedelta(hours=1)),
        replace(ONE, uid="w", namespace="other", finished_at=NOW + timedelta(hours=2), size=24),
    ]
    async with database.transaction() as tx:
        return [await archives.keep(tx, one) for one in (ONE, *others)]


async def test_archives_are_listed_by_their_end_with_their_sum(site: Any, kept: list[Archived]) -> None:
    first = (await site.get("/api/v1/archives", params={"limit": 2})).json()
    second = (await site.get("/api/v1/archives", params={"limit": 2, "cursor": first["next"]})).json()

    assert [one["id"] for one in first["items"] + second["items"]] == [kept[2].id, kept[1].id, kept[0].id]
    assert (first["total"], first["total_size"], second["next"]) == (3, 2024, None)
    assert second["items"] == [(await site.get(f"/api/v1/archives/{kept[0].id}")).json()]
    assert second["items"][0]["labels"] == {"team": "a", "odd": "\ufffd"}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"namespace": "argo"}, [1, 0]),
        ({"name": "etl"}, [2, 0]),
        ({"phase": "Failed"}, [1]),
        ({"label": "team=a"}, [2, 0]),
        ({"label": ["team=a", "odd=x"]}, []),
        ({"since": "2026-11-24T04:00:00Z", "until": "2026-11-24T05:00:00Z"}, [1]),
    ],
)
async def test_archives_are_found_by_what_they_are(
    site: Any, kept: list[Archived], wanted: dict[str, Any], found: list[int]
) -> None:
    answer = (await site.get("/api/v1/archives", params=wanted)).json()

    assert [one["id"] for one in answer["items"]] == [kept[number].id for number in found]
    assert answer["total"] == len(found)


async def test_an_operator_asks_for_an_archive(site: Any, database: Database) -> None:
    wish = {"namespace": "argo", "name": "etl", "with": ["logs"]}

    curious = await site.ask("POST", "/api/v1/archives", json=wish)
    answer = await site.ask("POST", "/api/v1/archives", role="operator", json=wish)

    async with database.transaction() as tx:
        asked = await requests.get(tx, answer.json()["request_id"])
    assert (curious.status_code, answer.status_code) == (403, 202)
    assert asked is not None
    assert (asked.kind, asked.asked_by, asked.detail) == (Kind.ARCHIVE, "operators", wish)


async def test_an_operator_asks_for_a_workflow_back(site: Any, database: Database, kept: list[Archived]) -> None:
    path = f"/api/v1/archives/{kept[0].id}/restore"

    curious = await site.ask("POST", path, json={})
    answer = await site.ask("POST", path, role="operator", json={"name": "etl-again", "begin": True})
    absent = await site.ask("POST", "/api/v1/archives/77/restore", role="operator", json={})
    misnamed = await site.ask("POST", path, role="operator", json={"name": "../etl"})

    async with database.transaction() as tx:
        asked = await requests.get(tx, answer.json()["request_id"])
    codes = (curious.status_code, answer.status_code, absent.status_code, misnamed.status_code)
    assert codes == (403, 202, 404, 400)
    assert asked is not None
    assert (asked.kind, asked.asked_by) == (Kind.RESTORE, "operators")
    assert asked.detail == {"archive": kept[0].id, "name": "etl-again", "begin": True}


async def test_what_is_not_there_or_not_understood_is_said(site: Any) -> None:
    absent = await site.get("/api/v1/archives/7")
    wrong = await site.get("/api/v1/archives", params={"label": "team"})
    empty = await site.ask("POST", "/api/v1/archives", role="operator", json={"namespace": "argo"})

    assert (absent.status_code, wrong.status_code, empty.status_code) == (404, 400, 400)
    assert "name=value" in wrong.json()["detail"]
