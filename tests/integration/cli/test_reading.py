"""The reading commands on rows as the pipeline leaves them: tables for people, JSON for programs, and exit codes."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from sqlalchemy import text

from receiver.cli import front
from receiver.store import standings
from receiver.store.database import Database
from receiver.store.embedded import EmbeddedPostgres
from receiver.upkeep.rollup import count_up

NOW: Final = datetime(2026, 11, 24, 3, 22, 31, 673412, UTC)
CAPTURES: Final = Path(__file__).parents[2] / "data/deliveries"
HOSTILE: Final = "\x1b]0;owned\x07\x1b[2J\u202etxt\nnext\r\x9b31m"


@dataclass(frozen=True)
class Said:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Receiver = Callable[..., Awaitable[Said]]


@pytest.fixture
def receiver(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Receiver:
    """The command line on the test's own database."""
    config = tmp_path / "receiver.yaml"
    config.write_text(json.dumps({"data_dir": str(tmp_path), "database": {"url": database_url}}), encoding="utf-8")
    monkeypatch.setenv("RECEIVER_CONFIG", str(config))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(front, "set_up_logs", lambda: None)

    def call(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["receiver", *words])
        try:
            front.main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    async def receiver(*words: str) -> Said:
        capfd.readouterr()
        code = await asyncio.to_thread(call, *words)
        return Said(code, *capfd.readouterr())

    return receiver


async def test_alerts_are_listed_and_filtered_as_by_the_api(receiver: Receiver, records: Any) -> None:
    await records.alert(labels={"alertname": "Other", "severity": "warning"})
    wanted = await records.alert(
        fingerprint="a" * 16, starts_at=NOW + timedelta(hours=1), labels={"alertname": "Disk full", "team": "a"}
    )

    table = await receiver("alerts", "list")
    found = await receiver(
        "alerts",
        "list",
        "--label",
        "team=a",
        "--since",
        "2026-11-24T04:00:00Z",
        "--alertname",
        "Disk full",
        "-o",
        "json",
    )

    assert (table.code, found.code) == (0, 0)
    assert "Other" in table.out
    assert "Disk full" in table.out
    assert [one["id"] for one in found.json["items"]] == [wanted]
    assert set(found.json) == {"items", "next", "previous", "tiers"}


async def test_a_long_list_says_how_to_go_on(receiver: Receiver, records: Any) -> None:
    ids = [await records.alert(fingerprint=f"{number:016x}") for number in range(3)]

    first = await receiver("alerts", "list", "-n", "2")
    cursor = first.out.split("--cursor ")[1].strip()
    second = await receiver("alerts", "list", "-n", "2", "--cursor", cursor)

    assert ids[0] in second.out
    assert ids[2] not in second.out


async def test_one_alert_is_shown_with_what_happened_to_it(receiver: Receiver, records: Any) -> None:
    alert = await records.alert(
        annotations={"summary": "it is stuck"}, status="resolved", ends_at=NOW + timedelta(minutes=5)
    )
    await records.event(alert_id=alert)

    table = await receiver("alerts", "show", alert)
    found = await receiver("alerts", "show", alert, "-o", "json")

    assert "it is stuck" in table.out
    assert "5m" in table.out
    assert "WorkflowStuck fires" in table.out
    assert (found.json["alert"]["id"], [one["kind"] for one in found.json["timeline"]]) == (alert, ["alert.fired"])


async def test_an_incident_is_told_as_one_story(receiver: Receiver, records: Any) -> None:
    incident = await records.incident()
    await records.alert(incident_id=incident)
    await records.run(incident_id=incident, outcome="succeeded", state="finished", finished_at=NOW)
    await records.finding(incident_id=incident)
    for number, kind in enumerate(("incident.opened", "alert.fired", "run.started", "run.finished")):
        await records.event(incident_id=incident, kind=kind, text=f"then {number}", at=NOW + timedelta(minutes=number))

    told = await receiver("incidents", "show", str(incident))
    listed = await receiver("incidents", "list", "--state", "open")
    story = await receiver("incidents", "show", str(incident), "-o", "json")

    places = [told.out.index(f"then {number}") for number in range(4)]
    assert places == sorted(places)
    assert "taskmaster/etl-42" in told.out
    assert "restart-stuck-workflow" in told.out
    assert "it runs" in told.out
    assert "WorkflowStuck: taskmaster/etl-42" in listed.out
    assert story.json["timeline"][0]["kind"] == "incident.opened"


