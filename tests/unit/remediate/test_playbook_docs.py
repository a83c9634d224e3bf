import re
from pathlib import Path

import msgspec

from receiver.remediate.actions import known
from receiver.remediate.actions.registry import SHIPPED

PAGE = (Path(__file__).parents[3] / "docs/playbooks.md").read_text(encoding="utf-8")


def test_each_action_has_its_section_and_no_other_has_one() -> None:
    sections = re.findall(r"^### (\S+)$", PAGE.partition("\n## Actions\n")[2], re.MULTILINE)

    assert sorted(sections) == sorted(action.name for action in SHIPPED)


def test_each_parameter_stands_in_the_section_of_its_action() -> None:
    for name, action in known().items():
        section = PAGE.partition(f"### {name}\n")[2].partition("\n#")[0]
        for field in msgspec.structs.fields(action.params):
            assert f"`{field.encode_name}" in section, f"{name}: {field.encode_name}"
