from datetime import UTC, datetime, timedelta

from receiver.store.stats import Tally
from receiver.web.console.drawing import HEIGHT, WIDTH, by_day, chart, heat

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
HOUR = timedelta(hours=1)


def hours(*fired: int) -> list[tuple[datetime, Tally]]:
    return [(MONDAY + number * HOUR, Tally(fired=one)) for number, one in enumerate(fired)]


def test_hours_add_up_to_days_in_order() -> None:
    days = by_day(hours(*[1] * 30))

    assert [(at, tally.fired) for at, tally in days] == [(MONDAY, 24), (MONDAY + 24 * HOUR, 6)]


def test_the_highest_bar_fills_the_drawing_and_none_leaves_it() -> None:
    drawn = chart(hours(0, 5, 10))

    assert (drawn.most, drawn.bars[0].height) == (10, 0)
    assert drawn.bars[2].height == 2 * drawn.bars[1].height
    assert all(bar.x >= 0 and bar.x + bar.width <= WIDTH and 0 <= bar.y <= HEIGHT for bar in drawn.bars)


def test_the_line_is_broken_where_nothing_ended_and_a_point_alone_is_a_dot() -> None:
    ended = Tally(resolved=2, firing_time=2 * HOUR)
    steps = [(MONDAY, ended), (MONDAY + HOUR, Tally()), (MONDAY + 2 * HOUR, ended), (MONDAY + 3 * HOUR, ended)]

    drawn = chart(steps)

    assert drawn.longest == HOUR
    assert [len(line.split()) for line in drawn.lines] == [2, 2]
    assert [len(set(line.split())) for line in drawn.lines] == [1, 2]


def test_nothing_at_all_can_be_drawn() -> None:
    assert (chart([]).bars, chart([]).longest, heat([]).most) == ((), None, 0)


def test_each_hour_of_each_weekday_has_its_shade() -> None:
    drawn = heat([(MONDAY + 3 * HOUR, Tally(fired=1)), (MONDAY + (24 * 8 + 4) * HOUR, Tally(fired=100))])

    rows = dict(drawn.rows)
    assert rows["Mon"][3] == (1, 1)
    assert rows["Tue"][4] == (100, 5)
    assert rows["Sun"][23] == (0, 0)