async def test_each_refusal_is_told_with_what_was_measured_and_what_is_allowed(
    receiver: Receiver, records: Any
) -> None:
    incident = await records.incident()
    alert = await records.alert(incident_id=incident)
    await records.decision(incident_id=incident, alert_id=alert)

    by_incident = await receiver("why", str(incident))
    by_alert = await receiver("why", alert)
    found = await receiver("why", alert, "-o", "json")

    assert by_incident.out == by_alert.out
    for word in ("restart-stuck-workflow (dry_run): blocked", "cooldown", "REFUSED", "5m", "1h", "too soon"):
        assert word in by_alert.out
    assert found.json["items"][0]["checks"][0]["measured"] == "5m"


async def test_where_nothing_was_decided_that_is_said(receiver: Receiver, records: Any) -> None:
    said = await receiver("why", await records.alert())

    assert (said.code, "no playbook has decided anything" in said.out) == (0, True)


async def test_a_wish_by_hand_is_explained_by_the_name_that_stands_in_its_record(
    receiver: Receiver, records: Any
) -> None:
    asked = {"kind": "run", "asked_by": "kim", "detail": {"playbook": "p", "namespace": "argo", "workflow": "etl"}}
    decided = await records.request(**asked, answered_at=NOW, answer="blocked. Guard cooldown refused: too soon.")
    open_one = await records.request(**asked)
    await records.decision(alert_id=f"request-{decided}", outcome="blocked", reason="Guard cooldown refused: too soon.")

    why = await receiver("why", f"request-{decided}")
    listed = await receiver("why", f"request-{decided}", "-o", "json")
    waiting = await receiver("why", f"request-{open_one}")
    absent = await receiver("why", "request-999")

    assert (why.code, waiting.code, absent.code) == (0, 0, 1)
    assert f"request {decided}: kim asked for run" in why.out
    assert "because Guard cooldown refused: too soon." in why.out
    assert (listed.json["request"]["asked_by"], len(listed.json["items"])) == ("kim", 1)
    assert "nobody has acted on it yet" in waiting.out
    assert "there is no alert, incident or request 'request-999'" in absent.err


async def test_remediations_messages_and_playbooks_are_listed_and_shown(receiver: Receiver, records: Any) -> None:
    run = await records.run()
    await records.entry(run_id=run, error="it would not end")
    message = await records.message(state="dead", error="channel_not_found")
    await records.playbook()

    said = {
        words: await receiver(*words.split())
        for words in (
            "remediations list",
            f"remediations show {run}",
            "outbox list --state dead",
            f"outbox show {message}",
            "playbooks list",
            "playbooks show restart-stuck-workflow",
        )
    }
    found = {words: await receiver(*words.split(), "-o", "json") for words in said}

    assert {one.code for one in said.values()} == {0}
    assert "it would not end" in said[f"remediations show {run}"].out
    assert "channel_not_found" in said["outbox list --state dead"].out
    assert "Restart what is stuck" in said["playbooks list"].out
    assert "name: restart-stuck-workflow" in said["playbooks show restart-stuck-workflow"].out
    assert {type(one.json) for one in found.values()} == {dict}


async def test_a_month_is_summed_up(receiver: Receiver, records: Any, database: Database) -> None:
    await records.alert(status="resolved", ends_at=NOW + timedelta(minutes=10))
    await records.alert(
        labels={"alertname": "Quiet"},
        fingerprint="b" * 16,
        starts_at=NOW - timedelta(days=40),
        status="resolved",
        ends_at=NOW - timedelta(days=40),
    )
    await count_up(database, NOW + timedelta(days=1))

    table = await receiver("stats", "--since", "2026-11-01T00:00:00Z", "--until", "2026-12-01T00:00:00Z")
    found = await receiver("stats", "--since", "2026-11-24T00:00:00Z", "--until", "2026-11-25T00:00:00Z", "-o", "json")

    assert "10m, from begin to end of the 1 that ended" in table.out
    assert "Quiet" in table.out
    assert "2026-11-24" in table.out
    assert (found.json["step"], found.json["total"]["fired"]) == ("1h", 1)


