"""The demo's stage alone: stand-ins to practise on, for a service that somebody sets up himself."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import anyio
import typer

from receiver.cli.forms import in_yaml
from receiver.cli.listening import background, until_asked_to_stop
from receiver.cli.stage import CHANNEL, NAMESPACE, StandIns, open_stand_ins
from receiver.cli.tables import clean
from receiver.model.errors import SettingsError
from receiver.sandbox.scenario import stuck_workflow

STUCK: Final = ("rex-implements-login", "tess-runs-the-tests", "cleo-reviews-the-code")
"""Workflows that have been stuck for seven hours, and that a restart helps: one for each mode of a playbook."""

_EVERY: Final = timedelta(seconds=0.5)
"""Between two looks at what people were told."""


async def practise(folder: Path, *, port: int) -> None:
    """Run the stand-ins until asked to stop, and say what people are told through them.

    Args:
        folder: Is made, and gets the settings of a service that knows only the stand-ins, with a folder for playbooks.
        port: Where that service will listen.

    Raises:
        SettingsError: The folder is there already, or cannot be made.
    """
    folder = _make(folder)
    async with open_stand_ins(folder, port=port) as around:
        for name in STUCK:
            stuck_workflow(around.cluster, NAMESPACE, name, agent=name.partition("-")[0])
        file = folder / "receiver.yaml"
        file.touch(mode=0o600)
        file.write_text(in_yaml(around.written | {"playbooks": str(folder / "playbooks")}), encoding="utf-8")
        typer.echo(f"In the namespace {NAMESPACE} of a stand-in cluster these have been stuck for seven hours:")
        typer.echo("".join(f"  {name}\n" for name in STUCK))
        typer.echo(f"{file} has the settings of a service that knows only this cluster,")
        typer.echo("a stand-in for Slack and one for PagerDuty. What people are told follows here. Ctrl-C ends it all.")
        async with background("telling", _Telling(around).go_on):
            await until_asked_to_stop()


def _make(folder: Path) -> Path:
    """Make the folder with one for playbooks in it, and say where it is."""
    try:
        folder.mkdir(parents=True)
        (folder / "playbooks").mkdir()
    except OSError as error:
        raise SettingsError(f"--stage names a folder that is made: {error}; name another one, or remove it") from error
    return folder.absolute()


class _Telling:
    """Says what people are told, as it comes and as it changes."""

    def __init__(self, around: StandIns) -> None:
        self._around = around
        self._said: dict[str, str] = {}

    async def go_on(self) -> None:
        """Look and say, until cancelled."""
        while True:
            for key, text in self._now():
                if self._said.get(key) != text:
                    self._said[key] = text
                    typer.echo(clean(text))
            await anyio.sleep(_EVERY.total_seconds())

    def _now(self) -> Iterator[tuple[str, str]]:
        for message in self._around.slack.messages(CHANNEL):
            yield f"slack {message.ts}", f"Slack {CHANNEL}: {message.text.splitlines()[0]}"
        for alert in self._around.pagerduty.alerts:
            yield f"pagerduty {alert.dedup_key}", f"PagerDuty: {alert.summary} ({alert.status.value})"
