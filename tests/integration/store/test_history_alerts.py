from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final

import pytest
from psycopg.types.json import Jsonb
from sqlalchemy import text

from receiver.model.alert import AlertStatus
from receiver.model.errors import QueryRefused
from receiver.model.incident import Occurrence
from receiver.model.matcher import Matcher
from receiver.store.database import Database
from receiver.store.history import alerts
from receiver.store.history.alerts import AlertFilter
from receiver.store.history.condition import sort
from receiver.store.history.page import Page, Position
from receiver.store.tables import OccurrenceRow

NOW: Final = datetime(2026, 11, 24, 3, 22, 31, 673412, UTC)
FINGERPRINTS = count(1)


async def read(database: Database, wanted: AlertFilter, **paging: Any) -> Page[Occurrence]:
    async with database.transaction() as tx:
        return await alerts.page(tx, wanted, **paging)


async def found(database: Database, **wanted: Any) -> list[str]:
    return [one.id for one in (await read(database, AlertFilter(**wanted))).items]


async def walk_forward(database: Database, wanted: AlertFilter, limit: int) -> tuple[list[str], Page[Occurrence]]:
    page = await read(database, wanted, limit=limit)
    ids = [one.id for one in page.items]
    while page.next:
        page = await read(database, wanted, limit=limit, cursor=page.next)
        ids += [one.id for one in page.items]
    return ids, page


async def walk_back(database: Database, wanted: AlertFilter, limit: int, last: Page[Occurrence]) -> list[str]:
    ids = [one.id for one in last.items]
    page = last
    while page.previous:
        page = await read(database, wanted, limit=limit, cursor=page.previous)
        ids = [one.id for one in page.items] + ids
    return ids


