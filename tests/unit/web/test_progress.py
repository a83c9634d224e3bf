from datetime import UTC, datetime

from hypothesis import given, strategies as st

from receiver.model.timeline import Event, Kind
from receiver.web.feed import BUFFER, Progress, _Listener

AT = datetime(2026, 11, 24, 3, 22, tzinfo=UTC)


@given(st.permutations(range(1, 30)), st.integers(0, 29))
def test_whoever_resumes_from_what_is_settled_misses_nothing(order: list[int], heard: int) -> None:
    progress = Progress(0)
    for number in order[:heard]:
        progress.read(number, now=0.0)

    unheard = set(order[heard:])

    assert all(number > progress.settled for number in unheard)
    assert set(progress.missing) == {number for number in unheard if number < progress.highest}


def test_a_number_that_stays_missing_is_given_up() -> None:
    progress = Progress(10)
    progress.read(13, now=100.0)

    progress.give_up(now=120.0)
    still = progress.missing
    progress.give_up(now=161.0)

    assert still == (11, 12)
    assert (progress.missing, progress.settled) == ((), 13)


def test_a_great_gap_is_remembered_in_part() -> None:
    progress = Progress(0)
    progress.read(10**9, now=0.0)
    progress.give_up(now=0.0)

    assert len(progress.missing) <= 5_000
    assert progress.highest == 10**9


async def test_a_listener_that_falls_behind_is_let_go_and_nothing_is_kept_for_it() -> None:
    listener = _Listener()

    happened = [Event(id=number, at=AT, kind=Kind.ALERT_FIRED, text="") for number in range(BUFFER + 1)]
    heard = [listener.hear(event, b"x") for event in happened]
    kept = listener.queue.qsize()
    listener.dismiss()

    assert heard == [True] * BUFFER + [False]
    assert kept == BUFFER
    assert await listener.next() is None
    assert listener.queue.empty()


async def test_a_listener_that_is_let_go_in_time_still_hears_what_waited() -> None:
    listener = _Listener()
    listener.hear(Event(id=1, at=AT, kind=Kind.ALERT_FIRED, text=""), b"x")
    listener.hear(Event(id=2, at=AT, kind=Kind.ALERT_FIRED, text=""), b"y")

    listener.dismiss()

    assert [await listener.next(), await listener.next()] == [b"xy", None]
