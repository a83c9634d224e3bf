"""Commands with `--server`: the same answers as on the own database, and words that go the same way."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import text

from receiver.store import standings
from receiver.store.database import Database
from tests.integration.command_line import Receiver, command_line

NOW: Final = datetime(2026, 11, 24, 3, 22, 31, 673412, UTC)
DELIVERY: Final = Path(__file__).parents[2] / "data/deliveries/single.01.firing.json"


@pytest.fixture
def receiver(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Receiver:
    """The command line, which finds the test's own database where no server is named."""
    config = tmp_path / "receiver.yaml"
    config.write_text(f"data_dir: {tmp_path}\ndatabase: {{url: '{database_url}'}}\n", encoding="utf-8")
    monkeypatch.setenv("RECEIVER_CONFIG", str(config))
    monkeypatch.setenv("COLUMNS", "200")
    return command_line(monkeypatch, capfd)


async def test_every_reading_command_says_the_same_about_a_service_as_about_its_database(
    receiver: Receiver, site: Any, records: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    incident = await records.incident()
    alert = await records.alert(incident_id=incident, labels={"alertname": "Disk", "team": "a b&c"})
    await records.alert(fingerprint="b" * 16, labels={"alertname": "Other"})
    await records.event(incident_id=incident, alert_id=alert)
    await records.decision(incident_id=incident, alert_id=alert)
    await records.finding(incident_id=incident)
    run = await records.run(incident_id=incident)
    await records.entry(run_id=run, error="it would not end")
    message = await records.message(state="dead", error="channel_not_found")
    letter = await records.dead_letter(body=b"{")
    wish = await records.request(kind="run", answered_at=NOW, answer="blocked. It is too soon.")
    await records.playbook()
    monkeypatch.setenv("RECEIVER_TOKEN", "viewer-token")
    ranged = "--since 2026-11-01T00:00:00Z --until 2026-12-01T00:00:00Z"
    questions = (
        f"alerts list {ranged} --status firing -n 1",
        ("alerts list --label", "team=a b&c"),
        f"alerts show {alert}",
        "incidents list --state open",
        f"incidents show {incident}",
        f"remediations list --incident {incident}",
        f"remediations show {run}",
        f"why {alert}",
        f"why {incident}",
        f"why request-{wish}",
        "outbox list --state dead",
        f"outbox show {message}",
        "deadletter list --open",
        f"deadletter show {letter}",
        "playbooks list",
        "playbooks show restart-stuck-workflow",
        f"stats {ranged}",
        "alerts show 202611-999",
        "why 999",
        "alerts list --cursor x",
        "stats --workflow etl",
    )

    for question in questions:
        words = question.split() if isinstance(question, str) else [*question[0].split(), question[1]]
        for form in ([], ["-o", "json"]):
            own = await receiver(*words, *form)
            asked = await receiver(*words, *form, "--server", str(site.client.base_url))
            assert asked == own, words


async def test_what_is_wrong_with_the_server_or_the_token_is_said(
    receiver: Receiver, site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RECEIVER_TOKEN", raising=False)
    url = str(site.client.base_url)
    token = tmp_path / "token"
    token.write_text("viewer-token\n", encoding="utf-8")
    ingest = tmp_path / "ingest"
    ingest.write_text("ingest-token", encoding="utf-8")

    code, _, missing = await receiver("alerts", "list", "--server", url)
    assert (code, "RECEIVER_TOKEN or by --token-file" in missing) == (1, True)
    code, _, forbidden = await receiver("alerts", "list", "--server", url, "--token-file", str(ingest))
    assert (code, "no role that may do this" in forbidden) == (1, True)
    code, _, wrong = await receiver("alerts", "list", "--server", "receiver.example.org")
    assert (code, "write one such as https://" in wrong) == (2, True)
    code, _, unread = await receiver("alerts", "list", "--server", url, "--token-file", str(tmp_path / "none"))
    assert (code, "cannot be read" in unread) == (2, True)
    code, _, away = await receiver("alerts", "list", "--server", "http://127.0.0.1:9", "--token-file", str(token))
    assert (code, "does not answer" in away) == (1, True)
    code, _, other = await receiver("alerts", "list", "--server", f"{url}/elsewhere", "--token-file", str(token))
    assert (code, "another version" in other) == (1, True)
    assert (await receiver("alerts", "list", "--server", url, "--token-file", str(token)))[0] == 0


async def test_a_word_given_to_a_service_is_written_there_in_the_name_of_its_token_and_waited_for(
    receiver: Receiver, site: Any, records: Any, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await records.run(state="waiting", wake_at=NOW + timedelta(days=1))
    monkeypatch.setenv("RECEIVER_TOKEN", "operator-token")
    url = str(site.client.base_url)

    async def end() -> None:
        while run not in site.woken:  # noqa: ASYNC110 - the service's worker would be told by the queue
            await asyncio.sleep(0.05)
        async with database.transaction() as tx:
            await tx.execute(text("update runs set state = 'finished', outcome = 'rejected', reason = 'as asked'"))

    (code, said, _), _ = await asyncio.gather(
        receiver("remediations", "reject", str(run), "--note", "not now", "--server", url), end()
    )
    late = await receiver("remediations", "cancel", str(run), "--server", url)
    absent = await receiver("remediations", "cancel", "999", "--server", url)

    assert (code, f"remediation {run} ended: rejected. as asked" in said) == (0, True)
    async with database.transaction() as tx:
        asked = (await tx.execute(text("select kind, run_id, detail, asked_by from requests"))).one()
    assert tuple(asked) == ("reject", run, {"note": "not now"}, "operators")
    assert (late[0], "has already ended: rejected" in late[2]) == (1, True)
    assert (absent[0], "there is no remediation 999" in absent[2]) == (1, True)


async def test_an_incident_is_taken_on_here_and_elsewhere(
    receiver: Receiver, site: Any, records: Any, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    incident = await records.incident()
    over = await records.incident(key="other", state="closed", closed_at=NOW)
    monkeypatch.setenv("RECEIVER_TOKEN", "operator-token")
    server = ("--server", str(site.client.base_url))

    there = await receiver("incidents", "ack", str(incident), "--note", "mine", "--no-wait", *server)
    here = await receiver("incidents", "ack", str(incident))
    late = [await receiver("incidents", "ack", str(over), *where) for where in ((), server)]
    absent = [await receiver("incidents", "ack", "999", *where) for where in ((), server)]
    shown = await receiver("incidents", "show", str(incident))
    async with database.transaction() as tx:
        asked = (await tx.execute(text("select kind, asked_by, detail from requests order by id"))).all()

    assert (there[0], here[0]) == (0, 0)
    assert f"incident {incident} is taken on by " in here[1]
    assert [(code, "is over; what fires later" in said) for code, _, said in late] == [(1, True), (1, True)]
    assert [(code, "there is no incident 999" in said) for code, _, said in absent] == [(1, True), (1, True)]
    assert "at the command line has taken it on" in shown[1]
    assert [row.kind for row in asked] == ["acknowledge", "acknowledge"]
    assert (asked[0].asked_by, asked[0].detail) == ("operators", {"incident": incident, "note": "mine"})


async def test_everything_is_paused_and_a_breaker_closed_at_a_service_elsewhere(
    receiver: Receiver, site: Any, records: Any, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await records.playbook()
    async with database.transaction() as tx:
        await standings.open_breaker(tx, "restart-stuck-workflow", NOW, "3 runs in a row failed")
    server = ("--server", str(site.client.base_url))
    monkeypatch.setenv("RECEIVER_TOKEN", "operator-token")
    refused = await receiver("remediations", "resume", *server)
    monkeypatch.setenv("RECEIVER_TOKEN", "admin-token")

    paused = await receiver("remediations", "pause", "--reason", "upgrade", "--for", "2h", *server)
    here = await receiver("remediations", "resume", "-o", "json")
    resumed = await receiver("remediations", "resume", *server)
    closed = await receiver("playbooks", "close", "restart-stuck-workflow", *server)
    absent = await receiver("playbooks", "close", "nobody", *server)

    assert (refused[0], "answered 403" in refused[2]) == (1, True)
    assert (paused[0], paused[1].startswith("all playbooks are paused until ")) == (0, True)
    assert [one["paused_by"] for one in json.loads(here[1])["items"]] == ["admins"]
    assert (resumed[0], "nothing was paused\n" in resumed[1]) == (0, True)
    assert (closed[0], "it was open because 3 runs in a row failed" in closed[1]) == (0, True)
    assert (absent[0], "there is no playbook 'nobody'" in absent[2]) == (1, True)


async def test_dead_letters_are_replayed_and_discarded_at_a_service_elsewhere(
    receiver: Receiver, site: Any, records: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad, unwanted = [await records.dead_letter(body=body) for body in (DELIVERY.read_bytes(), b"{", b"[]")]
    server = ("--server", str(site.client.base_url))
    monkeypatch.setenv("RECEIVER_TOKEN", "admin-token")

    replayed = await receiver("deadletter", "replay", str(good), str(bad), *server)
    discarded = await receiver("deadletter", "discard", str(unwanted), *server)
    absent = await receiver("deadletter", "discard", "999", *server)
    raw = await receiver("deadletter", "replay", "--delivery", "1", "--into", "postgresql:///fresh", *server)
    left = await receiver("deadletter", "list", "--open", "-o", "json")

    assert replayed[0] == 1
    assert f"dead letter {good} is recorded as delivery" in replayed[1]
    assert f"dead letter {bad} is not replayed" in replayed[2]
    assert "it is still not understood" in replayed[2]
    assert (discarded[0], f"dead letter {unwanted} is discarded\n" in discarded[1]) == (0, True)
    assert (absent[0], "there is no dead letter 999" in absent[2]) == (1, True)
    assert (raw[0], "ask its database for --delivery" in raw[2]) == (2, True)
    assert [one["id"] for one in json.loads(left[1])["items"]] == [bad]


async def test_a_silence_is_asked_for_here_and_elsewhere_and_its_failure_is_an_exit_code(
    receiver: Receiver, site: Any, records: Any, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    incident = str(await records.incident())
    monkeypatch.setenv("RECEIVER_TOKEN", "operator-token")
    words = ("incidents", "silence", incident, "--reason", "known")
    server = ("--server", str(site.client.base_url))

    there = await receiver(*words, "--for", "4h", "--no-wait", *server)
    here = await receiver(*words)
    wrong = [await receiver(*words, "--for", length) for length in ("8d", "soon")]
    body = await site.ask("POST", f"/api/v1/incidents/{incident}/silence", role="operator", json={"for": "8d"})
    async with database.transaction() as tx:
        asked = (await tx.execute(text("select kind, asked_by, detail from requests order by id"))).all()

    assert there[0] == 0
    assert (here[0], "it is not silenced: no Alertmanager is configured; set alertmanager.url" in here[1]) == (1, True)
    assert [(code, "write one such as" in said) for code, _, said in wrong] == [(2, True), (2, True)]
    assert body.status_code == 400
    assert [row.detail["for"] for row in asked] == ["4h", "1h"]
    assert tuple(asked[0][:2]) == ("silence", "operators")


async def test_an_archive_is_asked_for_at_a_service_elsewhere_and_its_failure_is_an_exit_code(
    receiver: Receiver, site: Any, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECEIVER_TOKEN", "operator-token")
    words = ("archive", "create", "argo/etl", "--with", "logs", "--server", str(site.client.base_url))

    async def act() -> None:
        while len(site.woken) < 2:  # noqa: ASYNC110 - the service's worker would be told by the queue
            await asyncio.sleep(0.05)
        async with database.transaction() as tx:
            await tx.execute(
                text("update requests set answered_at = now(), answer = 'it was not archived: no such workflow'")
            )

    left = await receiver(*words, "--no-wait")
    (code, said, _), _ = await asyncio.gather(receiver(*words), act())
    async with database.transaction() as tx:
        asked = (await tx.execute(text("select kind, asked_by, detail from requests order by id"))).all()

    assert (left[0], "is written down: archive argo/etl" in left[1]) == (0, True)
    assert (code, said) == (1, "it was not archived: no such workflow\n")
    assert [tuple(row) for row in asked] == [
        ("archive", "operators", {"namespace": "argo", "name": "etl", "with": ["logs"]})
    ] * 2
