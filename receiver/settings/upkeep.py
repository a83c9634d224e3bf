"""The settings of what runs by the clock and not by an alert."""

from typing import Annotated

import msgspec

from receiver.model.duration import Duration
from receiver.settings.part import Part


class Cleanup(Part, frozen=True):
    """What `receiver cleanup` may delete."""

    older_than: Duration = Duration(days=7)
    """How long ago a workflow must have ended: long enough to look into what failed last week."""
    budget: Annotated[int, msgspec.Meta(ge=1)] = 500
    """Most objects that one run deletes, so that a wrong limit is noticed before all is gone from the cluster."""


class Weekly(Part, frozen=True):
    """What `receiver ops weekly` calls good."""

    cleanup_within: Duration = Duration(days=2)
    """How long ago the last cleanup may have begun: it runs each night, and may fail once."""
    behind: Duration = Duration(days=1)
    """How much longer than `cleanup.older_than` a finished workflow may wait for its deletion."""
    archived_within: Duration = Duration(days=8)
    """How long ago something may have been archived last: a week without any is rare enough to look at."""
    claims_bytes: int = 1024**4
    """Capacity of all claims in the namespaces together."""


class Daily(Part, frozen=True):
    """What `receiver ops daily` calls good."""

    fresh: Duration = Duration(minutes=5)
    """How long ago the exporter may have heard of the cluster: what is older judges nothing."""
    stuck: int = 0
    """Workflows that are stuck."""
    cpu_percent: float = 90.0
    """CPU of a workflow beyond which it counts as busy, as for WorkflowHighCPU."""
    busy: int = 0
    """Workflows that are busy."""
    volume_percent: float = 80.0
    """How full a volume may be, as for WorkflowPVCUsageHigh."""
    prometheus_bytes: int = 3 * 1024**3
    """Resident memory of one Prometheus: three quarters of the 4 GiB that its pod may take."""
    alerts: int = 50
    """Alerts that fire, those that always fire aside."""
    critical: int = 0
    """Those of them with `severity="critical"`."""
    silences: int = 20
    """Silences that hold or will hold."""
    silenced_for: Duration = Duration(days=7)
    """How long each of them may still last: what nobody wants to hear of for longer is a rule to change."""


class Ops(Part, frozen=True):
    """The limits of the reports of `receiver ops`."""

    daily: Daily = Daily()
    weekly: Weekly = Weekly()
