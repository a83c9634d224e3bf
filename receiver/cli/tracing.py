"""What sends traces, made of the settings and run beside the worker."""

from receiver.pipeline.rooms import Rooms
from receiver.settings import Settings


async def keep_traced(settings: Settings, rooms: Rooms) -> None:
    """Send the traces of incidents that are over, until cancelled; at once done where no collector is configured."""
    wanted = settings.tracing
    if wanted.endpoint is None:
        return
    # OpenTelemetry takes a while to load, and few need it.
    from receiver.clients.traces import TraceCollector  # noqa: PLC0415
    from receiver.upkeep.tracing import Tracing  # noqa: PLC0415

    collector = TraceCollector(wanted.endpoint, name=wanted.name, timeout=wanted.timeout)
    try:
        await Tracing(database=rooms.database, collector=collector, origin=wanted.name, now=rooms.now).run()
    finally:
        await collector.close()
