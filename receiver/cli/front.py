"""The command `receiver`: its subcommands, and how errors are said."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn, TypeVar

import typer
import uvloop

from receiver import __version__
from receiver.cli.forms import Form, Output
from receiver.cli.group import Subcommands
from receiver.cli.logs import set_up_logs
from receiver.model.errors import DocumentError, PlaybookError, QueryRefused, ReceiverError, SettingsError
from receiver.settings import Settings, read_settings

app = typer.Typer(
    name="receiver",
    cls=Subcommands,
    help="Keeps every Prometheus alert, heals stuck Argo workflows under guards, and tells people what is left.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help="Settings; else RECEIVER_CONFIG, else ./receiver.yaml."),
]

T = TypeVar("T")

_ENDED: Final = 128
"""Added to the number of the signal that ended a command, as shells do."""


def main() -> None:
    """Run the command line; errors of ours become one line and an exit code."""
    try:
        app(prog_name="receiver")
    except ReceiverError as error:
        _fail(error)
    except BaseExceptionGroup as group:
        errors = _leaves(group)
        if not all(isinstance(error, ReceiverError) for error in errors):
            raise
        _fail(errors[0])


def _fail(error: BaseException) -> NoReturn:
    from receiver.cli.tables import clean  # noqa: PLC0415 - only where something failed

    typer.echo(f"receiver: {clean(str(error))}", err=True)
    wrongly_asked = isinstance(error, SettingsError | DocumentError | PlaybookError | QueryRefused)
    sys.exit(2 if wrongly_asked else 1)


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """List the errors of a group and of the groups in it."""
    return [
        leaf
        for error in group.exceptions
        for leaf in (_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]


def settings_of(config: Path | None) -> Settings:
    """Read the settings, and set up the logs that go with them."""
    set_up_logs()
    return read_settings(config, os.environ)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work to its end, and give what it found; Ctrl-C and SIGTERM let it put away what it opened."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_endable(work))
    except KeyboardInterrupt:
        sys.exit(_ENDED + signal.SIGINT)
    except asyncio.CancelledError:
        sys.exit(_ENDED + signal.SIGTERM)


async def _endable(work: Coroutine[Any, Any, T]) -> T:
    """Do work that SIGTERM cancels, as Ctrl-C does; what waits for the signal itself takes it over."""
    task = asyncio.current_task()
    if task is not None and threading.current_thread() is threading.main_thread():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,  # noqa: FBT002 - typer's way of a flag
) -> None:
    """Say the version, or go on to the subcommand."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def serve(
    config: Config = None,
    host: Annotated[str | None, typer.Option(metavar="H", help="Where to listen; else server.host.")] = None,
    port: Annotated[int | None, typer.Option(metavar="P", help="Where to listen; else server.port.")] = None,
) -> None:
    """Run the whole service in one process: API and job worker, with an embedded Postgres where none is configured."""
    from receiver.cli.process import serve as serving  # noqa: PLC0415 - see the head of the room

    run(serving(settings_of(config), host=host, port=port))


@app.command()
def worker(
    config: Config = None,
    host: Annotated[str | None, typer.Option(metavar="H", help="Where to answer; else server.host.")] = None,
    port: Annotated[
        int | None, typer.Option(metavar="P", help="Answer /healthz, /readyz and /metrics here; else nowhere.")
    ] = None,
) -> None:
    """Run the job worker alone, for more replicas."""
    from receiver.cli.process import work as working  # noqa: PLC0415

    run(working(settings_of(config), host=host, port=port))


@app.command()
def migrate(config: Config = None) -> None:
    """Bring the database to the newest schema."""
    from receiver.cli.process import migrate as migrating  # noqa: PLC0415

    run(migrating(settings_of(config)))


@app.command()
def check(config: Config = None, output: Output = Form.TABLE) -> None:
    """Validate configuration and playbooks, then try each dependency: one line each, with the fix for what fails."""
    from receiver.cli.doctor import check as checking  # noqa: PLC0415

    run(checking(settings_of(config), output))


@app.command()
def demo(
    port: Annotated[int, typer.Option(metavar="P", help="Where the demo listens.")] = 8080,
    once: Annotated[bool, typer.Option("--once", help="End with the story: 0 when it ended as it should.")] = False,  # noqa: FBT002
    stage: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Play nothing: only run the stand-ins, for a service of your own."),
    ] = None,
) -> None:
    """Play a real incident on this machine: stand-in cluster, real webhook, real decisions."""
    set_up_logs()
    if stage is not None:
        from receiver.cli.practice import practise  # noqa: PLC0415

        run(practise(stage, port=port))
        return
    from receiver.cli.demo import play  # noqa: PLC0415

    run(play(port=port, once=once))
