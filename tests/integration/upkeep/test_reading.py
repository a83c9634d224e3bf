"""What was pruned is answered as before: the same alerts, in the same order, for every question."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from receiver.clients.cold import ColdHistory
from receiver.model.alert import AlertStatus
from receiver.model.errors import HistoryAway, QueryRefused
from receiver.model.history import AlertFilter
from receiver.model.incident import Occurrence
from receiver.model.matcher import Matcher
from receiver.store.history import alerts, tiers
from receiver.store.history.tiers import TieredAlerts

END = datetime(2026, 11, 30, tzinfo=UTC)
BEGIN = datetime(1, 1, 1, tzinfo=UTC)
SPAN: dict[str, Any] = {"since": BEGIN, "until": END}


async def fill(shelf: Any) -> None:
    """Seven months of alerts, four of them at one moment, and one in year 1."""
    for number in range(35):
        month, place = number % 7 + 2, number // 7
        labels = {"alertname": f"A{number % 3}", "team": "ab"[number % 2], "severity": "critical"}
        if number % 4 == 0:
            labels["path"] = f'C:\\tmp "{number}"\n100%_'
        await shelf.occurrence(
            datetime(2026, month, 1 + place // 3 * 20, tzinfo=UTC),
            labels=labels,
            annotations={"summary": "Grüße, 100%_ SURE" if number % 5 == 0 else "all is well"},
            namespace=f"ns{number % 2}",
            workflow=f"etl-{number % 5}",
            fingerprint=f"{number:016x}",
            inferred=number % 2 == 0,
        )
    await shelf.occurrence(BEGIN, labels={"alertname": "A0"})
    await shelf.occurrence(datetime(2026, 11, 20, tzinfo=UTC), status="firing", ends_at=None)


@pytest.fixture
async def cold(shelf: Any, tmp_path: Path) -> AsyncIterator[ColdHistory]:
    made = ColdHistory(shelf.s3(), tmp_path / "cache")
    yield made
    await made.close()


async def pages(both: TieredAlerts, wanted: AlertFilter, limit: int) -> list[tiers.TieredPage[Occurrence]]:
    found = [await both.page(wanted, limit=limit)]
    while found[-1].page.next:
        found.append(await both.page(wanted, limit=limit, cursor=found[-1].page.next))
    return found


async def pages_back(
    both: TieredAlerts, wanted: AlertFilter, limit: int, last: tiers.TieredPage[Occurrence]
) -> list[Occurrence]:
    items, page = list(last.page.items), last.page
    while page.previous:
        page = (await both.page(wanted, limit=limit, cursor=page.previous)).page
        items = [*page.items, *items]
    return items


def items(found: Sequence[tiers.TieredPage[Occurrence]]) -> list[Occurrence]:
    return [one for page in found for one in page.page.items]


QUESTIONS: Mapping[str, AlertFilter] = {
    "all": AlertFilter(**SPAN),
    "until": AlertFilter(until=datetime(2026, 5, 1, tzinfo=UTC)),
    "since": AlertFilter(since=datetime(2026, 7, 1, tzinfo=UTC)),
    "a span": AlertFilter(since=datetime(2026, 3, 1, tzinfo=UTC), until=datetime(2026, 3, 21, tzinfo=UTC)),
    "status": AlertFilter(status=AlertStatus.RESOLVED, **SPAN),
    "nothing": AlertFilter(status=AlertStatus.FIRING, until=datetime(2026, 6, 1, tzinfo=UTC)),
    "alertname": AlertFilter(alertname="A1", **SPAN),
    "severity": AlertFilter(severity="critical", **SPAN),
    "namespace": AlertFilter(namespace="ns1", **SPAN),
    "workflow": AlertFilter(workflow="etl-3", **SPAN),
    "workflow of a namespace": AlertFilter(namespace="ns1", workflow="etl-3", **SPAN),
    "fingerprint": AlertFilter(fingerprint=f"{12:016x}", **SPAN),
    "label": AlertFilter(labels=(Matcher.parse("team=a"),), **SPAN),
    "two labels": AlertFilter(labels=(Matcher.parse("team=a"), Matcher.parse("alertname=A0")), **SPAN),
    "hostile label": AlertFilter(labels=(Matcher.parse('path="C:\\\\tmp \\"8\\"\\n100%_"'),), **SPAN),
    "absent label": AlertFilter(labels=(Matcher.parse('path=""'),), **SPAN),
    "other label": AlertFilter(labels=(Matcher.parse("team!=a"),), **SPAN),
    "expression": AlertFilter(labels=(Matcher.parse('path=~"(?i)c:.tmp.*"'),), **SPAN),
    "part of an expression": AlertFilter(labels=(Matcher.parse('alertname=~"A"'),), **SPAN),
    "no such expression": AlertFilter(labels=(Matcher.parse('alertname!~"A[12]"'),), **SPAN),
    "words": AlertFilter(q="grüße 100%_ sure", **SPAN),
    "injection": AlertFilter(alertname="'; drop table x; --", q="' or true", **SPAN),
    "nul": AlertFilter(alertname="\0", q="a\0b", **SPAN),
}


async def test_pages_after_pruning_are_those_before(shelf: Any, cold: ColdHistory) -> None:
    await fill(shelf)
    both = TieredAlerts(shelf.database, cold)
    before = {
        (name, limit): await pages(both, wanted, limit) for name, wanted in QUESTIONS.items() for limit in (3, 500)
    }
    await shelf.export()
    pruned = await shelf.prune()

    after = {(name, limit): await pages(both, QUESTIONS[name], limit) for name, limit in before}
    back = {name: await pages_back(both, QUESTIONS[name], 3, after[name, 3][-1]) for name in QUESTIONS}

    assert len(pruned) == 7
    assert {name: items(found) for name, found in after.items()} == {
        name: items(found) for name, found in before.items()
    }
    assert back == {name: items(before[name, 3]) for name in QUESTIONS}
    assert {page.tiers for found in before.values() for page in found} == {("postgres",)}
    assert {after[name, 500][0].tiers for name in ("all", "until", "since", "nothing")} == {("postgres", "s3")}
    counts = {name: len(items(before[name, 500])) for name in QUESTIONS}
    assert {name for name, number in counts.items() if number == 0} == {
        "nothing",
        "part of an expression",
        "injection",
        "nul",
    }


async def test_a_span_of_many_months_is_read_some_at_a_time(
    shelf: Any, cold: ColdHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(shelf)
    before = items(await pages(TieredAlerts(shelf.database, None), QUESTIONS["all"], 500))
    await shelf.export()
    await shelf.prune()
    monkeypatch.setattr(tiers, "_MONTHS", 2)
    both = TieredAlerts(shelf.database, cold)

    found = await pages(both, QUESTIONS["all"], 500)
    back = await pages_back(both, QUESTIONS["all"], 500, found[-1])

    assert len(found) == 4
    assert items(found) == back == before


async def test_late_rows_of_a_pruned_month_stand_where_they_belong(shelf: Any, cold: ColdHistory) -> None:
    await fill(shelf)
    await shelf.export()
    await shelf.prune()
    late = await shelf.occurrence(datetime(2026, 3, 1, tzinfo=UTC), fingerprint="aa", last_seen_at=shelf.now)
    both = TieredAlerts(shelf.database, cold)

    found = items(await pages(both, QUESTIONS["all"], 4))
    await shelf.export()
    joined = items(await pages(both, QUESTIONS["all"], 4))

    assert found == joined
    assert late in [one.id for one in found]
    assert len({one.id for one in found}) == len(found) == 38
    assert [one.starts_at for one in found] == sorted((one.starts_at for one in found), reverse=True)


async def test_s3_is_asked_only_where_the_answer_reaches_it(shelf: Any) -> None:
    await fill(shelf)
    await shelf.export()
    await shelf.prune()
    without = TieredAlerts(shelf.database, None)
    now = AlertFilter(since=datetime(2026, 11, 1, tzinfo=UTC))

    open_ended = await without.page(AlertFilter())
    recent = await without.page(now)
    full = await without.page(AlertFilter(until=END), limit=5)

    assert [len(one.page.items) for one in (open_ended, recent, full)] == [6, 1, 5]
    assert {one.tiers for one in (open_ended, recent, full)} == {("postgres",)}
    with pytest.raises(HistoryAway, match=r"alerts 2026-04 lies on S3, and archive\.bucket is not configured"):
        await without.page(AlertFilter(until=datetime(2026, 5, 1, tzinfo=UTC)))


async def test_one_alert_is_found_wherever_it_lies(shelf: Any, cold: ColdHistory) -> None:
    march = await shelf.occurrence(datetime(2026, 3, 1, tzinfo=UTC), labels={"alertname": "A", "é": "\n"})
    here = await shelf.occurrence(datetime(2026, 11, 1, tzinfo=UTC))
    async with shelf.database.transaction() as tx:
        before = await alerts.get(tx, march)
    await shelf.export()
    await shelf.prune()
    both = TieredAlerts(shelf.database, cold)

    assert await both.get(march) == before
    assert (await both.get(here)) is not None
    assert [await both.get(one) for one in ("202603-999", "202604-1", "nonsense")] == [None] * 3
    with pytest.raises(HistoryAway):
        await TieredAlerts(shelf.database, None).get(march)


async def test_what_duckdb_cannot_ask_is_refused_like_what_postgres_cannot(shelf: Any, cold: ColdHistory) -> None:
    await shelf.occurrence(datetime(2026, 3, 1, tzinfo=UTC))
    await shelf.export()
    await shelf.prune()
    both = TieredAlerts(shelf.database, cold)

    with pytest.raises(QueryRefused) as refusal:
        await both.page(AlertFilter(labels=(Matcher.parse('alertname!~"x(?!y)"'),), **SPAN))

    assert refusal.value.parameter == "label"


async def test_s3_away_is_said_so_and_what_is_cached_is_still_read(shelf: Any, own_weed: Any, tmp_path: Path) -> None:
    shelf.weed, shelf.bucket = own_weed, own_weed.new_bucket()
    await shelf.occurrence(datetime(2026, 3, 1, tzinfo=UTC))
    await shelf.occurrence(datetime(2026, 4, 1, tzinfo=UTC))
    await shelf.occurrence(datetime(2026, 11, 1, tzinfo=UTC))
    await shelf.export()
    await shelf.prune()
    cold = ColdHistory(shelf.s3(), tmp_path / "cache")
    both = TieredAlerts(shelf.database, cold)
    april = AlertFilter(since=datetime(2026, 4, 1, tzinfo=UTC), until=datetime(2026, 5, 1, tzinfo=UTC))
    read = await both.page(april)

    own_weed.kill()
    with pytest.raises(HistoryAway, match="alerts 2026-03 lies on S3 and cannot be read at the moment; ask again"):
        await both.page(AlertFilter(**SPAN))
    again = await both.page(april)
    here = await both.page(AlertFilter(since=datetime(2026, 11, 1, tzinfo=UTC)))
    await cold.close()

    assert (len(read.page.items), len(here.page.items)) == (1, 1)
    assert replace(again) == read
