from datetime import UTC, date, datetime, timedelta

from receiver.model.shapes.playbook_requests import BacktestShape, DayShape
from receiver.web.console.calendar import MOST_WEEKS, calendar

TUESDAY = datetime(2026, 11, 24, 12, tzinfo=UTC)


def played(length: timedelta, *days: DayShape) -> BacktestShape:
    return BacktestShape(
        playbook="restart-stuck-workflow",
        version="1",
        since=TUESDAY - length,
        until=TUESDAY,
        alerts=0,
        answers={},
        refused_by={},
        undecidable={},
        busiest_hour=None,
        busiest_count=0,
        days=list(days),
        instead=[],
        instances=[],
        notes=[],
    )


def test_each_day_stands_under_its_weekday_with_what_would_have_been() -> None:
    busy = DayShape(day=date(2026, 11, 18), answers={"would_run": 2, "refused": 1, "over": 3, "undecidable": 1})

    drawn = calendar(played(timedelta(days=7), busy))

    assert [[cell.day.day for cell in week] for week in drawn.weeks] == [[*range(16, 23)], [*range(23, 30)]]
    wednesday = drawn.weeks[0][2]
    assert (wednesday.runs, wednesday.refused, wednesday.others) == (2, 1, 4)
    assert [cell.played for week in drawn.weeks for cell in week] == [False, *[True] * 8, *[False] * 5]
    assert drawn.cut_before is None


def test_of_a_long_range_the_newest_year_is_drawn() -> None:
    drawn = calendar(played(timedelta(days=2_000)))

    assert len(drawn.weeks) == MOST_WEEKS
    assert drawn.cut_before == drawn.weeks[0][0].day
    assert drawn.weeks[-1][1].day == TUESDAY.date()