async def test_nothing_that_others_wrote_is_an_order_to_the_terminal(receiver: Receiver, records: Any) -> None:
    incident = await records.incident(title=HOSTILE)
    alert = await records.alert(
        labels={"alertname": HOSTILE, "[red]markup[/red]": HOSTILE},
        annotations={HOSTILE: ":boom:"},
        incident_id=incident,
    )
    await records.event(alert_id=alert, incident_id=incident, text=HOSTILE)
    letter = await records.dead_letter(body=HOSTILE.encode(), reason=HOSTILE)

    said = [
        await receiver(*words.split(), *form)
        for words in ("alerts list", f"alerts show {alert}", f"incidents show {incident}", f"deadletter show {letter}")
        for form in ((), ("-o", "json"))
    ]

    printed = "".join(one.out for one in said).replace("\n", "")
    assert {one.code for one in said} == {0}
    assert not set(printed) & set("\x1b\x07\r\x9b\u202e")
    assert printed.isprintable() or all(character.isprintable() for character in printed)
    assert "[red]markup[/red]" in said[2].out
    assert ":boom:" in said[2].out


@pytest.mark.parametrize("columns", [40, 80])
async def test_a_table_is_never_wider_than_the_terminal(
    receiver: Receiver, records: Any, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    await records.alert(labels={"alertname": "A" * 300, "severity": "critical"})

    said = await receiver("alerts", "list")

    assert max(len(line) for line in said.out.splitlines()) <= columns
    assert said.out.count("A") >= 300


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        ("alerts show 202611-1", 1, "receiver alerts list"),
        ("alerts show none", 1, "receiver alerts list"),
        ("incidents show 1", 1, "receiver incidents list"),
        ("why 1", 1, "there is no alert, incident or request"),
        ("remediations approve 1", 1, "there is no remediation 1"),
        ("deadletter replay 1", 1, "there is no dead letter 1"),
        ("deadletter replay --delivery 1 --into postgresql://nowhere", 1, "there is no delivery 1"),
        ("alerts list --status burning", 2, "--status"),
        ("alerts list --limit 501", 2, "--limit"),
        ("alerts list --cursor x", 2, "cursor"),
        ("alerts list --label x", 2, "label"),
        ("alerts list --since yesterday", 2, "--since"),
        ("stats --workflow etl", 2, "namespace"),
        ("deadletter replay", 2, "name dead letters"),
        ("deadletter replay --delivery 1", 2, "--into"),
        ("deadletter replay 1 --delivery 1", 2, "dead letters"),
        ("alerts lst", 2, "lst"),
        ("alrts list", 2, "alrts"),
        ("playbooks lint /nowhere.yaml", 2, "cannot be read"),
    ],
)
async def test_exit_codes_tell_a_failure_from_a_wrong_question(
    receiver: Receiver, words: str, code: int, hint: str
) -> None:
    said = await receiver(*words.split())

    assert said.code == code, said
    assert hint in said.err
    assert "Traceback" not in said.err


async def test_dead_letters_are_replayed_and_discarded(receiver: Receiver, records: Any, database: Database) -> None:
    good, bad, unwanted = [
        await records.dead_letter(body=body)
        for body in ((CAPTURES / "single.01.firing.json").read_bytes(), b"{", b"[]")
    ]

    replayed = await receiver("deadletter", "replay", str(good), str(bad))
    discarded = await receiver("deadletter", "discard", str(unwanted))
    again = await receiver("deadletter", "discard", str(good))
    left = await receiver("deadletter", "list", "--open", "-o", "json")
    raw = await receiver("deadletter", "show", str(bad), "--raw")

    assert (replayed.code, discarded.code, again.code) == (1, 0, 1)
    assert f"dead letter {good} is recorded as delivery" in replayed.out
    assert f"dead letter {bad} is still not understood" in replayed.err
    assert "was replayed by" in again.err
    assert [one["id"] for one in left.json["items"]] == [bad]
    assert raw.out == "{"
    async with database.transaction() as tx:
        assert (await tx.execute(text("select count(*) from alerts"))).scalar_one() == 1
        assert (await tx.execute(text("select count(*) from procrastinate_jobs"))).scalar_one() == 1


async def test_a_letter_that_postgres_still_refuses_holds_up_no_other(
    receiver: Receiver, records: Any, database: Database
) -> None:
    refused, good = [
        await records.dead_letter(body=(CAPTURES / name).read_bytes())
        for name in ("single.01.firing.json", "single.02.resolved.json")
    ]
    async with database.transaction() as tx:
        await tx.execute(text("alter table alerts add check (status <> 'firing')"))

    replayed = await receiver("deadletter", "replay", str(refused), str(good))
    left = await receiver("deadletter", "list", "--open", "-o", "json")

    assert replayed.code == 1
    assert f"dead letter {refused} is not replayed: dead letter {refused} could still not be recorded" in replayed.err
    assert f"dead letter {good} is recorded as delivery" in replayed.out
    assert [one["id"] for one in left.json["items"]] == [refused]


