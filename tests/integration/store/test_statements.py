"""How Postgres reads what the statements on the way in ask for."""

import re

import pytest

from receiver.store.database import Database
from receiver.store.statements import statements

OPEN = """
insert into incidents (key, state, cluster, namespace, workflow, agent, title, severity, opened_at, firing, flaps)
select 'key ' || n, 'open', '', 'argo', 'flow-' || n, '', 'a title', 'warning', now(), 1, 0
from generate_series(1, 5000) n
"""
_PARAMETER = re.compile(r"%\((\w+)\)[sb]")


@pytest.mark.parametrize("name", ["receive", "lock_incidents", "open_incidents", "begin_occurrences"])
async def test_open_stories_are_found_by_their_keys_though_nobody_has_counted_them(
    database: Database, name: str
) -> None:
    """A plan that is made in a young database is kept; reading all that burn took thrice as long as all the rest."""
    numbers: dict[str, int] = {}
    asked = _PARAMETER.sub(lambda found: f"${numbers.setdefault(found[1], len(numbers) + 1)}", statements()[name])
    async with database.pool.connection() as connection:
        await connection.execute("alter table incidents set (autovacuum_enabled = off)")
        await connection.execute(OPEN)

        explained = await connection.execute(f"explain (generic_plan) {asked}".encode())
        plan = "\n".join(line for (line,) in await explained.fetchall())

    assert "incidents_open_key" in plan
    assert "incidents_quiet_idx" not in plan
    assert "Seq Scan on incidents" not in plan
