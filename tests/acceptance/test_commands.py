"""The commands as a shell sees them: exit codes, what is said on the way, and how they end."""

import json
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from receiver.sandbox.alertmanager import delivery

from .conftest import ROOT, Service, Stage, complaints, free_port, until

ORDINARY = "nobody"
PACKAGES = Path(pytest.__file__).parents[1]


async def test_the_demo_tells_both_stories_and_ends_with_0(stage: Stage) -> None:
    demo = await stage.start("demo", "--once", "--port", str(free_port()))

    assert await demo.ended(within=110) == 0, demo.said
    assert "restart-stuck-workflow: succeeded." in demo.said
    assert "restart-stuck-workflow: failed." in demo.said
    assert "PagerDuty: WorkflowStuckDetection: taskmaster/tess-runs-the-tests" in demo.said
    assert "PagerDuty: WorkflowStuckDetection: taskmaster/rex-implements-login" not in demo.said
    assert "Traceback" not in demo.said


async def test_a_wrong_setting_is_refused_with_file_and_line(stage: Stage) -> None:
    file = stage.folder / "wrong.yaml"
    file.write_text("data_dir: here\nserver:\n  prot: 8080\n", encoding="utf-8")

    for command in ("serve", "worker", "migrate", "check"):
        refused = await stage.start(command, "--config", str(file))

        assert await refused.ended() == 2, refused.said
        assert f"{file}:3" in refused.said
        assert "port" in refused.said
        assert len(refused.said.splitlines()) == 1, refused.said


async def test_a_wrong_playbook_is_refused_with_file_and_line(stage: Stage) -> None:
    playbooks = stage.folder / "playbooks"
    playbooks.mkdir()
    file = playbooks / "wrong.yaml"
    file.write_text(
        "name: wrong\nsummary: s\non: {matchers: ['a=\"b\"']}\nsteps:\n  - workflow.terminat: {}\n", encoding="utf-8"
    )

    refused = await stage.start("serve", settings=stage.settings(playbooks=str(playbooks)))

    assert await refused.ended() == 2, refused.said
    assert f"{file}:5" in refused.said
    assert "workflow.terminate" in refused.said


async def test_a_port_in_use_is_said_before_anything_else_is_opened(stage: Stage) -> None:
    service = await stage.serve()
    port = service.url.rpartition(":")[2]

    second = await stage.start("serve", "--port", port, settings=stage.settings(database=None))

    assert await second.ended() == 2
    assert f"127.0.0.1:{port}" in second.said
    assert len(second.said.splitlines()) == 1, second.said
    opened = sorted(path.name for path in (stage.folder / "data").iterdir())
    assert opened == ["spool"], "the first one's spool, and no database"
    assert len(list((stage.folder / "data" / "spool").iterdir())) == 1, "and none of the second's"


async def test_beyond_this_machine_it_does_not_listen_without_tokens(stage: Stage) -> None:
    refused = await stage.start("serve", "--host", "0.0.0.0", settings=stage.settings(auth=None))  # noqa: S104

    assert await refused.ended() == 2
    assert "auth.tokens" in refused.said
    assert len(refused.said.splitlines()) == 1, refused.said


async def test_a_worker_without_a_database_of_its_own_is_wrong_usage(stage: Stage) -> None:
    refused = await stage.start("worker", settings=stage.settings(database=None))

    assert await refused.ended() == 2
    assert "database.url" in refused.said


async def test_migrate_ends_with_0_twice_and_with_1_where_nothing_answers(stage: Stage) -> None:
    settings = stage.settings()
    for _ in range(2):
        migrated = await stage.start("migrate", settings=settings)
        assert await migrated.ended() == 0, migrated.said
        assert "revision" in migrated.said

    nowhere = settings | {"database": {"url": f"postgresql://127.0.0.1:{free_port()}/receiver"}}
    failed = await stage.start("migrate", settings=nowhere)
    assert await failed.ended() == 1, failed.said
    assert "Traceback" not in failed.said


async def test_check_says_how_each_thing_is_and_ends_with_1_when_one_fails(stage: Stage) -> None:
    well = await stage.start("check", settings=stage.settings())
    assert await well.ended() == 0, well.said
    for thing in ("tokens", "playbook", "spool", "database", "kubernetes", "slack", "pagerduty"):
        assert re.search(rf"^ok +{thing} ", well.said, re.MULTILINE), well.said

    off = ("auth", "kubernetes", "slack", "pagerduty", "playbooks")
    bare = {name: branch for name, branch in stage.settings().items() if name not in off}
    nothing = await stage.start("check", settings=bare)
    assert await nothing.ended() == 0, nothing.said
    assert re.search("^off +slack ", nothing.said, re.MULTILINE)

    slack = {"bot_token": "xoxb-wrong", "api_url": stage.slack.url}
    ill = await stage.start("check", settings=stage.settings(slack=slack))
    assert await ill.ended() == 1, ill.said
    assert re.search("^FAIL +slack ", ill.said, re.MULTILINE)