async def test_a_delivery_is_replayed_into_a_fresh_database(
    receiver: Receiver, records: Any, postgres: EmbeddedPostgres, database: Database, database_url: str
) -> None:
    letter = await records.dead_letter(body=(CAPTURES / "single.01.firing.json").read_bytes())
    await receiver("deadletter", "replay", str(letter))
    async with database.transaction() as tx:
        number = (await tx.execute(text("select id from deliveries"))).scalar_one()
    fresh = make_conninfo(postgres.url, dbname="replayed")
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("create database replayed")

        once = await receiver("deadletter", "replay", "--delivery", str(number), "--into", fresh)
        again = await receiver("deadletter", "replay", "--delivery", str(number), "--into", fresh)
        own = await receiver("deadletter", "replay", "--delivery", str(number), "--into", database_url)
        with psycopg.connect(fresh) as other:
            found = other.execute("select count(*), max(deliveries), min(first_seen_at) from alerts").fetchall()
        connection.execute(sql.SQL("drop database replayed with (force)"))

    assert (once.code, again.code, own.code) == (0, 0, 2)
    assert "1 new" in once.out
    assert found == [(1, 1, NOW)]


async def test_a_word_about_a_remediation_is_written_as_the_api_writes_it(
    receiver: Receiver, records: Any, database: Database
) -> None:
    run = await records.run(state="waiting", wake_at=NOW + timedelta(days=1))

    said = await receiver("remediations", "reject", str(run), "--note", "not now", "--no-wait")

    async with database.transaction() as tx:
        asked = (await tx.execute(text("select kind, run_id, detail, asked_by from requests"))).one()
        jobs = (await tx.execute(text("select task_name, args from procrastinate_jobs"))).all()
    assert said.code == 0
    assert tuple(asked[:3]) == ("reject", run, {"note": "not now"})
    assert asked.asked_by.endswith("at the command line")
    assert [tuple(job) for job in jobs] == [("tick", {"run_id": run, "cursor": 0})]


async def test_waiting_ends_with_the_remediation_and_says_how(
    receiver: Receiver, records: Any, database: Database
) -> None:
    run = await records.run()

    async def end() -> None:
        while True:
            async with database.transaction() as tx:
                if (await tx.execute(text("select count(*) from requests"))).scalar_one():
                    break
            await asyncio.sleep(0.05)
        async with database.transaction() as tx:
            await tx.execute(text("update runs set state = 'finished', outcome = 'failed', reason = 'in vain'"))

    said, _ = await asyncio.gather(receiver("remediations", "approve", str(run)), end())
    ended = await receiver("remediations", "cancel", str(run))

    assert (said.code, ended.code) == (1, 1)
    assert f"remediation {run} ended: failed. in vain" in said.out
    assert "has already ended" in ended.err


async def test_each_command_says_what_it_is_for(receiver: Receiver) -> None:
    overview = await receiver("--help")
    for name in ("alerts", "incidents", "remediations", "playbooks", "why", "outbox", "deadletter", "stats"):
        said = await receiver(name, "--help")

        assert name in overview.out
        assert said.code == 0
        assert "Usage: receiver" in said.out


async def test_everything_is_paused_and_resumed_from_the_command_line(receiver: Receiver) -> None:
    paused = await receiver("remediations", "pause", "--reason", "upgrade of Argo", "--for", "2h", "-o", "json")
    resumed = await receiver("remediations", "resume")
    again = await receiver("remediations", "resume")

    assert (paused.code, resumed.code, again.code) == (0, 0, 0)
    assert paused.json["reason"] == "upgrade of Argo"
    assert paused.json["expires_at"] is not None
    assert "upgrade of Argo" in resumed.out
    assert "nothing was paused" in again.out
    assert [
        (await receiver("remediations", "pause", *words)).code for words in ((), ("--reason", "x", "--for", "0"))
    ] == [2, 2]


async def test_a_breaker_that_is_open_is_shown_and_closed(receiver: Receiver, records: Any, database: Database) -> None:
    await records.playbook()
    async with database.transaction() as tx:
        await standings.open_breaker(tx, "restart-stuck-workflow", NOW, "3 runs in a row failed")

    listed = await receiver("playbooks", "list")
    closed = await receiver("playbooks", "close", "restart-stuck-workflow")
    again = await receiver("playbooks", "close", "restart-stuck-workflow")

    assert "breaker open: 3 runs in a row failed" in listed.out
    assert (closed.code, "it was open because 3 runs in a row failed" in closed.out) == (0, True)
    assert "was not held back" in again.out
    assert (await receiver("playbooks", "close", "none")).code == 1