def numbered(**given: Any) -> dict[str, Any]:
    return {"fingerprint": f"{next(FINGERPRINTS):016x}", **given}


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 500])
@pytest.mark.parametrize(
    "wanted",
    [
        AlertFilter(),
        AlertFilter(labels=(Matcher.parse("team=a"),)),
        AlertFilter(labels=(Matcher.parse('team=~"[ab]"'),)),
        AlertFilter(severity="critical", q="etl"),
    ],
    ids=["all", "label", "expression", "severity and words"],
)
async def test_pages_in_both_directions_over_ties_have_each_alert_once(
    database: Database, records: Any, wanted: AlertFilter, limit: int
) -> None:
    labels = {"alertname": "A", "severity": "critical", "team": "a", "workflow": "etl-1"}
    ids = [
        await records.alert(**numbered(labels=labels, starts_at=NOW - timedelta(days=40 * (number // 5))))
        for number in range(17)
    ]

    forward, last = await walk_forward(database, wanted, limit)
    back = await walk_back(database, wanted, limit, last)

    assert sorted(ids) == sorted(forward)
    assert forward == back
    assert forward[:2] == [ids[4], ids[3]]


async def test_the_first_page_has_no_previous_and_the_last_no_next(database: Database, records: Any) -> None:
    for _ in range(3):
        await records.alert(**numbered())

    first = await read(database, AlertFilter(), limit=2)
    last = await read(database, AlertFilter(), limit=2, cursor=first.next)
    again = await read(database, AlertFilter(), limit=2, cursor=last.previous)

    assert (first.previous, last.next) == (None, None)
    assert again == replace(first, next=again.next)
    assert again.previous is None


def team_of(number: int) -> str:
    return "rare" if number % 60 == 59 else "some" if number % 7 == 3 else "often"


@pytest.mark.parametrize(
    "bounds",
    [{"_FEW": 3}, {"_FEW": 4}, {"_FEW": 5}, {"_FEW": 500}, {"_FEW": 3, "_WALK": 30}, {"_FEW": 500, "_WALK": 30}],
)
@pytest.mark.parametrize("team", ["rare", "some", "often", "nobody"])
async def test_labels_are_found_whole_however_often_they_are_met(
    database: Database, records: Any, team: str, bounds: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ({"_PROBE": 20} | bounds).items():
        monkeypatch.setattr(alerts, name, value)
    rows = [
        records.alert_row(
            **numbered(
                labels={"alertname": "A", "team": team_of(number)},
                starts_at=NOW - timedelta(days=3 * number),
            )
        )
        for number in range(240)
    ]
    await records.bulk(OccurrenceRow, rows)
    expected = [row["fingerprint"] for row in rows if row["labels"]["team"] == team]
    matchers = (Matcher.parse(f"team={team}"),)

    ids, last = await walk_forward(database, AlertFilter(labels=matchers), limit=3)
    back = await walk_back(database, AlertFilter(labels=matchers), 3, last)
    page = await read(database, AlertFilter(labels=matchers), limit=500)

    assert [one.fingerprint for one in page.items] == expected
    assert ids == back == [one.id for one in page.items]


@pytest.mark.parametrize("team", ["rare", "some", "often", "nobody"])
async def test_words_are_found_among_labels_however_often_those_are_met(
    database: Database, records: Any, team: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"_PROBE": 20, "_WALK": 40, "_DENSE": 5}.items():
        monkeypatch.setattr(alerts, name, value)
    rows = [
        records.alert_row(
            **numbered(
                labels={"alertname": "A", "team": team_of(number)},
                annotations={"summary": "disk is full" if number % 3 else "all is well"},
                starts_at=NOW - timedelta(days=3 * number),
            )
        )
        for number in range(240)
    ]
    await records.bulk(OccurrenceRow, rows)
    wanted = AlertFilter(labels=(Matcher.parse(f"team={team}"),), q="full disk")
    expected = [row["fingerprint"] for number, row in enumerate(rows) if row["labels"]["team"] == team and number % 3]

    ids, last = await walk_forward(database, wanted, limit=3)
    back = await walk_back(database, wanted, 3, last)
    whole, _ = await walk_forward(database, wanted, limit=500)

    async with database.transaction() as tx:
        found = [await alerts.get(tx, one) for one in ids]
    assert [one.fingerprint for one in found if one] == expected
    assert ids == back == whole


async def test_a_search_that_no_index_answers_stops_early_and_goes_on_from_there(
    database: Database, records: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "_WALK", 10)
    for number in range(35):
        text = "disk is full" if number == 0 else "all is well"
        await records.alert(**numbered(starts_at=NOW + timedelta(seconds=number), annotations={"summary": text}))
    wanted = AlertFilter(q="FULL disk")

    first = await read(database, wanted)
    ids, last = await walk_forward(database, wanted, limit=5)

    assert (first.items, first.next is None) == ((), False)
    assert len(ids) == 1
    assert last.next is None
    assert await walk_back(database, wanted, 5, last) == ids


async def test_each_filter_finds_what_it_names(database: Database, records: Any) -> None:
    labels = {"alertname": "B", "severity": "warning", "empty": "", "path": 'C:\\temp "x" 100%_'}
    theirs = await records.alert(**numbered(starts_at=NOW - timedelta(hours=2)))
    ours = await records.alert(
        fingerprint="00000000000000aa",
        labels=labels,
        status="resolved",
        namespace="taskmaster",
        workflow="etl-42",
        annotations={"summary": "Grüße, 100%_ sure"},
    )
    wanted: list[dict[str, Any]] = [
        {"status": AlertStatus.RESOLVED},
        {"alertname": "B"},
        {"severity": "warning"},
        {"namespace": "taskmaster"},
        {"workflow": "etl-42"},
        {"namespace": "taskmaster", "workflow": "etl-42"},
        {"fingerprint": "00000000000000aa"},
        {"labels": (Matcher.parse("severity=warning"), Matcher.parse("alertname!=A"))},
        {"labels": (Matcher.parse('path="C:\\\\temp \\"x\\" 100%_"'),)},
        {"labels": (Matcher.parse('alertname!~"Work.*"'),)},
        {"labels": (Matcher.parse('alertname=~"(?i)b|c"'),)},
        {"since": NOW - timedelta(hours=1)},
        {"q": "grüße 100%_"},
        {"q": "c:\\temp"},
        {"status": AlertStatus.RESOLVED, "severity": "warning", "q": "sure", "alertname": "B"},
    ]

    answers = [await found(database, **one) for one in wanted]

    assert answers == [[ours]] * len(wanted)
    assert await found(database, until=NOW) == [theirs]
    assert await found(database, labels=(Matcher.parse('alertname=~"Work"'),)) == []
    assert await found(database, labels=(Matcher.parse('path=""'),)) == [theirs]
    assert await found(database, labels=(Matcher.parse('empty=""'),)) == [ours, theirs]
    assert await found(database, labels=(Matcher.parse("a=1"), Matcher.parse("a=2"))) == []
    assert (
        await found(
            database, q="a\0b", labels=(Matcher(name="\0", operator=Matcher.parse("a=b").operator, value="\0"),)
        )
        == []
    )
    assert await found(database, alertname="\0", severity="\0", workflow="\0") == []


async def test_what_cannot_be_asked_is_refused_by_name(database: Database, records: Any) -> None:
    await records.alert(**numbered())
    refused: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        ("cursor", {}, {"cursor": "nonsense"}),
        ("limit", {}, {"limit": 501}),
        ("label", {"labels": (Matcher.parse('a=~"x{2}(?=y)|(?P<n>z)"'),)}, {}),
        ("q", {"q": "a b c d e f g h i"}, {}),
    ]

    for parameter, asked, paging in refused:
        with pytest.raises(QueryRefused) as refusal:
            await read(database, AlertFilter(**asked), **paging)
        assert refusal.value.parameter == parameter


@pytest.mark.parametrize(
    "cursor",
    ["", "W10=", "WzBd" * 60, "WzIsMSwxXQ==", "WzAsMV0=", "WzAsMS41LDFd", "WzAsOTIyMzM3MjAzNjg1NDc3NTgwNywxXQ==", "é"],
)
async def test_a_cursor_that_is_none_of_ours_is_refused(database: Database, cursor: str) -> None:
    with pytest.raises(QueryRefused, match="cursor"):
        await read(database, AlertFilter(), cursor=cursor)


async def test_one_alert_is_read_by_its_public_id_in_absurd_times_too(database: Database, records: Any) -> None:
    times = [
        NOW,
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, tzinfo=UTC),
        datetime(2026, 12, 1, tzinfo=UTC),
    ]
    ids = [await records.alert(**numbered(starts_at=time)) for time in times]

    async with database.transaction() as tx:
        read_again = [await alerts.get(tx, one) for one in ids]
        wrong = [await alerts.get(tx, one) for one in ("", "202611-", "202613-1", "202610-1", "000001-1", "abc")]

    assert [one and one.starts_at for one in read_again] == times
    assert wrong == [None] * 6
    assert ids[1].startswith("000101-")


async def test_a_search_leaves_no_setting_behind(database: Database, records: Any) -> None:
    await records.alert(**numbered())

    async with database.transaction() as tx:
        before = (
            await tx.execute(text("select current_setting('enable_seqscan'), current_setting('statement_timeout')"))
        ).one()
        await alerts.page(tx, AlertFilter(labels=(Matcher.parse("a=b"),)))
        after = (
            await tx.execute(text("select current_setting('enable_seqscan'), current_setting('statement_timeout')"))
        ).one()

    assert before == after


async def test_a_rare_label_is_asked_of_the_index_over_labels(database: Database, records: Any) -> None:
    rows = [
        records.alert_row(
            **numbered(
                labels={"alertname": "A", "severity": "critical", "pod": f"pod-{number}", "team": f"t{number % 9}"},
                starts_at=NOW - timedelta(minutes=number),
            )
        )
        for number in range(5_000)
    ]
    await records.bulk(OccurrenceRow, rows)
    wanted = AlertFilter(labels=(Matcher.parse("pod=pod-4999"),), severity="critical")

    async with database.transaction() as tx:
        await tx.execute(text("analyze alerts"))
        reading = alerts._Reading(tx=tx, conditions=sort(wanted), position=Position(), count=51)
        asked = reading._window((NOW, 1), NOW - timedelta(days=7), NOW).limit(51).compile(dialect=tx.dialect)
        values = {name: Jsonb(value) if isinstance(value, dict) else value for name, value in asked.params.items()}
        async with alerts._shaping(tx) as shape:
            await shape(alerts._BY_INDEX)
            plan = "\n".join((await tx.exec_driver_sql(f"explain {asked}", values)).scalars())

    assert "labels_idx" in plan
    assert "Seq Scan on alerts" not in plan


@pytest.mark.parametrize("wanted", [AlertFilter(), AlertFilter(status=AlertStatus.FIRING)], ids=["newest", "firing"])
async def test_what_is_asked_again_and_again_is_planned_once(
    database: Database, records: Any, wanted: AlertFilter
) -> None:
    await records.bulk(OccurrenceRow, [records.alert_row(**numbered(status="firing")) for _ in range(500)])

    async with database.transaction() as tx:
        await tx.execute(text("analyze alerts"))
        for _ in range(30):
            await alerts.page(tx, wanted)
        prepared = text("select custom_plans from pg_prepared_statements where statement ~ 'ORDER BY alerts.starts_at'")
        plans = (await tx.execute(prepared)).scalars().all()

    assert list(plans) == [0]
