"""The dashboards of Grafana: fresh, named as promised, and about figures that exist."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.grafana.boards import BOARDS, written

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/grafana/dashboards"


def committed(name: str) -> dict[str, Any]:
    board: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return board


def queries(name: str) -> Iterator[str]:
    for panel in committed(name)["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))


@pytest.mark.parametrize("name", BOARDS)
def test_the_committed_dashboard_is_what_make_dashboards_writes(name: str) -> None:
    assert (FOLDER / f"{name}.json").read_text() == written(BOARDS[name]())


def test_no_dashboard_is_left_over() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(BOARDS)


@pytest.mark.parametrize("name", BOARDS)
def test_every_query_asks_the_chosen_datasource_and_no_panel_is_without_one(name: str) -> None:
    board = committed(name)
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]

    assert [(one["name"], one["query"], one["current"]["value"]) for one in board["templating"]["list"]] == [
        ("datasource", "prometheus", "prometheus")
    ]
    assert all(panel["targets"] and panel["title"] and panel["description"] for panel in panels)
    asked = {target["datasource"]["uid"] for panel in panels for target in panel["targets"]}
    assert asked == {"${datasource}"}
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_the_dashboard_of_workflows_has_the_promised_panels() -> None:
    board = committed("long-running-workflows")

    placed = {
        panel["title"]: (panel["type"], *(panel["gridPos"][side] for side in ("w", "h", "x", "y")))
        for panel in board["panels"]
    }

    assert (board["title"], board["tags"]) == ("Long-Running Workflow Monitoring", ["taskmaster", "workflows"])
    assert placed == {
        "Active Workflows by Age": ("histogram", 12, 8, 0, 0),
        "Stuck Workflows": ("stat", 12, 8, 12, 0),
        "Resource Usage by Agent": ("timeseries", 24, 8, 0, 8),
    }


def test_every_metric_of_ours_that_is_asked_for_is_documented() -> None:
    pages = "".join(page.read_text() for page in (ROOT / "docs").rglob("*.md"))
    rules = (ROOT / "alertmanager/rules/receiver.yml").read_text()

    asked = set(re.findall(r"\breceiver_\w+", rules + " ".join(query for name in BOARDS for query in queries(name))))

    plain = {metric.removesuffix("_bucket") for metric in asked}
    assert {metric for metric in plain if f"`{metric}" not in pages} == set()