async def holds_alerts(service: Service, count: int) -> bool:
    return len((await service.ask("/api/v1/alerts")).json["items"]) == count


async def test_serve_on_its_own_database_ends_with_0_and_stops_it(stage: Stage) -> None:
    service = await stage.serve(database=None)
    assert (await service.post(delivery(stage.alert("rex-implements-login")))).status == 200
    assert postgres_runs(stage)

    assert await service.stop() == 0
    assert not postgres_runs(stage)
    assert complaints(service.said) == []

    again = await stage.serve(database=None)
    await again.migrated()
    await until(lambda: holds_alerts(again, 1), "the alert that was answered 200 is there")
    assert await again.stop() == 0


async def test_serve_leaves_its_database_to_whoever_else_uses_it(stage: Stage) -> None:
    first = await stage.serve(database=None)
    second = await stage.serve(database=None)
    assert (await first.post(delivery(stage.alert("rex-implements-login")))).status == 200

    assert await first.stop() == 0
    assert postgres_runs(stage)
    await second.migrated()
    await until(lambda: holds_alerts(second, 1), "what the first one took is there")
    assert await second.stop() == 0
    assert not postgres_runs(stage)


async def test_serve_ends_while_somebody_follows_the_stream_of_events(stage: Stage) -> None:
    service = await stage.serve()
    await service.migrated()
    headers = {"Authorization": f"Bearer {stage.tokens['viewer']}"}

    async with stage.session.get(f"{service.url}/api/v1/events/stream", headers=headers) as stream:
        assert stream.status == 200
        assert await service.stop() == 0


async def test_serve_ends_while_a_cluster_that_answers_nothing_is_asked(stage: Stage) -> None:
    stage.cluster.faults.hang(times=None)
    service = await stage.serve(kubernetes=stage.settings()["kubernetes"] | {"timeout": "10s"})
    assert (await service.deliver(stage.alert("rex-implements-login"))).status == 200
    await until(lambda: stage.cluster.faults.seen(path="/workflows/"), "the cluster is asked")

    assert await service.stop() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="as an ordinary user every test is this one")
async def test_an_ordinary_user_serves_on_a_database_of_its_own(stage: Stage) -> None:
    account = pwd.getpwnam(ORDINARY)
    python = usable_python(ORDINARY, account.pw_gid)
    home = stage.folder / "home"
    home.mkdir()
    shutil.chown(home, account.pw_uid, account.pw_gid)
    port = free_port()
    settings = {"data_dir": str(home / "data"), "server": {"port": port}}
    file = stage.folder / "ordinary.yaml"
    file.write_text(json.dumps(settings), encoding="utf-8")

    command = [python, "-m", "receiver", "serve", "--config", str(file)]
    service = await stage.launch(command, port=port, user=ORDINARY, PYTHONPATH=f"{ROOT}:{PACKAGES}")
    await service.ready()
    assert (await service.post(delivery(stage.alert("rex-implements-login")), role=None)).status == 200
    database = (home / "data" / "postgres").stat()
    assert (database.st_uid, stat.S_IMODE(database.st_mode)) == (account.pw_uid, 0o700)
    assert await service.stop() == 0
    assert not postgres_runs(stage)


def usable_python(user: str, group: int) -> str:
    """Find a Python that another user may run: this one, or the system's of the same version."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        imports = [python, "-c", "import receiver.cli, psycopg"]
        found = {"PYTHONPATH": f"{ROOT}:{PACKAGES}", "PATH": os.defpath}
        with suppress(OSError):
            tried = subprocess.run(
                imports, cwd="/", env=found, user=user, group=group, extra_groups=[], capture_output=True, check=False
            )
            if tried.returncode == 0:
                return python
    pytest.skip(f"{user} can run no {version} with the packages in {PACKAGES}")


def postgres_runs(stage: Stage) -> bool:
    """Answer whether a server runs on this stage's folder, by the list of processes."""
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(FileNotFoundError, ProcessLookupError):
            words = place.read_bytes().split(b"\0")
            if words[0].endswith(b"/postgres") and any(word.startswith(bytes(stage.folder)) for word in words):
                return True
    return False
