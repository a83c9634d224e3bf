"""Every container of ours runs a command line that `receiver` understands."""

from collections.abc import Sequence
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from receiver.agent.front import _parser
from receiver.cli.front import app
from tests.deploy.manifests import EXAMPLES, INSTALLATIONS, Thing, containers, overlay, pods, read


def understood(arguments: Sequence[str]) -> None:
    """Parse a command line as `receiver` does; it ends with an error where it is none."""
    if arguments[0] == "agent":
        _parser({}).parse_args(arguments[1:])
        return
    command: Any = get_command(app)
    context = command.make_context("receiver", list(arguments))
    while isinstance(command, TyperGroup) and (rest := [*context._protected_args, *context.args]):
        _, command, rest = command.resolve_command(context, rest)
        context = command.make_context("receiver", rest, parent=context)


def command_lines(things: Sequence[Thing]) -> list[list[str]]:
    everything = [one for pod in pods(things) for one in containers(pod.spec)]
    return [one["args"] for one in everything if one["image"].startswith("receiver:")]


@pytest.mark.parametrize("name", INSTALLATIONS)
def test_each_container_of_an_installation_runs_a_command_that_receiver_has(name: str) -> None:
    lines = command_lines(overlay(name))

    for line in lines:
        understood(line)

    assert {"serve", "exporter"} <= {line[0] for line in lines}


def test_each_container_of_an_example_does_too() -> None:
    lines = command_lines([thing for path in EXAMPLES for thing in read(path.read_text())])

    for line in lines:
        understood(line)

    assert lines


@pytest.mark.parametrize("line", [["history", "forget"], ["serve", "--confg", "a"], ["ops", "hourly"]])
def test_a_command_that_receiver_does_not_have_is_seen(line: list[str]) -> None:
    with pytest.raises(Exception, match="No such"):
        understood(line)
