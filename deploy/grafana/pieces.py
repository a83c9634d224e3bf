"""What the dashboards are made of: the frame, and a few kinds of panels that all look alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.builders import common, stat, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable, ThresholdsConfig
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models.common import BigValueGraphMode, LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
    VariableOption,
)

SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
PROVISIONED: Final = "prometheus"
"""Uid of the datasource that is provisioned; who has another one chooses it above the dashboard."""

WIDE: Final = 24
HALF: Final = 12
THIRD: Final = 8
QUARTER: Final = 6
HIGH: Final = 8
LOW: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What Prometheus is asked.

    Attributes:
        expr: In PromQL.
        legend: The name of each line, with `{{label}}`.
    """

    expr: str
    legend: str = ""

    def build(self, name: str, *, instant: bool = False) -> Dataquery:
        """Make the query of a panel; *name* is its letter there."""
        query = Dataquery().expr(self.expr).legend_format(self.legend or "__auto").ref_id(name).datasource(SOURCE)
        return query.instant() if instant else query.range()


def frame(uid: str, title: str, *, tags: Sequence[str], description: str, since: str = "now-24h") -> Dashboard:
    """Begin a dashboard: its name, its datasource, its span of time."""
    source = (
        DatasourceVariable("datasource")
        .label("Datasource")
        .type("prometheus")
        .current(VariableOption(text="Prometheus", value=PROVISIONED))
    )
    return (
        Dashboard(title)
        .uid(uid)
        .tags(list(tags))
        .description(description)
        .time(since, "now")
        .timezone("browser")
        .refresh("1m")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(source)
    )


def lines(title: str, description: str, *queries: Query, unit: str = "short", span: int = HALF) -> timeseries.Panel:
    """Make a panel of lines over time; nothing shown begins below zero."""
    legend = common.VizLegendOptions().show_legend(True).placement(LegendPlacement.BOTTOM)
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .fill_opacity(10)
        .legend(legend.display_mode(LegendDisplayMode.LIST))
        .span(span)
        .height(HIGH)
    )
    for number, query in enumerate(queries):
        panel.with_target(query.build(chr(ord("A") + number)))
    return panel


def number(
    title: str,
    description: str,
    query: Query,
    *,
    unit: str = "short",
    span: int = QUARTER,
    steps: Mapping[float, str] | None = None,
    words: Mapping[str, tuple[str, str]] | None = None,
) -> stat.Panel:
    """Make a panel of one number as it is now, over its course.

    Args:
        title: Its name.
        description: What it means, and what to do about it.
        query: What gives it.
        unit: Grafana's name of a unit.
        span: Columns, of 24.
        steps: From which value on it has which colour; green below the first.
        words: For a value: what stands there instead, and in which colour.
    """
    colours = [Threshold(color="green"), *(Threshold(value=value, color=name) for value, name in (steps or {}).items())]
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .no_value("none")
        .thresholds(ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(colours))
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .graph_mode(BigValueGraphMode.AREA)
        .span(span)
        .height(LOW)
        .with_target(query.build("A"))
    )
    if words:
        named = {value: ValueMappingResult(text=text, color=colour) for value, (text, colour) in words.items()}
        panel.mappings([ValueMap(options=named)])
    return panel
