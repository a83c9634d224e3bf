"""What kustomize makes of deploy/, and how its parts hang together."""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
INSTALLATIONS = ("minimal", "production")
"""Overlays of Receiver itself; `monitoring` stands beside either."""
EXAMPLES = sorted((DEPLOY / "examples").glob("*.yaml"))

Thing = dict[str, Any]


class Pod(NamedTuple):
    """What makes pods, and what they look like."""

    owner: str
    labels: Mapping[str, str]
    spec: Thing
    """Empty where an operator makes them, and knows their containers."""
    ports: Mapping[str, int]


def kubectl() -> str:
    """The kubectl of this environment, whatever else the machine has."""
    return str(Path(sys.executable).with_name("kubectl"))


def read(text: str) -> list[Thing]:
    """Read the documents of a YAML file that are not empty."""
    return [document for document in YAML(typ="safe").load_all(text) if document]


@cache
def built(folder: str) -> tuple[Thing, ...]:
    """Put a folder of deploy/ together, as `kubectl apply --kustomize` would."""
    done = subprocess.run([kubectl(), "kustomize", str(DEPLOY / folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return tuple(read(done.stdout))


def overlay(name: str) -> tuple[Thing, ...]:
    """Put an overlay together."""
    return built(f"overlays/{name}")


def title(thing: Thing) -> str:
    """Kind and name."""
    return f"{thing['kind']}/{thing['metadata']['name']}"


def of_kind(things: Sequence[Thing], *kinds: str) -> list[Thing]:
    """Those of some kinds."""
    return [thing for thing in things if thing["kind"] in kinds]


def named(things: Sequence[Thing], kind: str, name: str) -> Thing:
    """The one of a name; a generated one may end in a hash."""
    found = [one for one in of_kind(things, kind) if one["metadata"]["name"].startswith(name)]
    return min(found, key=lambda one: len(one["metadata"]["name"]))


def pods(things: Sequence[Thing]) -> list[Pod]:
    """All pods that will be, of an operator's too."""
    return [pod for thing in things for pod in _pods(thing)]


def _pods(thing: Thing) -> Iterator[Pod]:
    spec = thing.get("spec", {})
    match thing["kind"]:
        case "CronJob":
            template = spec["jobTemplate"]["spec"]["template"]
        case "Deployment" | "StatefulSet" | "Job" | "DaemonSet":
            template = spec["template"]
        case "Pod":
            template = thing
        case "Prometheus" | "Alertmanager" as kind:
            # https://prometheus-operator.dev/docs/platform/troubleshooting/: the labels that the operator gives.
            name = thing["metadata"]["name"]
            given = spec.get("podMetadata", {}).get("labels", {})
            labels = {"app.kubernetes.io/name": kind.lower(), kind.lower(): name, "app.kubernetes.io/instance": name}
            port = {"Prometheus": 9090, "Alertmanager": 9093}[kind]
            yield Pod(title(thing), {**labels, **given}, {}, {"web": port})
            return
        case _:
            return
    inner = template["spec"]
    ports = {port["name"]: port["containerPort"] for one in containers(inner) for port in one.get("ports", ())}
    yield Pod(title(thing), template["metadata"]["labels"], inner, ports)


def containers(spec: Thing) -> list[Thing]:
    """All containers of a pod."""
    return [*spec.get("initContainers", ()), *spec.get("containers", ())]


def selects(selector: Thing | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector means something with these labels; an empty one means everything."""
    if selector is None:
        return False
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for one in selector.get("matchExpressions", ()):
        there = labels.get(one["key"])
        holds = {
            "In": there in one.get("values", ()),
            "NotIn": there not in one.get("values", ()),
            "Exists": there is not None,
            "DoesNotExist": there is None,
        }[one["operator"]]
        if not holds:
            return False
    return True
