"""Filters that several lists share, each explained once."""

from typing import Annotated

import typer

from receiver.cli.completion import playbook_names

Alertname = Annotated[str | None, typer.Option(metavar="NAME", help="Only alerts of this name.")]
Severity = Annotated[str | None, typer.Option(metavar="NAME", help="Only of this severity, such as critical.")]
Namespace = Annotated[str | None, typer.Option(metavar="NAME", help="Only in this namespace.")]
Workflow = Annotated[str | None, typer.Option(metavar="NAME", help="Only about the workflow of this name.")]
Playbook = Annotated[
    str | None, typer.Option(metavar="NAME", help="Only of this playbook.", autocompletion=playbook_names)
]
PlaybookName = Annotated[
    str,
    typer.Argument(metavar="NAME", help="As `receiver playbooks list` shows it.", autocompletion=playbook_names),
]
Incident = Annotated[int | None, typer.Option(metavar="ID", help="Only of this incident.")]
