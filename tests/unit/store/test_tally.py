"""What an incident amounts to after another was merged into it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from receiver.store.merging import Tally

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def tally(firing: int, *, quiet: int | None = None, **more: Any) -> Tally:
    fields: dict[str, Any] = {
        "firing": firing,
        "quiet_since": None if quiet is None else NOW + timedelta(minutes=quiet),
        "flaps": 0,
        "severity": "warning",
        "opened_at": NOW,
        "acknowledged_by": "",
    }
    return Tally(**{**fields, **more})


@pytest.mark.parametrize(
    ("older", "younger", "expected"),
    [
        pytest.param(tally(1), tally(2), tally(3), id="both fire"),
        pytest.param(tally(0, quiet=1), tally(1), tally(1, flaps=1), id="the older was quiet: a flap"),
        pytest.param(tally(1), tally(0, quiet=1), tally(1), id="the younger was quiet: none"),
        pytest.param(tally(0, quiet=1), tally(0, quiet=3), tally(0, quiet=3), id="both quiet: since the later"),
        pytest.param(tally(1, flaps=2), tally(1, flaps=3), tally(2, flaps=5), id="flaps are added"),
        pytest.param(tally(1), tally(1, severity="critical"), tally(2, severity="critical"), id="the worst severity"),
        pytest.param(
            tally(1),
            tally(1, acknowledged_by="ann", acknowledged_at=NOW),
            tally(2, acknowledged_by="ann", acknowledged_at=NOW),
            id="whoever has taken it on",
        ),
        pytest.param(
            tally(1, acknowledged_by="bob", acknowledged_at=NOW),
            tally(1, acknowledged_by="ann", acknowledged_at=NOW + timedelta(1)),
            tally(2, acknowledged_by="bob", acknowledged_at=NOW),
            id="whoever has the elder",
        ),
        pytest.param(
            tally(1),
            tally(1, opened_at=NOW - timedelta(1)),
            tally(2, opened_at=NOW - timedelta(1)),
            id="the first opening",
        ),
    ],
)
def test_two_incidents_count_as_one(older: Tally, younger: Tally, expected: Tally) -> None:
    assert older.join(younger) == expected
