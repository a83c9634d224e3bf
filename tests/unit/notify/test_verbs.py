"""People are never told the name of a verb."""

import pytest

from receiver.notify.account import advice_on, deed_of
from receiver.remediate.actions import known
from tests.unit.notify.stories import run

VERBS = sorted(name for name, action in known().items() if not action.unfolds and name != "approve")


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_is_said_in_words_while_it_is_done_and_when_it_is_proposed(verb: str) -> None:
    doing = deed_of(run(steps=({"action": verb, "params": {}},), vars={}))
    proposed = advice_on(run(steps=({"action": "approve", "params": {}}, {"action": verb, "params": {}}), vars={}))

    assert "step 1 of 1, " in doing
    assert f", {verb}." not in doing
    assert "Approved, it goes on by " in proposed
