"""The forms of what commands print: documents that every reader understands, and names for pipes."""

import json
from typing import Any

import pytest
from ruamel.yaml import YAML

from receiver.cli.forms import Form, Listed, document, give, give_line, give_list
from receiver.model.shapes.parts import Items

HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202etxt\nnext\r\x9b31m"


def unwanted() -> None:
    pytest.fail("nobody asked for words")


@pytest.mark.parametrize(
    "text", [HOSTILE, "yes", "off", "1:30", "007", "2026-11-24T03:22:31Z", "~", "", "- a", "a: b", "é", "word " * 60]
)
def test_yaml_says_the_same_as_json_and_gives_a_terminal_no_orders(text: str) -> None:
    value = {"items": [{text: text, "n": None, "t": True, "x": 1.5}], "next": None}

    yaml = document(value, Form.YAML)

    assert YAML(typ="safe").load(yaml) == json.loads(document(value, Form.JSON))
    assert yaml.isascii()
    assert yaml.replace("\n", "").isprintable()


@pytest.mark.parametrize("text", ["yes", "No", "on", "1:30", "0o7", "1_000", "2026-11-24"])
def test_yaml_quotes_what_older_readers_take_for_something_else(text: str) -> None:
    assert document({"a": text}, Form.YAML) == f'a: "{text}"\n'


def test_names_are_one_a_line_and_how_to_go_on_stands_beside_them(capsys: pytest.CaptureFixture[str]) -> None:
    page: Items[Any] = Items(items=[{"id": 7}, {"id": f"a{HOSTILE}"}], next="c", previous=None)

    give_list(page, Form.NAME, unwanted, name=lambda one: one["id"])

    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "7"
    assert len(out.splitlines()) == 2
    assert out.replace("\n", "").isprintable()
    assert err == "more: --cursor c\n"


def test_a_table_says_how_to_go_on_and_a_whole_list_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    give_list(Items(items=[], next="c", previous=None), Form.TABLE, lambda: print("words"), name=str)  # noqa: T201
    give_list(Listed(items=[]), Form.TABLE, lambda: print("more words"), name=str)  # noqa: T201

    assert capsys.readouterr().out == "words\nmore: --cursor c\nmore words\n"


def test_what_is_no_list_is_printed_in_each_form(capsys: pytest.CaptureFixture[str]) -> None:
    give({"a": 1}, Form.JSON, unwanted)
    give({"a": 1}, Form.YAML, unwanted)
    give({"a": 1}, Form.TABLE, lambda: print("words"))  # noqa: T201

    assert capsys.readouterr().out == '{\n  "a": 1\n}\na: 1\nwords\n'


def test_many_things_are_lines_of_json_or_documents_of_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    for form in (Form.JSON, Form.YAML):
        for number in (1, 2):
            give_line({"a": number}, form, unwanted)

    assert capsys.readouterr().out == '{"a": 1}\n{"a": 2}\n---\na: 1\n---\na: 2\n'
