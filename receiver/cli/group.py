"""The subcommands that live in modules of their own, imported only when one of them is called."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final, NamedTuple

import typer
from typer.core import TyperGroup
from typer.main import get_command

from receiver.cli.beside import refuse_elsewhere


class Later(NamedTuple):
    """A subcommand whose module is imported when it is called.

    Attributes:
        module: Has the subcommand as `app`.
        help: One line for the list of commands.
    """

    module: str
    help: str


LATER: Final[Mapping[str, Later]] = {
    "alerts": Later("receiver.cli.alerts", "Alerts: list, show, tail."),
    "incidents": Later("receiver.cli.incidents", "Incidents: list, show the story of one, ack, silence."),
    "remediations": Later(
        "receiver.cli.remediations", "Remediations: list, show, approve, reject, cancel, pause, resume."
    ),
    "playbooks": Later("receiver.cli.playbooks", "Playbooks: list, show, lint, rbac, schema, close."),
    "why": Later("receiver.cli.why", "Every decision about an alert or an incident, above all each refusal."),
    "outbox": Later("receiver.cli.outbox", "What people were told, and what became of it: list, show, replay."),
    "routes": Later("receiver.cli.routes", "Who would be told of an alert, and why: test."),
    "templates": Later("receiver.cli.templates", "How messages read in the words of a template: preview."),
    "deadletter": Later("receiver.cli.deadletters", "Bodies that were not understood: list, show, replay, discard."),
    "archive": Later("receiver.cli.archive", "Finished workflows on S3: setup, create, list, get, verify, restore."),
    "cleanup": Later("receiver.cli.cleanup", "Finished workflows to the archive, then out of the cluster; list, rbac."),
    "ops": Later("receiver.cli.ops", "Reports of operations, whose exit code can be trusted: daily, weekly."),
    "exporter": Later("receiver.cli.exporter", "Metrics of workflows and their pods, for Prometheus."),
    "history": Later("receiver.cli.history", "Old history to Parquet on S3, then out of Postgres: export, prune."),
    "silences": Later("receiver.cli.silences", "Alertmanager's silences: list, add, expire."),
    "test-alert": Later("receiver.cli.trial", "Fire a test alert, and follow it to the end."),
    "agent": Later("receiver.cli.agent", "Beside the agents: health, synthetic, resources."),
    "stats": Later("receiver.cli.stats", "What happened over time, what was loud and what was silent."),
}


class Subcommands(TyperGroup):
    """All subcommands: those that were imported, and those that are not yet."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Name all subcommands."""
        return [*super().list_commands(ctx), *LATER]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Give a subcommand; one that is not imported by its name and its line of help."""
        later = LATER.get(cmd_name)
        if later is None:
            return super().get_command(ctx, cmd_name)
        return TyperGroup(name=cmd_name, help=later.help)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the subcommand that is called, and import it."""
        later = LATER.get(args[0]) if args else None
        if later is None:
            found: tuple[str | None, Any, list[str]] = super().resolve_command(ctx, args)
            if found[1] is not None:
                refuse_elsewhere(str(found[0]), found[1])
            return found
        app: typer.Typer = import_module(later.module).app
        command = get_command(app)
        command.name = args[0]
        if args[0] != "agent":  # It takes whatever it is given.
            refuse_elsewhere(args[0], command)
        return args[0], command, args[1:]
