"""What stands around Receiver is what it needs, and is made of the rules and the configuration that are shipped."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.rules import WRITTEN, groups
from tests.deploy.manifests import (
    DEPLOY,
    EXAMPLES,
    ROOT,
    Thing,
    named,
    of_kind,
    overlay,
    pods,
    read,
    selects,
    title,
)

MONITORING = overlay("monitoring")
AROUND = (*overlay("production"), *MONITORING, *(thing for path in EXAMPLES for thing in read(path.read_text())))
KUBELET = "ServiceMonitor/kubelet"
"""Its Service is in kube-system, and the operator keeps it."""


def endpoints(thing: Thing) -> list[Thing]:
    found: list[Thing] = thing["spec"].get("endpoints") or thing["spec"]["podMetricsEndpoints"]
    return found


def asked(pattern: str) -> set[str]:
    """Series that rules and dashboards ask for."""
    texts = [path.read_text() for path in (ROOT / "alertmanager/rules").glob("*.yml")]
    texts += [path.read_text() for path in (DEPLOY / "grafana/dashboards").glob("*.json")]
    return {name for text in texts for name in re.findall(pattern, text)}


def monitors() -> Iterator[Thing]:
    yield from of_kind(MONITORING, "ServiceMonitor", "PodMonitor")


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_written_of_the_shipped_alerting_is_fresh(name: str) -> None:
    assert (DEPLOY / name).read_text() == WRITTEN[name]()


def test_the_rules_in_the_cluster_are_those_that_promtool_judged() -> None:
    rule = named(MONITORING, "PrometheusRule", "workflow-monitoring-rules")

    assert rule["spec"]["groups"] == groups()
    assert {"workflow.health", "workflow.recording"} <= {group["name"] for group in groups()}


def test_the_secret_of_the_example_is_the_configuration_that_amtool_judged() -> None:
    (secret,) = read((DEPLOY / "examples/alertmanager-config.yaml").read_text())

    assert secret["stringData"] == {"alertmanager.yaml": (ROOT / "alertmanager/alertmanager.yml").read_text()}


def test_each_file_that_alertmanager_reads_is_mounted_for_it() -> None:
    spec = named(MONITORING, "Alertmanager", "workflow-alertmanager")["spec"]
    (mount,) = spec["volumeMounts"]
    (volume,) = spec["volumes"]
    files = re.findall(r"_file: *(\S+)", (ROOT / "alertmanager/alertmanager.yml").read_text())

    mounted = {f"{mount['mountPath']}/{item['path']}" for item in volume["secret"]["items"]}

    assert set(files) == mounted
    assert spec["configSecret"] == "alertmanager-config"


def test_prometheus_is_as_large_as_promised_and_selects_what_is_there() -> None:
    spec = named(MONITORING, "Prometheus", "workflow-prometheus")["spec"]
    rule = named(MONITORING, "PrometheusRule", "workflow-monitoring-rules")

    assert (spec["replicas"], spec["retention"], spec["serviceAccountName"]) == (2, "30d", "prometheus")
    assert spec["storage"]["volumeClaimTemplate"]["spec"]["resources"]["requests"]["storage"] == "100Gi"
    assert spec["resources"] == {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"cpu": "2", "memory": "4Gi"}}
    assert selects(spec["ruleSelector"], rule["metadata"]["labels"])
    for monitor in monitors():
        selector = spec["serviceMonitorSelector" if monitor["kind"] == "ServiceMonitor" else "podMonitorSelector"]
        assert selects(selector, monitor["metadata"]["labels"]), title(monitor)


def test_prometheus_tells_an_alertmanager_that_is_there() -> None:
    (peer,) = named(MONITORING, "Prometheus", "workflow-prometheus")["spec"]["alerting"]["alertmanagers"]
    service = named(MONITORING, "Service", peer["name"])

    assert peer["port"] in [port["name"] for port in service["spec"]["ports"]]
    assert peer["namespace"] == service["metadata"]["namespace"]


def test_everything_is_scraped_every_30_seconds_within_10() -> None:
    for monitor in monitors():
        for endpoint in endpoints(monitor):
            assert (endpoint["interval"], endpoint["scrapeTimeout"]) == ("30s", "10s"), title(monitor)


def test_each_monitor_finds_one_service_and_a_port_of_it() -> None:
    for monitor in of_kind(MONITORING, "ServiceMonitor"):
        if title(monitor) == KUBELET:
            continue
        found = [
            one
            for one in of_kind(AROUND, "Service")
            if selects(monitor["spec"]["selector"], one["metadata"].get("labels", {}))
        ]
        ports = {endpoint["port"] for endpoint in endpoints(monitor)}

        assert len(found) == 1, title(monitor)
        assert ports <= {port["name"] for port in found[0]["spec"]["ports"]}, title(monitor)


def test_each_pod_monitor_finds_pods_that_the_examples_show() -> None:
    for monitor in of_kind(MONITORING, "PodMonitor"):
        assert any(selects(monitor["spec"]["selector"], pod.labels) for pod in pods(AROUND)), title(monitor)


def test_jobs_are_called_as_the_rules_call_them() -> None:
    jobs = asked(r'\bjob="([\w-]+)"') - {"synthetic-health-checks", "test-alert", "resource-monitoring"}
    monitored = {one["metadata"]["name"] for one in of_kind(MONITORING, "ServiceMonitor")}

    assert "receiver" in jobs
    assert jobs <= monitored & {one["metadata"]["name"] for one in of_kind(AROUND, "Service")}


def test_figures_about_others_keep_the_names_of_those() -> None:
    honest = {"receiver-exporter", "pushgateway", "kubelet"}

    keeping = {
        monitor["metadata"]["name"]
        for monitor in monitors()
        if all(endpoint.get("honorLabels") for endpoint in endpoints(monitor))
    }

    assert keeping == honest


def test_each_figure_of_the_kubelet_that_is_asked_for_is_kept() -> None:
    kept = [
        re.compile(rule["regex"])
        for endpoint in endpoints(named(MONITORING, "ServiceMonitor", "kubelet"))
        for rule in endpoint["metricRelabelings"]
    ]

    wanted = asked(r"\b((?:container|kubelet)_[a-z_]+(?:total|bytes|quota|period|shares))\b")

    assert len(wanted) >= 7
    assert {name for name in wanted if not any(pattern.fullmatch(name) for pattern in kept)} == set()


def test_grafana_shows_every_dashboard_and_knows_where_to_ask() -> None:
    dashboards = named(MONITORING, "ConfigMap", "grafana-dashboards")["data"]
    provisioning = named(MONITORING, "ConfigMap", "grafana-provisioning")["data"]
    (source,) = read(provisioning["datasources.yaml"])[0]["datasources"]
    address: Any = re.fullmatch(r"http://([\w-]+):(\d+)", source["url"])

    service = named(MONITORING, "Service", address[1])

    assert set(dashboards) == {path.name for path in (DEPLOY / "grafana/dashboards").glob("*.json")}
    assert source["uid"] == "prometheus"
    assert int(address[2]) in [port["port"] for port in service["spec"]["ports"]]
    assert max(len(text) for text in dashboards.values()) < 1_000_000
