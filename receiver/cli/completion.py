"""What a shell is offered while somebody types: what is known from the settings of this machine, and asks nobody."""

import os
from pathlib import Path

import typer

from receiver.model.errors import ReceiverError
from receiver.remediate.loader import names_of
from receiver.settings import read_settings


def playbook_names(context: typer.Context, incomplete: str) -> list[str]:
    """Name the playbooks of the settings that begin so; of settings or playbooks that cannot be read, none.

    Whoever presses Tab must not be told of errors in the middle of a line: the command itself tells them.
    """
    named = context.params.get("config")
    try:
        known = names_of(read_settings(Path(named) if named else None, os.environ).playbooks)
    except ReceiverError:
        return []
    return [name for name in known if name.startswith(incomplete)]
