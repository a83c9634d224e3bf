"""The documentation is true, as far as a program can tell: links, rooms, states, commands."""

import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from urllib.parse import unquote

import pytest

from receiver.model.alert import AlertStatus, Change
from receiver.model.incident import IncidentState
from receiver.model.message import MessageState
from receiver.model.remediation import EntryState, Outcome, RunState

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

MACHINES: dict[str, tuple[type[Enum], set[str]]] = {
    "Occurrence": (AlertStatus, {"inferred"}),  # a mark on `resolved`, drawn apart
    "Incident": (IncidentState, set()),
    "Run": (RunState, set()),
    "Step": (EntryState, set()),
    "Message": (MessageState, set()),
}
"""Sections of docs/states.md: the enum that each draws, and what it draws besides."""


def page(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def section(title: str) -> str:
    text = (ROOT / "docs/states.md").read_text()
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert found, f"docs/states.md has no section {title}"
    return found[1]


def arrows(title: str) -> list[tuple[str, str, str, str]]:
    """All arrows of a drawing: from, to, letter, label."""
    return re.findall(r"^ +(\S+) --> (\S+): (\w) (.+)$", section(title), re.MULTILINE)


def anchors(markdown: str) -> set[str]:
    """The anchors of all headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", markdown, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(path: Path) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = unquote(target).partition("#")
        goal = (path.parent / name).resolve() if name else path
        if not goal.exists() or not goal.is_relative_to(ROOT):
            yield f"{target} leads nowhere"
        elif anchor and anchor not in anchors(goal.read_text()):
            yield f"{target} names no heading"


@pytest.mark.parametrize("path", PAGES, ids=page)
def test_links_lead_somewhere(path: Path) -> None:
    assert list(broken_links(path)) == []


@pytest.mark.parametrize("path", PAGES, ids=page)
def test_commands_of_make_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    mentioned = set(re.findall(r"(?:`|^    )make ([a-z-]+)", path.read_text(), re.MULTILINE))

    assert mentioned <= targets


def test_help_lists_each_command_of_make() -> None:
    makefile = (ROOT / "Makefile").read_text()

    explained = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))

    assert {"demo", "test", "lint", "docs", "help"} <= explained
    assert ".DEFAULT_GOAL := help" in makefile


def test_the_map_names_each_room_and_no_other() -> None:
    inside = [path for path in (ROOT / "receiver").iterdir() if not path.name.startswith("_")]
    rooms = {path.stem for path in inside if path.suffix == ".py" or (path / "__init__.py").exists()}

    on_the_map = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/index.md").read_text(), re.MULTILINE))

    assert on_the_map == rooms


@pytest.mark.parametrize("title", MACHINES)
def test_each_state_is_drawn(title: str) -> None:
    states, besides = MACHINES[title]

    drawn = {state for origin, goal, _, _ in arrows(title) for state in (origin, goal)} - {"[*]"}

    assert drawn == {state.value for state in states} | besides


@pytest.mark.parametrize("title", MACHINES)
def test_each_arrow_has_a_letter_of_its_own_and_is_explained(title: str) -> None:
    letters = [letter for _, _, letter, _ in arrows(title)]

    explained = re.findall(r"^- \*\*(\w)\*\* ", section(title), re.MULTILINE)

    assert letters == sorted(set(letters))
    assert explained == letters


def test_each_change_of_an_occurrence_is_an_arrow() -> None:
    drawn = {label for _, _, _, label in arrows("Occurrence")}

    assert {change.value for change in Change} <= drawn


def test_each_outcome_of_a_run_is_explained() -> None:
    explained = set(re.findall(r"^\| `(\w+)` \|", section("Run"), re.MULTILINE))

    assert explained == {outcome.value for outcome in Outcome}


def test_the_changelog_says_what_is_coming() -> None:
    assert re.search(r"^## \[Unreleased\]$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_no_file_names_a_place_on_the_machine_of_its_author() -> None:
    elsewhere = re.compile(rb"(?<![\w./])/work[/]|\.\./share[d]\b|/root/[.]")
    folders = ("receiver", "migrations", "tests", "docs", "deploy", ".ci")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    files += [path for path in ROOT.iterdir() if path.is_file()]

    found = [
        f"{page(path)}: {hit[0].decode()}"
        for path in files
        if path.suffix != ".pyc" and (hit := elsewhere.search(path.read_bytes()))
    ]

    assert found == []
