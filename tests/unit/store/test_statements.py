"""What the way in says to Postgres is read once, not at each delivery."""

import pytest
from psycopg._queries import MAX_CACHED_STATEMENT_LENGTH

from receiver.store.statements import statements


@pytest.mark.parametrize("name", statements())
def test_psycopg_remembers_what_it_made_of_a_statement(name: str) -> None:
    assert len(statements()[name]) <= MAX_CACHED_STATEMENT_LENGTH
