"""How fast deliveries become durable, against a route that keeps nothing and against rows that nobody looks at."""

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

from receiver.store.embedded import EmbeddedPostgres
from tests.bench import stand
from tests.bench.load import HOUR

ROUNDS = 3
COPIED = 50_000


@dataclass
class Round:
    """One measurement of one server."""

    rate: float
    p50: float
    p99: float
    cpu: float
    """CPU seconds of the server and of Postgres for each thousand alerts."""


def rounds(server: EmbeddedPostgres, folder: Path, *, alerts: int, seconds: float) -> dict[str, list[Round]]:
    """Measure the bare route and the service in turn."""
    found: dict[str, list[Round]] = {"bare": [], "receiver": []}
    for number in range(ROUNDS):
        with stand.bare(folder) as bare:
            found["bare"].append(_measure(bare, None, alerts=alerts, seconds=seconds, seed=number + 1))
        url = stand.fresh_database(server, "bench_intake")
        with stand.receiver(folder, url) as receiver:
            found["receiver"].append(_measure(receiver, server, alerts=alerts, seconds=seconds, seed=number + 1))
    return found


def _measure(server: stand.Server, postgres: EmbeddedPostgres | None, **load: Any) -> Round:
    stand.load(server, **load | {"seconds": 1, "seed": load["seed"] + 100})
    before = server.cpu() + (stand.postgres_cpu(postgres) if postgres else 0)
    answer = stand.load(server, **load)
    used = server.cpu() + (stand.postgres_cpu(postgres) if postgres else 0) - before
    if answer["refused"]:
        raise SystemExit(f"{answer['refused']} deliveries were refused: {answer}")
    told = answer["answered"] * load["alerts"]
    return Round(
        rate=answer["answered"] / answer["seconds"],
        p50=answer["p50"],
        p99=answer["p99"],
        cpu=used / told * 1000,
    )


def copy_rate(server: EmbeddedPostgres) -> float:
    """Rows a second by COPY into the same table with all its indexes, one client, text format."""
    rates = []
    for number in range(ROUNDS):
        url = stand.fresh_database(server, "bench_copy")
        with psycopg.connect(url) as connection:
            columns = "fingerprint, starts_at, starts_at_text, status, inferred, ends_at, alertname, severity, cluster, namespace, workflow, agent, labels, annotations, generator_url, group_key, receiver, first_seen_at, last_seen_at, resolved_seen_at, deliveries, firings"  # noqa: E501
            lines = [_line(n, number) for n in range(COPIED)]
            began = time.perf_counter()
            with connection.cursor() as cursor, cursor.copy(f"copy alerts ({columns}) from stdin") as copy:
                for first in range(0, COPIED, 500):
                    copy.write("".join(lines[first : first + 500]))
            connection.commit()
            rates.append(COPIED / (time.perf_counter() - began))
    return median(rates)


def _line(n: int, seed: int) -> str:
    at = f"{HOUR.decode()}:{n % 60:02d}:{n // 60 % 60:02d}+00"
    labels = f'{{"alertname":"Bench{n % 40}","instance":"host-{n}","job":"agents","namespace":"ns-{n % 20}","pod":"agent-{n}-x7k2","severity":"warning","team":"data","workflow_name":"flow-{n % 200}"}}'  # noqa: E501
    annotations = f'{{"summary":"host-{n} needs to be looked at","description":"A description as long as people write them: what it means, since when, and where to look first."}}'  # noqa: E501
    values = (
        f"{seed:04x}{n:012x}", at, at, "firing", "f", "\\N", f"Bench{n % 40}", "warning", "", f"ns-{n % 20}",
        f"flow-{n % 200}", "", labels, annotations, "http://prometheus:9090/graph", "{}:{}", "receiver", at, at, "\\N",
        "1", "1",
    )  # fmt: skip
    return "\t".join(values) + "\n"


def burst(server: EmbeddedPostgres, folder: Path, *, alerts: int = 100_000) -> dict[str, float]:
    """A hundred thousand alerts at once, a thousand to a delivery: how long, and how much memory."""
    url = stand.fresh_database(server, "bench_burst")
    with stand.receiver(folder, url) as receiver:
        peak = receiver.memory()
        began = time.perf_counter()
        answer = stand.load(receiver, alerts=1000, most=alerts // 1000, seconds=300, connections=8, seed=9)
        took = time.perf_counter() - began
        peak = max(peak, _peak(receiver))
        with psycopg.connect(url) as connection:
            stored = connection.execute("select count(*) from alerts").fetchone()
    if stored is None or stored[0] != alerts or answer["refused"]:
        raise SystemExit(f"of {alerts} alerts {stored} were found, {answer['refused']} deliveries refused")
    return {"seconds": took, "alerts/s": alerts / took, "peak MB": peak / 1e6, "p99 s": answer["p99"]}


def _peak(server: stand.Server) -> int:
    """The most that the process ever held, as Linux remembers it."""
    for line in Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
