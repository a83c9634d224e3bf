"""What `/metrics` shows of the work of a process, whichever command it is."""

from prometheus_client import CollectorRegistry

from receiver.cli.logs import lines_written
from receiver.pipeline.labour import Labour
from receiver.pipeline.reloading import Reloading
from receiver.web.metrics import ReloadFigures, Reloads, WorkFigures


def show_work(registry: CollectorRegistry, labour: Labour, reloading: Reloading | None) -> None:
    """Have a registry show how the work goes, what the log complains of, and whether changed playbooks are taken."""
    registry.register(WorkFigures(lambda: labour.failing, lines_written))
    if reloading is not None:
        registry.register(ReloadFigures(lambda: _reloads(reloading)))


def _reloads(reloading: Reloading) -> Reloads:
    return Reloads(taken=reloading.taken, refused=reloading.refused, stale=bool(reloading.trouble))
