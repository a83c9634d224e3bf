import re
from collections.abc import Iterator
from importlib import invalidate_caches
from pathlib import Path

import pytest

from receiver.model.document import Document
from receiver.model.errors import DocumentError, PlaybookError
from receiver.remediate.actions import Effect, Means, effect, known
from receiver.remediate.actions.registry import SHIPPED
from receiver.remediate.language import load
from receiver.remediate.plan import compiled, steps_to_take
from receiver.remediate.progress import advance
from receiver.remediate.schema import json_schema
from receiver.remediate.tick import Passed, Step
from tests.unit.remediate.scenes import facts, run, turn

EXAMPLE = Path(__file__).parents[2] / "example_actions"
QUEUE = """
name: pause-queue
mode: live
summary: Pause the queue
on: {matchers: ['alertname="WorkflowStuckDetection"']}
confirm: "true"
steps: [{queue.pause: {queue: q}}]
"""


@pytest.fixture(autouse=True)
def _read_anew() -> Iterator[None]:
    known.cache_clear()
    yield
    known.cache_clear()


@pytest.fixture
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLE))
    invalidate_caches()


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, *, code: str, point: str = "broken:ACTION") -> None:
    """Put a package on the path that adds one action."""
    info = folder / "receiver_broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: receiver-broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[receiver.actions]\nbroken = {point}\n")
    (folder / f"{point.partition(':')[0]}.py").write_text(code)
    monkeypatch.syspath_prepend(str(folder))
    invalidate_caches()


def test_every_shipped_action_is_known_and_says_what_it_takes() -> None:
    assert list(known().values()) == list(SHIPPED)
    assert all(action.params.__doc__ for action in SHIPPED)
    assert all(action.needs for action in SHIPPED if isinstance(action, Effect) and action.grants)


def test_what_makes_an_effect_good_is_an_action_itself() -> None:
    restoring = {action.made_good_by for action in SHIPPED if isinstance(action, Effect)} - {""}

    assert restoring
    assert all(effect(name) is not None for name in restoring)


@pytest.mark.usefixtures("_installed")
async def test_an_action_of_an_installed_package_is_checked_described_and_carried_out() -> None:
    playbook = load(Document(QUEUE, file="p.yaml"))
    begun = run(playbook, steps=compiled(steps_to_take(playbook, None, asking=False)), confirm="true")
    added = effect("queue.pause")
    assert added is not None

    step = advance(begun, facts(confirm="true"))
    done = await added.perform(Means(), turn(begun, facts()))
    after = advance(begun, facts(confirm="true"))

    assert isinstance(step, Step)
    assert step.text == "It is going to pause queue q for argo/etl."
    assert done.text == "Queue q is paused."
    assert isinstance(after, Passed)
    assert "queue.pause" in json_schema()["$defs"]["Step"]["properties"]


@pytest.mark.usefixtures("_installed")
def test_what_is_wrong_with_its_parameters_has_its_line() -> None:
    with pytest.raises(DocumentError, match=r"p\.yaml:7: unknown key 'queu'; did you mean 'queue'"):
        load(Document(QUEUE.replace("{queue: q}", "{queu: q}"), file="p.yaml"))


def test_an_action_of_a_package_that_is_not_installed_is_refused() -> None:
    with pytest.raises(DocumentError, match=r"p\.yaml:7: unknown key 'queue\.pause'; known are"):
        load(Document(QUEUE, file="p.yaml"))


GOOD = (EXAMPLE / "receiver_example.py").read_text(encoding="utf-8") + "\n\nACTION = QueuePause()\n"


@pytest.mark.parametrize(
    ("module", "code", "complaint"),
    [
        ("one", "ACTION = 1", "gives a int, which is no receiver.remediate.actions.Effect"),
        ("two", "import nothing_of_this_name", "cannot be loaded: No module named"),
        ("three", "", "cannot be loaded: module .broken_three. has no attribute"),
        ("four", GOOD.replace('"queue.pause"', '"Queue Pause"'), "its name is 'Queue Pause'"),
        ("five", GOOD.replace('"queue.pause"', '"workflow.terminate"'), "'workflow.terminate' of .* is known already"),
        ("six", GOOD.replace('"""Let a queue hand out no more work."""', ""), "Pause has no docstring"),
        ("seven", GOOD.replace("queue: str", "queue: 'Nowhere'"), "the fields of Pause cannot be read"),
        ("eight", GOOD.replace("params = Pause\n", "params = dict\n"), "its params is no"),
        ("nine", re.sub(r"    needs.*\n", "", GOOD), "does not say what it needs"),
        (
            "ten",
            re.sub(r"    def say.*?(?=    def rec)", "", GOOD, flags=re.DOTALL),
            "cannot be loaded: Can't inst.* say",
        ),
    ],
)
def test_an_action_that_cannot_be_used_is_refused_with_its_distribution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, code: str, complaint: str
) -> None:
    install(tmp_path, monkeypatch, code=code, point=f"broken_{module}:ACTION")

    with pytest.raises(PlaybookError, match=complaint) as refused:
        known()

    assert "receiver-broken" in str(refused.value)
