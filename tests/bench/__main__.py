"""`make bench`: everything in one run, as ratios, on a Postgres with its default durability.

The absolute figures are those of one machine at one moment. The ratios are what counts: each is between two things
that were measured in turn.
"""

import argparse
import json
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from receiver.web.feed import INTERVAL, NEWS_GAP
from tests.bench import archive, exporter, intake, notify, pages, queries, stand, streams

console = Console(width=120)


def deliveries(server: Any, folder: Path, seconds: float) -> dict[str, float]:
    """Deliveries of one alert and of ten."""
    figures: dict[str, float] = {}
    copied = intake.copy_rate(server)
    table = Table(title="Deliveries, 32 connections (median of 3 rounds in turn)")
    for column in ("", "deliveries/s", "alerts/s", "p50 ms", "p99 ms", "CPU s per 1,000 alerts"):
        table.add_column(column, justify="left" if not column else "right")
    for alerts in (1, 10):
        found = intake.rounds(server, folder, alerts=alerts, seconds=seconds)
        for name, rounds in found.items():
            middle = {key: median(getattr(one, key) for one in rounds) for key in ("rate", "p50", "p99", "cpu")}
            figures |= {f"{name} {alerts} {key}": value for key, value in middle.items()}
            table.add_row(
                f"{name}, {alerts} alert{'s' * (alerts > 1)}",
                f"{middle['rate']:,.0f}",
                f"{middle['rate'] * alerts:,.0f}",
                f"{middle['p50'] * 1000:.1f}",
                f"{middle['p99'] * 1000:.1f}",
                f"{middle['cpu']:.3f}",
            )
    table.add_row("COPY of the same rows", "", f"{copied:,.0f}", "", "", "")
    console.print(table)
    return figures | {"copy rows/s": copied}


def filled(server: Any, sizes: tuple[int, int]) -> dict[int, str]:
    """Make histories of both sizes; gives how to reach each."""
    large = sizes[1]
    urls: dict[int, str] = {}
    done = 0
    for size in sizes:
        console.print(f"filling up to {size:,} occurrences …")
        copied = urls.get(done)
        urls[size] = stand.fresh_database(server, f"bench_history_{size}", copied=copied)
        took = queries.fill(urls[size], done + 1, size, large)
        console.print(f"… {(size - done) / took:,.0f} rows/s, indexes included")
        done = size
    return urls


def history(urls: dict[int, str], rounds: int) -> dict[str, float]:
    """The listed questions at both sizes."""
    small, large = sizes = tuple(urls)
    found = queries.ask_all(urls, rounds=rounds)
    table = Table(title=f"First pages of 50, ms at {small:,} and {large:,} occurrences")
    for column in ("", "p50", "p99", "p50", "p99", "p50 ratio", "p99 / p50 of a primary-key read"):
        table.add_column(column, justify="left" if not column else "right")
    key = stand.percentile(found[large]["primary key"], 50)
    figures: dict[str, float] = {}
    for name in found[small]:
        at = {size: tuple(stand.percentile(found[size][name], percent) for percent in (50, 99)) for size in sizes}
        ratio, tail = at[large][0] / at[small][0], at[large][1] / key
        figures |= {f"{name}: p50 ratio": ratio, f"{name}: p99 over key": tail}
        table.add_row(
            name, *(f"{value * 1000:.1f}" for size in sizes for value in at[size]), f"{ratio:.2f}", f"{tail:.1f}"
        )
    console.print(table)
    return figures


def shown(url: str, folder: Path, size: int) -> dict[str, float]:
    """Each page of the console against the calls of the API under it."""
    console.print("filling in incidents, timelines, decisions, remediations and messages …")
    pages.fill(url, size)
    found = pages.measure(url, folder)
    table = Table(title=f"Pages until the first byte, at {size:,} occurrences (p50 of {pages.ROUNDS} rounds in turn)")
    for column in ("", "page ms", "its calls ms", "ratio", "at most"):
        table.add_column(column, justify="left" if not column else "right")
    for name, (begun, called) in found.items():
        table.add_row(name, f"{begun * 1000:.1f}", f"{called * 1000:.1f}", f"{begun / called:.2f}", "3")
    console.print(table)
    return {f"page {name}: over its calls": begun / called for name, (begun, called) in found.items()}


