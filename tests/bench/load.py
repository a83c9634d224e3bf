"""The load: Alertmanagers that post without pause, each over one connection, from a process of their own.

Prints one line of JSON: how many were answered, how fast, and the times of the answers.
"""

import argparse
import asyncio
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import uvloop

ALERT = (
    b'{"status":"firing","labels":{"alertname":"Bench%(name)d","instance":"host-%(number)d","job":"agents",'
    b'"namespace":"ns-%(place)d","pod":"agent-%(number)d-x7k2","severity":"%(severity)s","team":"data",'
    b'"workflow_name":"flow-%(flow)d"},"annotations":{"summary":"host-%(number)d needs to be looked at",'
    b'"description":"A description as long as people write them: what it means, since when, and where to look first."},'
    b'"startsAt":"%(hour)s:%(minute)02d:%(second)02d.%(number)09dZ","endsAt":"0001-01-01T00:00:00Z",'
    b'"generatorURL":"http://prometheus:9090/graph?g0.expr=up","fingerprint":"%(fingerprint)016x"}'
)
FRAME = (
    b'{"receiver":"receiver","status":"firing","alerts":[%s],"groupLabels":{"alertname":"Bench"},"commonLabels":{},'
    b'"commonAnnotations":{},"externalURL":"http://alertmanager:9093","version":"4",'
    b'"groupKey":"{}:{alertname=\\"Bench\\"}","truncatedAlerts":0}\n'
)
SEVERITIES = (b"critical", b"warning", b"warning", b"info")
HOUR = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H").encode()
"""In which the alerts began: just now, as alerts do; what began long ago takes another way."""


def alert(number: int, seed: int, flows: int) -> bytes:
    """Write one alert of a series that was never heard of."""
    return ALERT % {
        b"name": number % 40,
        b"number": number,
        b"place": number % 20,
        b"severity": SEVERITIES[number % len(SEVERITIES)],
        b"flow": number % flows,
        b"hour": HOUR,
        b"minute": number % 60,
        b"second": (number // 60) % 60,
        b"fingerprint": (seed << 40) + number,
    }


@dataclass
class Tally:
    """What came back."""

    until: float
    answered: int = 0
    refused: int = 0
    times: list[float] = field(default_factory=list)


class Sender(asyncio.Protocol):
    """One connection: posts, waits for the answer, posts again."""

    def __init__(self, head: bytes, bodies: "Bodies", tally: Tally, done: asyncio.Future[None]) -> None:
        self._head, self._bodies, self._tally, self._done = head, bodies, tally, done
        self._buffer = b""
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._post()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        lower = self._buffer[:end].lower()
        start = lower.index(b"content-length:") + 15
        length = int(lower[start:].split(b"\r\n", 1)[0])
        if len(self._buffer) < end + 4 + length:
            return
        now = time.perf_counter()
        self._tally.times.append(now - self._began)
        ok = self._buffer.startswith(b"HTTP/1.1 20")
        self._tally.answered += ok
        self._tally.refused += not ok
        self._buffer = b""
        if now < self._tally.until:
            self._post()
        else:
            self._finish()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._finish()

    def _post(self) -> None:
        body = self._bodies.next()
        if body is None:
            self._finish()
            return
        self._began = time.perf_counter()
        self._transport.write(self._head % len(body) + body)  # type: ignore[attr-defined]  # a stream's transport writes

    def _finish(self) -> None:
        if not self._done.done():
            self._done.set_result(None)


class Bodies:
    """New deliveries, up to a number."""

    def __init__(self, *, seed: int, alerts: int, flows: int, most: int | None) -> None:
        self._seed, self._alerts, self._flows = seed, alerts, flows
        self._number = 0
        self._left = most

    def next(self) -> bytes | None:
        if self._left is not None:
            if self._left <= 0:
                return None
            self._left -= 1
        first, self._number = self._number, self._number + self._alerts
        return FRAME % b",".join(alert(n, self._seed, self._flows) for n in range(first, self._number))


async def run(arguments: argparse.Namespace) -> None:
    """Post for a time, or until all are posted."""
    head = (
        f"POST {arguments.path} HTTP/1.1\r\nHost: 127.0.0.1:{arguments.port}\r\nUser-Agent: Alertmanager/0.25.0\r\n"
        f"Authorization: Bearer {arguments.token}\r\nContent-Type: application/json\r\nContent-Length: "
    ).encode() + b"%d\r\n\r\n"
    bodies = Bodies(seed=arguments.seed, alerts=arguments.alerts, flows=arguments.flows, most=arguments.most)
    began = time.perf_counter()
    tally = Tally(until=began + arguments.seconds)
    loop = asyncio.get_running_loop()
    done = [loop.create_future() for _ in range(arguments.connections)]
    for future in done:
        await loop.create_connection(
            lambda future=future: Sender(head, bodies, tally, future),  # type: ignore[misc]  # bound per connection
            "127.0.0.1",
            arguments.port,
        )
    await asyncio.gather(*done)
    took = time.perf_counter() - began
    times = sorted(tally.times)
    print(  # noqa: T201 - the answer of this program
        json.dumps(
            {
                "answered": tally.answered,
                "refused": tally.refused,
                "seconds": took,
                "p50": times[len(times) // 2],
                "p99": times[int(len(times) * 0.99)],
                "worst": times[-1],
            }
        )
    )


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", default="/api/v1/webhooks/alertmanager")
    parser.add_argument("--token", default="")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--alerts", type=int, default=1)
    parser.add_argument("--flows", type=int, default=200)
    parser.add_argument("--most", type=int, default=None)
    parser.add_argument("--seed", type=int, default=1)
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
