"""The reference of the command line, from the tree of commands that `receiver --help` shows."""

import socket
from argparse import Action, _SubParsersAction
from collections.abc import Iterator
from enum import Enum
from typing import Any

from typer.main import get_command

from receiver.agent import front
from receiver.cli.front import app
from tests.handbook.prose import table

_ABOUT = """\
What `receiver COMMAND --help` says, of all commands. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.
Shell completion is installed by `receiver --install-completion`.
"""


def page() -> str:
    """Write the page."""
    lines = ["# Commands", "", _ABOUT]
    for words, command in _tree():
        usage = " ".join([*words, "[OPTIONS]", *(_argument(one) for one in _parameters(command, "argument"))])
        lines += [f"## {' '.join(words)}", "", _one_line(command.help), "", f"    {usage}", ""]
        lines += table(
            ["argument or option", "", "unless given"],
            [
                (_names(one), _one_line(one.help), _default(one))
                for kind in ("argument", "option")
                for one in _parameters(command, kind)
            ],
        )
    for name, (help_text, options) in _beside_agents().items():
        lines += [f"## receiver agent {name}", "", help_text, "", f"    receiver agent {name} [OPTIONS]", ""]
        lines += table(["option", "", "unless given"], map(_of_agent, options))
    return "\n".join(lines)


def _beside_agents() -> dict[str, tuple[str, list[Action]]]:
    """Find the commands that read their options themselves, so that they start in a moment: help and options."""
    [below] = [one for one in front._parser({})._actions if isinstance(one, _SubParsersAction)]
    said = {one.dest: one.help or "" for one in below._choices_actions}
    return {
        name: (said[name], [one for one in parser._actions if one.dest != "help"])
        for name, parser in below.choices.items()
    }


def _of_agent(one: Action) -> tuple[str, str, str]:
    value = "" if one.nargs == 0 else f" {one.metavar or one.dest.upper()}"
    given = "" if one.default in (None, False) else f"`{one.default}`"
    given = "the machine's name" if one.default == socket.gethostname() else given
    return ", ".join(f"`{name}{value}`" for name in one.option_strings), one.help or "", given


def _tree() -> Iterator[tuple[list[str], Any]]:
    root: Any = get_command(app)
    for name in root.list_commands(None):
        if name == "agent":
            continue
        _, command, _ = root.resolve_command(None, [name])
        yield from _leaves(["receiver", name], command)


def _leaves(words: list[str], command: Any) -> Iterator[tuple[list[str], Any]]:
    below = getattr(command, "commands", {})
    if not below or command.invoke_without_command:
        yield words, command
    for name, one in below.items():
        yield from _leaves([*words, name], one)


def _parameters(command: Any, kind: str) -> list[Any]:
    return [one for one in command.params if one.param_type_name == kind and one.name != "help" and not one.hidden]


def _argument(one: Any) -> str:
    name = one.metavar or one.name.upper()
    return (name if one.required else f"[{name}]") + ("..." if one.nargs == -1 else "")


def _names(one: Any) -> str:
    if one.param_type_name == "argument":
        return f"`{one.metavar or one.name.upper()}`"
    value = "" if one.is_flag else f" {one.metavar or _kind(one)}"
    return ", ".join(f"`{name}`" for name in (*one.opts[:-1], one.opts[-1] + value, *one.secondary_opts))


def _kind(one: Any) -> str:
    kind = one.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "|".join(str(member.value) for member in kind)
    return str(one.name).upper()


def _default(one: Any) -> str:
    if one.required:
        return "required"
    given = one.default
    if given is None or given is False or given in ([], ()) or callable(given):
        return ""
    return f"`{given.value if isinstance(given, Enum) else given}`"


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
