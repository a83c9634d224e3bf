"""Long-running workflows: how old the active ones are, how many are stuck, what their agents use."""

from grafana_foundation_sdk.builders import histogram, stat, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue

from deploy.grafana.pieces import HALF, HIGH, SOURCE, WIDE, Query, frame, lines, number


def board() -> Dashboard:
    """Make the dashboard."""
    begun = frame(
        "long-running-workflows",
        "Long-Running Workflow Monitoring",
        tags=["taskmaster", "workflows"],
        description="What `receiver exporter` and the recording rules say of workflows that are not finished.",
        since="now-7d",
    )
    return begun.with_panel(_ages()).with_panel(_stuck()).with_panel(_usage())


def _ages() -> histogram.Panel:
    age = Query(
        expr='(time() - argo_workflow_start_time{phase!~"Succeeded|Failed|Error"}) / 86400', legend="Days Active"
    )
    return (
        histogram.Panel()
        .title("Active Workflows by Age")
        .description("How many unfinished workflows are how many days old.")
        .datasource(SOURCE)
        .unit("d")
        .bucket_size(1)
        .combine(True)
        .span(HALF)
        .height(HIGH)
        .with_target(age.build("A", instant=True))
    )


def _stuck() -> stat.Panel:
    return number(
        "Stuck Workflows",
        "For six hours in one phase, and for half an hour without progress: the condition of WorkflowStuckDetection.",
        Query(expr="workflow:stuck_count", legend="Stuck Workflows"),
        span=HALF,
        steps={1: "red"},
    ).height(HIGH)


def _usage() -> timeseries.Panel:
    """CPU by the left axis, memory by the right one."""
    panel = lines(
        "Resource Usage by Agent",
        "Mean over the workflows of each agent; 100 % is what their pods may take.",
        Query(expr="workflow:cpu_usage_avg", legend="{{agent}} CPU %"),
        Query(expr="workflow:memory_usage_avg / 1e9", legend="{{agent}} Memory GB"),
        unit="percent",
        span=WIDE,
    )
    right = [
        DynamicConfigValue(id_val="unit", value="decgbytes"),
        DynamicConfigValue(id_val="custom.axisPlacement", value="right"),
    ]
    return panel.override_by_query("B", right)
