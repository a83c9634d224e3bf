"""A collector of traces, by OpenTelemetry's protocol over HTTP (https://opentelemetry.io/docs/specs/otlp/).

OpenTelemetry's own exporter sends. What its environment variables say of headers and certificates
(`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_EXPORTER_OTLP_CERTIFICATE`) and of the resource (`OTEL_RESOURCE_ATTRIBUTES`) holds.
"""

import asyncio
import hashlib
from datetime import datetime, timedelta
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

from receiver.model.errors import TraceError
from receiver.model.trace import Span, Trace

_LONGEST: Final = 1_000
"""Characters of one attribute: names and reasons, not logs."""
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)


class TraceCollector:
    """Where traces go.

    Args:
        endpoint: Such as `http://collector:4318/v1/traces`.
        name: What Receiver is called there.
        timeout: Of one trace, tries included.
    """

    def __init__(self, endpoint: str, *, name: str, timeout: timedelta) -> None:
        self._endpoint = endpoint
        self._resource = Resource.create({SERVICE_NAME: name})
        self._exporter = OTLPSpanExporter(endpoint, timeout=timeout.total_seconds())

    async def close(self) -> None:
        """Send nothing any more."""
        await asyncio.to_thread(self._exporter.shutdown)

    async def send(self, trace: Trace) -> str:
        """Send a whole trace; sending it again changes nothing, since its numbers are made of what it is about.

        Returns:
            Its id, as collectors show it.

        Raises:
            TraceError: It was not taken.
        """
        spans = [self._readable(trace.key, span) for span in trace.spans]
        if await asyncio.to_thread(self._exporter.export, spans) is not SpanExportResult.SUCCESS:
            raise TraceError(f"{self._endpoint} did not take a trace of {len(spans)} spans; the line before says why")
        return f"{_trace_id(trace.key):032x}"

    def _readable(self, trace: str, span: Span) -> ReadableSpan:
        moments = [
            Event(one.name, {"text": one.text[:_LONGEST]}, timestamp=_nanoseconds(one.at)) for one in span.moments
        ]
        return ReadableSpan(
            span.name,
            context=_context(trace, span.key),
            parent=None if span.parent is None else _context(trace, span.parent),
            resource=self._resource,
            attributes={
                key: value[:_LONGEST] if isinstance(value, str) else value for key, value in span.attributes.items()
            },
            events=moments,
            status=Status(StatusCode.ERROR, span.trouble[:_LONGEST]) if span.trouble else Status(StatusCode.OK),
            start_time=_nanoseconds(span.begun_at),
            end_time=_nanoseconds(span.ended_at),
        )


def _context(trace: str, span: str) -> SpanContext:
    return SpanContext(_trace_id(trace), _digest(f"{trace} {span}", 8), is_remote=False, trace_flags=_SAMPLED)


def _trace_id(trace: str) -> int:
    return _digest(trace, 16)


def _digest(text: str, size: int) -> int:
    """Make a number of so many bytes out of a text: never nothing, which is no number of a span."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:size], "big") or 1


def _nanoseconds(at: datetime) -> int:
    """Give a time in nanoseconds since 1970; a float of seconds would lose the microseconds."""
    since = at - datetime.fromtimestamp(0, tz=at.tzinfo)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000
