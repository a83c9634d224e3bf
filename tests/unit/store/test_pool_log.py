"""An outage is two lines of the log, however often the pool warns of it."""

import logging

from structlog.testing import capture_logs

from receiver.store.pool_log import PoolLog


def warning(said: str) -> logging.LogRecord:
    return logging.LogRecord("psycopg.pool", logging.WARNING, "", 0, said, None, None)


def test_an_outage_is_one_line_when_it_begins_and_one_when_it_ends() -> None:
    heard = PoolLog()

    with capture_logs() as lines:
        heard.connected()
        for said in ("discarding closed connection: <x>", *["error connecting in 'pool-1': refused\n\tIs it on?"] * 99):
            assert heard.filter(warning(said)) is False
        heard.connected()
        heard.connected()

    assert [line["action"] for line in lines] == ["connections_fail", "connections_again"]
    assert lines[0]["error"] == "discarding closed connection: <x>"
    assert lines[1]["warnings"] == 100


def test_what_has_nothing_to_do_with_an_outage_is_passed_on() -> None:
    heard = PoolLog()

    with capture_logs() as lines:
        assert heard.filter(warning("task run <task> failed: KeyError: 1"))

    assert lines == []
