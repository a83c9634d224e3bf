"""Every object of deploy/ is one that Kubernetes takes, and that a strict cluster lets run."""

import json
import os
import subprocess
from copy import deepcopy
from functools import cache
from typing import Any

import jsonschema
import kubernetes_validate
import pytest

from tests.deploy.manifests import (
    EXAMPLES,
    INSTALLATIONS,
    ROOT,
    Pod,
    Thing,
    containers,
    kubectl,
    of_kind,
    overlay,
    pods,
    read,
    title,
)

OVERLAYS = (*INSTALLATIONS, "monitoring")
SCHEMAS = ROOT / "tests/data/prometheus-operator"
VERSIONS = ("1.30", "1.37")
"""Of Kubernetes: the oldest that is promised, and the newest that there is."""
KUBECONFIG = os.environ.get("RECEIVER_TEST_KUBECONFIG", "")


def strict(schema: Any) -> Any:
    """Refuse fields that a schema does not name, as an API server does when it is asked to be strict."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: strict(value) for key, value in schema.items()}
    if (
        isinstance(inner.get("properties"), dict)
        and "type" in inner
        and not inner.get("x-kubernetes-preserve-unknown-fields")
    ):
        inner.setdefault("additionalProperties", False)
    return inner


@cache
def schema_of(kind: str, version: str) -> Any:
    return strict(json.loads((SCHEMAS / f"{kind}.{version}.json").read_text()))


def judge(thing: Thing) -> None:
    """Refuse what the schemas refuse."""
    _judge(json.dumps(thing, sort_keys=True))


@cache
def _judge(text: str) -> None:
    """Judge one object; two overlays have much in common."""
    thing = json.loads(text)
    group, _, version = thing["apiVersion"].rpartition("/")
    if group == "monitoring.coreos.com":
        jsonschema.Draft7Validator(schema_of(thing["kind"], version)).validate(thing)
        return
    for release in VERSIONS:
        kubernetes_validate.validate(thing, release, strict=True)


def restricted(pod: Pod) -> list[str]:
    """Name what Pod Security's `restricted` would refuse, a root that can be written to, and missing limits."""
    found = []
    whole = pod.spec.get("securityContext", {})
    if not whole.get("runAsNonRoot") or whole.get("seccompProfile") != {"type": "RuntimeDefault"}:
        found.append(f"{pod.owner}: may be root, or has no seccomp profile")
    for one in containers(pod.spec):
        own = one.get("securityContext", {})
        wanted = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        if any(own.get(key) != value for key, value in wanted.items()):
            found.append(f"{pod.owner} {one['name']}: {own}")
        if {"cpu", "memory"} - set(one.get("resources", {}).get("limits", {})):
            found.append(f"{pod.owner} {one['name']}: no limits")
    return found


@pytest.mark.parametrize("name", OVERLAYS)
def test_kubernetes_takes_every_object(name: str) -> None:
    things = overlay(name)

    for thing in things:
        judge(thing)

    assert len({title(thing) for thing in things}) == len(things)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_kubernetes_takes_every_example(path: Any) -> None:
    things = read(path.read_text())

    for thing in things:
        judge(thing)

    assert things


def test_a_field_that_does_not_exist_is_seen() -> None:
    job = deepcopy(of_kind(overlay("production"), "Job")[0])
    job["spec"]["template"]["spec"]["restartPolicies"] = "Never"

    with pytest.raises(kubernetes_validate.ValidationError):
        judge(job)


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_pod_may_do_as_little_as_possible(name: str) -> None:
    made = [pod for pod in pods(overlay(name)) if pod.spec]

    assert made
    assert [complaint for pod in made for complaint in restricted(pod)] == []


@pytest.mark.parametrize("name", INSTALLATIONS)
def test_no_service_writes_into_the_environment_where_settings_are_looked_for(name: str) -> None:
    assert [pod.owner for pod in pods(overlay(name)) if pod.spec.get("enableServiceLinks") is not False] == []


@pytest.mark.parametrize("name", OVERLAYS)
def test_everything_is_in_one_namespace_and_none_is_made(name: str) -> None:
    cluster_wide = {"ClusterRole", "ClusterRoleBinding"}
    elsewhere = [
        title(thing)
        for thing in overlay(name)
        if thing["kind"] not in cluster_wide and thing["metadata"].get("namespace") not in ("taskmaster", "kube-system")
    ]

    assert elsewhere == []
    assert of_kind(overlay(name), "Namespace") == []


@pytest.mark.parametrize("name", OVERLAYS)
def test_no_secret_stands_in_a_manifest(name: str) -> None:
    values = [
        f"{pod.owner}: {variable['name']}"
        for pod in pods(overlay(name))
        for one in containers(pod.spec)
        for variable in one.get("env", ())
        if "value" in variable and any(word in variable["name"] for word in ("PASSWORD", "TOKEN", "SECRET", "KEY"))
        if not variable["name"].endswith("__FILE")
    ]

    assert of_kind(overlay(name), "Secret") == []
    assert values == []


@pytest.mark.skipif(not KUBECONFIG, reason="RECEIVER_TEST_KUBECONFIG names no cluster")
@pytest.mark.parametrize("name", INSTALLATIONS)
def test_a_real_api_server_takes_every_object(name: str) -> None:
    # Nothing is made, but the namespace has to be there: every cluster has this one.
    text = "\n---\n".join(json.dumps(thing) for thing in overlay(name)).replace('"taskmaster"', '"default"')

    done = subprocess.run(
        [kubectl(), "--kubeconfig", KUBECONFIG, "apply", "--dry-run=server", "--validate=strict", "--filename=-"],
        input=text, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