def of_large(server: Any, folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """What is asked of large histories, which take long to fill."""
    small, large = options.sizes
    urls = filled(server, (small, large))
    figures = history(urls, options.rounds) if "history" in options.parts else {}
    return figures | (shown(urls[large], folder, large) if "pages" in options.parts else {})


def archived(server: Any, folder: Path) -> dict[str, float]:
    """Finished workflows kept whole, against putting the same objects."""
    found = archive.measure(server, folder)
    table = Table(title=f"{archive.WORKFLOWS:,} workflows of {found['bytes']:,.0f} bytes, {archive.THREADS} threads")
    for column in ("", "reached", "at least / at most"):
        table.add_column(column, justify="left" if not column else "right")
    table.add_row("objects/s put with plain boto3", f"{found['put/s']:,.0f}", "")
    table.add_row("workflows/s archived and read back", f"{found['kept/s']:,.0f}", "")
    table.add_row("archived against put (median of 5 rounds in turn)", f"{found['ratio']:.2f}", ">= 0.5")
    table.add_row("peak memory, MB", f"{found['peak MB']:.0f}", "< 300")
    console.print(table)
    return {f"archive {name}": value for name, value in found.items()}


def told(server: Any, folder: Path) -> dict[str, float]:
    """From a delivery to its message in Slack, against the answer to the same delivery."""
    found = notify.measure(server, folder)
    table = Table(title=f"{notify.DELIVERIES} deliveries about stuck workflows, one after the other, each in Slack")
    for column in ("", "p50 ms", "p99 ms"):
        table.add_column(column, justify="left" if not column else "right")
    for name, title in (("answer", "until it is answered, and committed"), ("message", "until its message is there")):
        table.add_row(title, f"{found[f'{name} p50'] * 1000:.1f}", f"{found[f'{name} p99'] * 1000:.1f}")
    table.add_row(
        "message against answer", *(f"{found[f'message {p}'] / found[f'answer {p}']:.1f}" for p in ("p50", "p99"))
    )
    console.print(table)
    return {f"notify {name}": value for name, value in found.items()}


def streamed(server: Any, folder: Path) -> dict[str, float]:
    """From the answer to a delivery to each of many open streams, against that answer and against their own pace."""
    found = streams.measure(server, folder)
    table = Table(title=f"{streams.DELIVERIES} deliveries, one after the other, with {streams.STREAMS} open streams")
    for column in ("", "p50 ms", "p99 ms", "p50 / answer", "p99 / pace", "at most"):
        table.add_column(column, justify="left" if not column else "right")
    table.add_row("until it is answered, and committed", *_milliseconds(found, "answer"), "", "", "")
    for name, title, pace in (
        ("event", "from there until a stream has its event", INTERVAL),
        ("page", "from there until an open page is rung for", NEWS_GAP),
    ):
        against = found[f"{name} p50"] / found["answer p50"], found[f"{name} p99"] / pace.total_seconds()
        table.add_row(title, *_milliseconds(found, name), *(f"{ratio:.1f}" for ratio in against), "2")
        found |= {f"{name} over answer": against[0], f"{name} over pace": against[1]}
    console.print(table)
    console.print(
        f"serve holds {found['memory MB']:.0f} MB without them, {found['memory with streams MB']:.0f} MB with them: "
        f"{found['kB a stream']:.0f} kB a stream, and 50 are the most"
    )
    return {f"streams {name}": value for name, value in found.items()}


def exported(folder: Path) -> dict[str, float]:
    """The exporter on a large cluster, against reading the same pages, and a change against one scrape."""
    found = exporter.measure(folder)
    table = Table(title=f"The exporter with {exporter.WORKFLOWS:,} unfinished workflows, a pod of each")
    for column in ("", "reached", "at most"):
        table.add_column(column, justify="left" if not column else "right")
    table.add_row("seconds until everything was seen", f"{found['list']:.1f}", "")
    table.add_row("against reading and parsing the same", f"{found['list ratio']:.1f}", "")
    table.add_row(f"seconds of a scrape of {found['series']:,.0f} series", f"{found['scrape']:.2f}", "10")
    table.add_row("from a change to a scrape that shows it, against one scrape", f"{found['change ratio']:.1f}", "2")
    table.add_row("peak memory, MB", f"{found['peak MB']:.0f}", "150")
    console.print(table)
    return {f"exporter {name}": value for name, value in found.items()}


def ratios(figures: dict[str, float]) -> None:
    """What must be reached, and what was."""
    table = Table(title="Ratios")
    for column in ("", "reached", "at least / at most"):
        table.add_column(column, justify="left" if not column else "right")
    table.add_row(
        "durable deliveries/s of 1 alert, against the bare route",
        f"{figures['receiver 1 rate'] / figures['bare 1 rate']:.2f}",
        ">= 0.7",
    )
    table.add_row(
        "alerts/s at 10 a delivery, against COPY",
        f"{figures['receiver 10 rate'] * 10 / figures['copy rows/s']:.2f}",
        ">= 0.15",
    )
    table.add_row(
        "p99 of a delivery against its p50", f"{figures['receiver 1 p99'] / figures['receiver 1 p50']:.1f}", "<= 5"
    )
    if "burst peak MB" in figures:
        table.add_row("peak memory of serve during the burst, MB", f"{figures['burst peak MB']:.0f}", "<= 400")
    flat = [value for name, value in figures.items() if name.endswith("p50 ratio")]
    tails = [value for name, value in figures.items() if name.endswith("p99 over key")]
    if flat:
        table.add_row("worst question, p50 of the large against the small history", f"{max(flat):.2f}", "<= 1.5")
        table.add_row("worst question, p99 against p50 of a primary-key read", f"{max(tails):.1f}", "< 20")
    console.print(table)


def main() -> None:
    """Run all parts, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parts = ["deliveries", "burst", "notify", "streams", "archive", "exporter", "history", "pages"]
    parser.add_argument("parts", nargs="*", default=parts)
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="where the figures go")
    parser.add_argument("--seconds", type=float, default=5.0, help="of one measurement")
    parser.add_argument("--sizes", type=int, nargs=2, default=[1_000_000, 10_000_000])
    parser.add_argument("--rounds", type=int, default=300, help="how often each question is asked")
    options = parser.parse_args()
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="receiver-bench-") as name, stand.postgres() as server:
        folder = Path(name)
        if "deliveries" in options.parts:
            figures |= deliveries(server, folder, options.seconds)
        if "burst" in options.parts:
            found = intake.burst(server, folder)
            figures |= {f"burst {key}": value for key, value in found.items()}
            console.print(
                "A burst of 100,000 alerts:", ", ".join(f"{key} {value:,.1f}" for key, value in found.items())
            )
        if "notify" in options.parts:
            figures |= told(server, folder)
        if "streams" in options.parts:
            figures |= streamed(server, folder)
        if "archive" in options.parts:
            figures |= archived(server, folder)
        if "exporter" in options.parts:
            figures |= exported(folder)
        if {"history", "pages"} & set(options.parts):
            figures |= of_large(server, folder, options)
    if "deliveries" in options.parts:
        ratios(figures)
    options.json.write_text(json.dumps(figures, indent=2) + "\n")
    console.print(f"All figures: {options.json}")


def _milliseconds(found: dict[str, float], name: str) -> list[str]:
    return [f"{found[f'{name} {percent}'] * 1000:.1f}" for percent in ("p50", "p99")]


if __name__ == "__main__":
    main()
