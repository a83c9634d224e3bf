"""`receiver playbooks rbac` and `receiver playbooks schema`: what follows from the actions themselves."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer

from receiver.cli.completion import playbook_names
from receiver.cli.forms import Form, document, in_yaml
from receiver.cli.front import settings_of
from receiver.cli.reading import Config
from receiver.cli.tables import say
from receiver.model.document import nearest
from receiver.model.errors import PlaybookError
from receiver.remediate.language import Playbook
from receiver.remediate.loader import load_all
from receiver.remediate.rights import role
from receiver.remediate.schema import json_schema

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME...", help="Else all playbooks of the settings.", autocompletion=playbook_names),
]
Namespaces = Annotated[
    list[str] | None,
    typer.Option("--namespace", "-n", help="Where they may act; else the namespaces of the settings."),
]
Account = Annotated[str, typer.Option(help="Service account that Receiver runs as: NAMESPACE/NAME.")]


def rbac(
    names: Names = None,
    *,
    namespace: Namespaces = None,
    account: Account = "monitoring/receiver",
    config: Config = None,
) -> None:
    """Print the least Role and RoleBinding for playbooks, per namespace, for `kubectl apply -f -`."""
    settings = settings_of(config)
    chosen = _chosen(load_all(settings.playbooks), names or ())
    where = namespace or [one for one in settings.kubernetes.namespaces if one != "*"]
    if not where:
        raise PlaybookError("no namespace to act in is named: give --namespace, or set kubernetes.namespaces")
    for line in written(made for one in where for made in role(chosen, one, account)).splitlines():
        say(line)


def schema() -> None:
    """Print the JSON Schema of playbooks, with every action that is installed, for editors."""
    typer.echo(document(json_schema(), Form.JSON), nl=False)


def written(documents: Iterable[dict[str, Any]]) -> str:
    """Write objects of Kubernetes as the documents of one YAML file."""
    return "---\n".join(map(in_yaml, documents))


def _chosen(playbooks: list[Playbook], names: Sequence[str]) -> list[Playbook]:
    known = {str(playbook.name): playbook for playbook in playbooks}
    for name in names:
        if name not in known:
            raise PlaybookError(f"there is no playbook {name!r}{nearest(name, known)}")
    return [known[name] for name in names] if names else playbooks
