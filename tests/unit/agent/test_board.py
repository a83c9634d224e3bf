"""Checks run together, each within its limit, and what they found is kept for a while."""

from datetime import timedelta
from threading import Barrier, Event

from receiver.agent.board import Board, Check
from receiver.agent.trouble import CheckFailed

LONG = timedelta(seconds=30)
SHORT = timedelta(milliseconds=1)
FRESH = timedelta(hours=1)


def check(name: str, look: object, limit: timedelta = LONG) -> Check:
    assert callable(look)
    return Check(name=name, look=look, limit=limit)


def fail(_: timedelta) -> None:
    raise CheckFailed("the disk is full")


def test_all_checks_run_at_the_same_time() -> None:
    both = Barrier(2)

    found = Board([check("a", lambda _: both.wait(20)), check("b", lambda _: both.wait(20))], fresh=FRESH).look()

    assert found.healthy
    assert found.checks == {"a": True, "b": True}


def test_a_failure_has_its_reason_and_the_others_pass() -> None:
    found = Board([check("disk", fail), check("rest", lambda _: None)], fresh=FRESH).look()

    assert found.failures == {"disk": "the disk is full"}
    assert found.checks == {"disk": False, "rest": True}


def test_a_check_that_hangs_fails_and_is_not_begun_twice() -> None:
    begun, release = [], Event()

    def hang(_: timedelta) -> None:
        begun.append(1)
        release.wait(60)

    board = Board([check("drive", hang, SHORT), check("rest", lambda _: None)], fresh=timedelta())

    first, second = board.look(), board.look()
    release.set()

    assert "cannot be ended" in first.failures["drive"]
    assert "cannot be ended" in second.failures["drive"]
    assert second.checks["rest"]
    assert len(begun) == 1


def test_a_fresh_round_answers_again_and_is_heard_once() -> None:
    heard: list[object] = []
    board = Board([check("disk", fail)], fresh=FRESH, heard=heard.append)

    assert board.look() is board.look()
    assert len(heard) == 1


def test_a_stale_round_is_asked_anew() -> None:
    board = Board([check("rest", lambda _: None)], fresh=timedelta())

    assert board.look() is not board.look()
