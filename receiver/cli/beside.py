"""What is said where `--server` is given to a command that no service elsewhere can be asked for."""

from typing import Annotated, Any, Final

import typer
from typer.main import get_command

from receiver.model.errors import SettingsError

_OTHERWISE: Final = {
    "serve": "it is the service that others ask; say where it listens by --host and --port",
    "worker": "it works for the service, through the database that both name; say which by --config",
    "exporter": "it is asked by Prometheus itself, and reads the cluster that the settings name; see --config",
    "demo": "it brings a service of its own, on this machine; open the address that it prints",
    "silences": "it asks Alertmanager itself: name that by --alertmanager URL",
    "playbooks": "it reads playbooks where you are: name files, or settings by --config",
    "routes": "it reads the settings where you are, and asks nobody: name them by --config",
}
"""By the first word of a command, what to do instead, where that is not to go where the service runs."""

_THERE: Final = (
    "it works with the settings, the database and the cluster of the machine it runs on; "
    "run it where the service runs, as in `kubectl -n NAMESPACE exec receiver-0 -- receiver {words}`"
)


def refuse_elsewhere(words: str, command: Any) -> None:
    """Have a command, and all that are below it, say of `--server` why they cannot take it, and what to do instead.

    Args:
        words: That call it, such as `archive verify`.
        command: It, or a group.
    """
    for name, child in getattr(command, "commands", {}).items():
        refuse_elsewhere(f"{words} {name}", child)
    if all(one.name != "server" for one in command.params):
        command.params.append(_refusal(words))


def _refusal(words: str) -> Any:
    """Make an option that shows nowhere, and only says why it is none."""

    def refuse(value: str | None) -> None:
        if value is not None:
            reason = _OTHERWISE.get(words.split(maxsplit=1)[0]) or _THERE.format(words=words)
            raise SettingsError(f"`receiver {words}` takes no --server: {reason}")

    carrier = typer.Typer(add_completion=False)

    @carrier.command()
    def _(
        _server: Annotated[
            str | None, typer.Option("--server", hidden=True, callback=refuse, help="Not for this command.")
        ] = None,
    ) -> None: ...

    option: Any = get_command(carrier).params[0]
    option.expose_value = False
    return option
