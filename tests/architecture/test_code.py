"""The rules of CONTRIBUTING.md that no linter knows, each as a check that names the place where it is broken.

Every check is a function from one source to its complaints, so that it can be shown to find what it looks for.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import run

import pytest

ROOT = Path(__file__).parents[2]

LONGEST_MODULE = 400

NAMELESS = frozenset(
    {
        "base", "bl", "common", "core", "data", "dto", "handler", "helper",
        "impl", "info", "manager", "misc", "service", "util",
    }
)  # fmt: skip
"""Words that fit everything and therefore name nothing; in the plural as well."""

OUTSIDE_NAMES = re.compile("data_dir")
"""Names that are promised to users and contain such a word all the same."""

CATCH_ALL: dict[str, str] = {
    "receiver/pipeline/labour.py": "the worker's loop must outlive whatever goes wrong within it",
}
"""Files that may catch everything, each with the reason; a line without such a catch is a failure."""

ASSERTING_CALLS = re.compile(r"(pytest\.)?(raises|warns|fail)|(.+\.)?assert_\w+|run_state_machine_as_test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file of Python, read and parsed."""

    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)


Check = Callable[[Source], Iterator[str]]


def sources(*folders: str) -> list[Source]:
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return [Source(path=path.relative_to(ROOT).as_posix(), text=path.read_text()) for path in paths]


def complaints(check: Check, *folders: str) -> list[str]:
    found = sources(*folders)
    assert found, f"there is no Python in {folders}"
    return [complaint for source in found for complaint in check(source)]


def too_long(source: Source) -> Iterator[str]:
    lines = len(source.text.splitlines())
    if lines > LONGEST_MODULE:
        yield f"{source.path}: {lines} lines; two nouns live here"


def nameless(source: Source) -> Iterator[str]:
    named = [(1, part) for part in Path(source.path).with_suffix("").parts]
    named += [
        (node.lineno, node.name)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    for line, name in named:
        words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", OUTSIDE_NAMES.sub("", name))
        if NAMELESS & {word.lower().removesuffix("s") for word in words}:
            yield f"{source.path}:{line}: {name}"


def catch_all(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        match node:
            case ast.ExceptHandler(type=None):
                broad = True
            case ast.ExceptHandler(type=kind) if kind is not None:
                broad = _mentions_everything(kind)
            case ast.Call(func=ast.Name(id="suppress") | ast.Attribute(attr="suppress"), args=kinds):
                broad = any(_mentions_everything(kind) for kind in kinds)
            case _:
                broad = False
        if broad:
            yield f"{source.path}:{getattr(node, 'lineno', 1)}"


def _mentions_everything(kind: ast.expr) -> bool:
    names = {getattr(node, "id", getattr(node, "attr", "")) for node in ast.walk(kind)}
    return bool(names & {"Exception", "BaseException"})


def assertionless(source: Source) -> Iterator[str]:
    functions = {
        node.name: node for node in ast.walk(source.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    for name, function in functions.items():
        if name.startswith("test_") and not _asserts(function, functions, frozenset()):
            yield f"{source.path}:{function.lineno}: {name}"


def _asserts(
    function: ast.AST, functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef], seen: frozenset[str]
) -> bool:
    """Whether a function asserts, itself or through another function of its file."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if ASSERTING_CALLS.fullmatch(called):
                return True
            if called in functions and called not in seen and _asserts(functions[called], functions, seen | {called}):
                return True
    return False


def lawless(source: Source) -> Iterator[str]:
    law = ast.get_docstring(source.tree) or ""
    if source.path.endswith("__init__.py") and len(re.findall(r"[.!?](\s|$)", law)) < 2:
        yield f"{source.path}: a package opens with what belongs there and what does not, in sentences"


def test_each_room_imports_only_rooms_below_it() -> None:
    linter = Path(sys.executable).with_name("lint-imports")

    verdict = run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert verdict.returncode == 0, verdict.stdout + verdict.stderr


def test_no_module_is_longer_than_it_may_be() -> None:
    assert complaints(too_long, "receiver") == []


def test_no_name_fits_everything() -> None:
    assert complaints(nameless, "receiver") == []


def test_nothing_catches_everything_without_a_reason() -> None:
    found = complaints(catch_all, "receiver")

    assert [place for place in found if place.rsplit(":", 1)[0] not in CATCH_ALL] == []
    assert set(CATCH_ALL) <= {place.rsplit(":", 1)[0] for place in found}


def test_each_package_opens_with_its_law() -> None:
    assert complaints(lawless, "receiver") == []


def test_each_test_asserts() -> None:
    assert complaints(assertionless, "tests") == []


@pytest.mark.parametrize(
    ("check", "path", "text"),
    [
        (too_long, "receiver/a.py", "\n" * 401),
        (nameless, "receiver/utils.py", ""),
        (nameless, "receiver/helpers/a.py", ""),
        (nameless, "receiver/a.py", "class SlackHandler: ..."),
        (nameless, "receiver/a.py", "class A:\n    async def load_data(self): ..."),
        (nameless, "receiver/a.py", "class HTTPServices: ..."),
        (catch_all, "receiver/a.py", "try: ...\nexcept: ..."),
        (catch_all, "receiver/a.py", "try: ...\nexcept Exception: ..."),
        (catch_all, "receiver/a.py", "try: ...\nexcept (OSError, builtins.BaseException) as error: ..."),
        (catch_all, "receiver/a.py", "with contextlib.suppress(Exception): ..."),
        (assertionless, "tests/test_a.py", "def test_it(): run()"),
        (assertionless, "tests/test_a.py", "def run(): ...\nasync def test_it(): await run()"),
        (lawless, "receiver/a/__init__.py", ""),
        (lawless, "receiver/a/__init__.py", '"""The room."""'),
    ],
)
def test_a_broken_rule_is_found(check: Check, path: str, text: str) -> None:
    assert list(check(Source(path=path, text=text))) != []


@pytest.mark.parametrize(
    ("check", "path", "text"),
    [
        (too_long, "receiver/a.py", "\n" * 400),
        (
            nameless,
            "receiver/slack.py",
            "class Database:\n    def informs(self): ...\n    def open_data_dir(self): ...",
        ),
        (catch_all, "receiver/a.py", "try: ...\nexcept (OSError, ValueError): ..."),
        (assertionless, "tests/test_a.py", "def holds(): assert x\ndef test_it(): holds()"),
        (assertionless, "tests/test_a.py", "def test_it():\n    with pytest.raises(OSError): run()"),
        (lawless, "receiver/a/__init__.py", '"""The room. SQL stays outside."""'),
    ],
)
def test_a_kept_rule_is_left_alone(check: Check, path: str, text: str) -> None:
    assert list(check(Source(path=path, text=text))) == []
