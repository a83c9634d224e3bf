"""The parts of deploy/ fit each other, and fit Receiver."""

import re
from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import pytest

from receiver.cli.cleanup import _READING
from receiver.clients.kubernetes.watching import FOLLOWING
from receiver.remediate.loader import load_all
from receiver.remediate.rights import documents, role, rules_of
from receiver.settings import Settings, check_exposure, read_settings
from tests.deploy.manifests import (
    DEPLOY,
    INSTALLATIONS,
    ROOT,
    Pod,
    Thing,
    built,
    containers,
    named,
    of_kind,
    overlay,
    pods,
    selects,
    title,
)

GUIDE = (ROOT / "docs/deploy.md").read_text()


def together(installation: str) -> tuple[Thing, ...]:
    """An installation with the monitoring beside it."""
    return (*overlay(installation), *overlay("monitoring"))


def settings_of(name: str) -> Settings:
    folder = {"production": "base"}.get(name, f"overlays/{name}")
    return read_settings(DEPLOY / folder / "receiver.yaml", {})


def references(pod: Pod) -> Iterator[tuple[str, str, tuple[str, ...], bool]]:
    """Give what a pod takes from elsewhere: kind, name, keys, and whether it may be missing."""
    for volume in pod.spec.get("volumes", ()):
        for source in volume.get("projected", {}).get("sources", [volume]):
            for kind, key in (("configMap", "name"), ("secret", "name"), ("secret", "secretName")):
                if key in source.get(kind, {}):
                    inner = source[kind]
                    keys = tuple(item["key"] for item in inner.get("items", ()))
                    yield kind.lower(), inner[key], keys, inner.get("optional", False)
    for one in containers(pod.spec):
        for source in one.get("envFrom", ()):
            yield "secret", source["secretRef"]["name"], (), source["secretRef"].get("optional", False)
        for variable in one.get("env", ()):
            if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                yield "secret", reference["name"], (reference["key"],), reference.get("optional", False)


def admits(policies: Sequence[Thing], pod: Pod, way: str, port: int, peer: Pod | None) -> bool:
    """Answer whether a pod's policies let a connection through; None as the peer is somebody outside the cluster."""
    mine = [one["spec"] for one in policies if selects(one["spec"]["podSelector"], pod.labels)]
    mine = [spec for spec in mine if way.capitalize() in spec["policyTypes"]]
    rules = [rule for spec in mine for rule in spec.get(way, ())]
    if not mine:
        return True
    side = {"ingress": "from", "egress": "to"}[way]
    return any(
        port in [one["port"] for one in rule.get("ports", [{"port": port}])]
        and any(_means(one, peer) for one in rule.get(side, [{"ipBlock": {"cidr": "0.0.0.0/0"}}, {"podSelector": {}}]))
        for rule in rules
    )


def _means(one: Thing, peer: Pod | None) -> bool:
    if peer is None:
        return "ipBlock" in one and ip_network(one["ipBlock"]["cidr"]).prefixlen == 0
    if "ipBlock" in one or one.get("namespaceSelector", {}).get("matchLabels"):
        return False
    return selects(one.get("podSelector", {}), peer.labels)


@pytest.mark.parametrize("name", [*INSTALLATIONS, "monitoring"])
def test_each_service_leads_to_pods_and_to_a_port_of_theirs(name: str) -> None:
    there = pods(overlay(name))

    for service in of_kind(overlay(name), "Service"):
        behind = [pod for pod in there if selects({"matchLabels": service["spec"]["selector"]}, pod.labels)]
        wanted = {port["targetPort"] for port in service["spec"]["ports"]}

        assert [pod.owner for pod in behind], title(service)
        assert all(wanted <= set(pod.ports) for pod in behind), title(service)


@pytest.mark.parametrize("name", INSTALLATIONS)
def test_each_selector_means_what_stands_beside_it(name: str) -> None:
    for thing in of_kind(overlay(name), "Deployment", "StatefulSet"):
        assert selects(thing["spec"]["selector"], thing["spec"]["template"]["metadata"]["labels"]), title(thing)
    for budget in of_kind(overlay(name), "PodDisruptionBudget"):
        assert any(selects(budget["spec"]["selector"], pod.labels) for pod in pods(overlay(name))), title(budget)
    for scaler in of_kind(overlay(name), "HorizontalPodAutoscaler"):
        goal = named(overlay(name), scaler["spec"]["scaleTargetRef"]["kind"], scaler["spec"]["scaleTargetRef"]["name"])
        assert "replicas" not in goal["spec"]


@pytest.mark.parametrize("name", [*INSTALLATIONS, "monitoring"])
def test_what_a_pod_takes_is_there_or_is_said_to_be_yours_to_make(name: str) -> None:
    made = {thing["metadata"]["name"]: set(thing["data"]) for thing in of_kind(overlay(name), "ConfigMap")}

    for pod in pods(overlay(name)):
        for kind, one, keys, _ in references(pod):
            if kind == "configmap":
                assert set(keys) <= made[one], f"{pod.owner}: {one}"
            else:
                assert f"`{one}`" in GUIDE, f"{pod.owner}: nobody is told to make the Secret {one}"
                assert all(f"`{key}`" in GUIDE for key in keys), f"{pod.owner}: {one} {keys}"


@pytest.mark.parametrize("name", INSTALLATIONS)
def test_each_account_exists_and_only_one_with_rights_brings_a_token(name: str) -> None:
    things = overlay(name)
    accounts = {one["metadata"]["name"]: one for one in of_kind(things, "ServiceAccount")}
    entitled = {one["subjects"][0]["name"] for one in of_kind(things, "RoleBinding")}

    used = {pod.spec["serviceAccountName"] for pod in pods(things)}

    assert used == set(accounts)
    assert entitled == {one for one, account in accounts.items() if account.get("automountServiceAccountToken", True)}


@pytest.mark.parametrize("name", INSTALLATIONS)
def test_the_settings_are_understood_and_their_secrets_are_files_that_are_mounted(name: str) -> None:
    settings = settings_of(name)
    check_exposure(settings)
    config = named(overlay(name), "ConfigMap", "receiver-config")["data"]["receiver.yaml"]

    files = set(re.findall(r"/etc/receiver/([\w.-]+)", config)) - {"receiver.yaml"}

    assert {one.role for one in settings.auth.tokens} == {"ingest", "viewer", "operator"}
    assert all(f"`{file}`" in GUIDE for file in files), files
    assert settings.database.secret.given == (name == "production")


@pytest.mark.parametrize("name", INSTALLATIONS)
def test_what_is_kept_lies_in_a_folder_below_the_volume_that_the_process_makes_itself(name: str) -> None:
    folder = PurePosixPath(settings_of(name).data_dir)
    serve = next(pod for pod in pods(overlay(name)) if pod.owner == "StatefulSet/receiver")
    (one,) = containers(serve.spec)
    mounts = {mount["name"]: PurePosixPath(mount["mountPath"]) for mount in one["volumeMounts"]}

    assert mounts["data"] in folder.parents
    assert not any(folder.is_relative_to(path) for name, path in mounts.items() if name != "data")


def test_production_starts_nothing_without_the_address_of_a_database() -> None:
    asking = {
        pod.owner for pod in pods(overlay("production")) for one in references(pod) if one[1] == "receiver-database"
    }
    optional = [
        one
        for pod in pods(overlay("production"))
        for one in references(pod)
        if one[1] == "receiver-database" and one[3]
    ]

    assert {"StatefulSet/receiver", "Deployment/receiver-worker", "Job/receiver-migrate"} <= asking
    assert optional == []


def test_the_rights_are_those_that_receiver_asks_for() -> None:
    things = built("base")
    wanted = [
        *role(load_all(None), "taskmaster", "taskmaster/receiver"),
        *documents("receiver-cleanup", rules_of(_READING), "taskmaster", "taskmaster/receiver-cleanup"),
    ]

    for one in wanted:
        there = named(things, one["kind"], one["metadata"]["name"])
        assert {key: there[key] for key in one if key != "metadata"} == {
            key: one[key] for key in one if key != "metadata"
        }


def test_the_exporter_may_follow_and_nothing_else() -> None:
    rules = named(built("base"), "Role", "receiver-exporter")["rules"]

    rights = {
        (verb, group, resource)
        for rule in rules
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }

    assert rights == set(FOLLOWING)


def test_nothing_may_connect_unless_it_is_named() -> None:
    things = overlay("production")
    policies = of_kind(things, "NetworkPolicy")
    stranger = Pod("stranger", {}, {}, {})

    for pod in pods(things):
        assert not admits(policies, pod, "ingress", 8080, stranger), pod.owner
        assert not admits(policies, pod, "egress", 25, None), pod.owner


def test_the_policies_let_through_what_the_settings_name() -> None:
    things = together("production")
    policies = of_kind(things, "NetworkPolicy")
    settings = settings_of("production")
    named_ones = [settings.prometheus.url, settings.pushgateway.url, *settings.alertmanager.urls]
    services = {one["metadata"]["name"]: one for one in of_kind(things, "Service")}
    serve = next(pod for pod in pods(things) if pod.owner == "StatefulSet/receiver")

    for url in named_ones:
        place = urlsplit(url or "")
        service = services[place.hostname or ""]
        port = place.port or 0
        assert port in [one["port"] for one in service["spec"]["ports"]]
        behind = [pod for pod in pods(things) if selects({"matchLabels": service["spec"]["selector"]}, pod.labels)]
        for pod in behind:
            assert admits(policies, serve, "egress", port, pod), url
            assert admits(policies, pod, "ingress", port, serve), url
    outside = {
        443,
        5432,
        *(urlsplit(url).port or 443 for url in (settings.slack.api_url, settings.pagerduty.events_url)),
    }
    assert all(admits(policies, serve, "egress", port, None) for port in outside)


def test_alertmanager_and_prometheus_reach_receiver() -> None:
    things = together("production")
    policies = of_kind(things, "NetworkPolicy")
    serve = next(pod for pod in pods(things) if pod.owner == "StatefulSet/receiver")
    asking = [pod for pod in pods(things) if pod.owner.partition("/")[0] in ("Alertmanager", "Prometheus")]

    assert len(asking) == 2
    for pod in asking:
        assert admits(policies, pod, "egress", 8080, serve)
        assert admits(policies, serve, "ingress", 8080, pod)
