"""Start, join and stop the server."""

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from receiver.store.embedded.account import Account, find_account
from receiver.store.embedded.binaries import Binaries, find_binaries
from receiver.store.embedded.errors import EmbeddedPostgresError
from receiver.store.embedded.locks import Use, door
from receiver.store.embedded.postmaster import (
    clear_stale_files,
    describe_log,
    find_postmaster,
    is_alive,
    stop_postmaster,
)
from receiver.store.embedded.premises import (
    PORT,
    Premises,
    choose_premises,
    clear_short_folder,
    open_data_dir,
    prepare_home,
)

DATABASE = "receiver"

_LIMIT = timedelta(seconds=60)
"""Time for a start, recovery after a crash included; one at rest takes a tenth of a second, the first one a second."""

_INITDB_LIMIT = timedelta(seconds=120)
_LONGEST_LOG = 5_000_000
"""Bytes at which the log is put aside at the next start; one older log is kept."""

_PAUSE = timedelta(milliseconds=20)

_FIRST_WITH_BUILTIN_LOCALES = 17

_STILL_DYING = "pre-existing shared memory block"
"""What Postgres says while children of a server that was killed have not noticed yet."""


@dataclass(kw_only=True, slots=True)
class EmbeddedPostgres:
    """A share in the server of one `data_dir`; as an async context manager it is given back at the end.

        async with await EmbeddedPostgres.start(data_dir) as postgres:
            ... postgres.url ...

    The last share that is given back stops the server. A process that ends without giving its share back (`kill -9`)
    leaves the server running; the next one takes it over.
    """

    url: str
    """`postgresql://` URL of the database `receiver` for psycopg and SQLAlchemy; holds no secret."""

    version: str
    """Of the binaries, such as `18.6`."""

    owned: bool
    """Whether nobody else used the server when this share was taken: it was started, or taken over."""

    pid: int
    """Process id of the server."""

    premises: Premises
    account: Account
    use: Use | None

    @classmethod
    async def start(cls, data_dir: Path, *, durable: bool = True, limit: timedelta = _LIMIT) -> Self:
        """Start the server of *data_dir*, or join the one that runs; as `start_blocking`, without blocking the loop."""
        starting = asyncio.ensure_future(asyncio.to_thread(cls.start_blocking, data_dir, durable=durable, limit=limit))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            # The thread cannot be called back: whatever it still starts is given back before we go.
            with suppress(EmbeddedPostgresError):
                await (await starting).stop()
            raise

    @classmethod
    def start_blocking(cls, data_dir: Path, *, durable: bool = True, limit: timedelta = _LIMIT) -> Self:
        """Start the server of *data_dir*, or join the one that runs.

        Args:
            data_dir: Made where it is absent. One server for each.
            durable: Whether a commit survives a crash of the machine. Switch it off for tests alone; it matters only to
                the call that starts the server.
            limit: Time for the server to answer, and time to wait for another process that starts or stops it.

        Raises:
            EmbeddedPostgresError: It cannot be had; the message says why and what to do.
        """
        try:
            account = find_account()
            binaries = find_binaries(account)
            data_dir = open_data_dir(data_dir, account)
            with door(data_dir, limit=limit):
                return cls._enter(data_dir, account, binaries, durable=durable, limit=limit)
        except OSError as exc:
            raise EmbeddedPostgresError(
                f"The embedded Postgres for {data_dir} could not be started: {exc}. Choose a data_dir where files "
                "can be made, or set database.url to a Postgres of yours."
            ) from exc

    async def stop(self) -> None:
        """Give the share back; as `stop_blocking`, without blocking the loop."""
        await asyncio.to_thread(self.stop_blocking)

    def stop_blocking(self) -> None:
        """Give the share back, and stop the server if it was the last. A second call does nothing.

        Raises:
            EmbeddedPostgresError: The server did not stop.
        """
        if self.use is None:
            return
        use, self.use = self.use, None
        try:
            with door(self.premises.data_dir, limit=_LIMIT):
                self._leave(use, self.premises, self.account)
        except OSError as exc:
            raise EmbeddedPostgresError(
                f"The embedded Postgres in {self.premises.home} could not be stopped: {exc}. Process {self.pid} may "
                "still run; the next start joins it."
            ) from exc

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @classmethod
    def _enter(cls, data_dir: Path, account: Account, binaries: Binaries, *, durable: bool, limit: timedelta) -> Self:
        premises = choose_premises(data_dir, account)
        use = Use.begin(data_dir)
        try:
            pid = find_postmaster(premises, account)
            if pid is None:
                clear_stale_files(premises, account, alone=use.alone)
                pid = _start(premises, account, binaries, durable=durable, limit=limit)
            else:
                _wait_until_ready(pid, premises, account, since=_log_size(premises), limit=limit)
            _ensure_database(premises, account)
        except BaseException:
            cls._leave(use, premises, account)
            raise
        return cls(
            url=_url(premises, account),
            version=binaries.version,
            owned=use.alone,
            pid=pid,
            premises=premises,
            account=account,
            use=use,
        )

    @staticmethod
    def _leave(use: Use, premises: Premises, account: Account) -> None:
        """End a share with the door locked, and the server with the last one."""
        try:
            running = find_postmaster(premises, account) if use.is_last() else None
            if running is not None:
                stop_postmaster(running, premises, account)
                clear_short_folder(premises)
        finally:
            use.end()


@contextmanager
def scratch(*, durable: bool = False) -> Iterator[EmbeddedPostgres]:
    """Run a server in a temporary folder, and remove both at the end. For tests and for showing things."""
    folder = Path(tempfile.mkdtemp(prefix="receiver-"))
    try:
        if os.geteuid() == 0:
            folder.chmod(0o711)
        server = EmbeddedPostgres.start_blocking(folder, durable=durable)
        try:
            yield server
        finally:
            server.stop_blocking()
            shutil.rmtree(server.premises.home)
    finally:
        shutil.rmtree(folder)


def _start(premises: Premises, account: Account, binaries: Binaries, *, durable: bool, limit: timedelta) -> int:
    """Start a server where none runs, and return its process id once it answers."""
    _put_old_log_aside(premises)
    if not premises.home.exists():
        _initialise(premises, account, binaries, durable=durable)
    _check_major(premises, binaries)
    end = time.monotonic() + limit.total_seconds()
    while True:
        since = _log_size(premises)
        pid = _launch(premises, account, binaries, durable=durable)
        try:
            _wait_until_ready(pid, premises, account, since=since, limit=limit)
        except EmbeddedPostgresError as exc:
            if _STILL_DYING not in str(exc) or time.monotonic() > end:
                raise
            time.sleep(_PAUSE.total_seconds())
        else:
            return pid


def _initialise(premises: Premises, account: Account, binaries: Binaries, *, durable: bool) -> None:
    draft = prepare_home(premises.home, account)
    # One order and one meaning of letters on every machine; older servers have no such locale of their own.
    unicode = binaries.major >= _FIRST_WITH_BUILTIN_LOCALES
    command: list[str | Path] = [
        binaries.program("initdb"),
        f"--pgdata={draft / 'cluster'}",
        f"--username={account.caller}",
        "--auth-local=peer",
        "--auth-host=reject",
        "--encoding=UTF8",
        "--locale=C",
        *(["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if unicode else []),
        "--data-checksums",
        "--no-instructions",
        *([] if durable else ["--no-sync"]),
    ]
    since = _log_size(premises)
    with _opened_log(premises) as log:
        done = account.launch(command, stdout=log, stderr=log, limit=_INITDB_LIMIT)
    if done.returncode != 0:
        raise EmbeddedPostgresError(
            f"initdb could not make a database in {premises.home}. {describe_log(premises, since=since)}"
        )
    draft.rename(premises.home)


def _check_major(premises: Premises, binaries: Binaries) -> None:
    found = (premises.cluster / "PG_VERSION").read_text(encoding="ascii").strip()
    if found != str(binaries.major):
        raise EmbeddedPostgresError(
            f"The database in {premises.cluster} was made by Postgres {found}, and the one installed here is "
            f"{binaries.version}. Install the version of Receiver that you had, write the database out with pg_dump, "
            f"move {premises.home} away and load it again; or set database.url to a Postgres of yours."
        )


def _launch(premises: Premises, account: Account, binaries: Binaries, *, durable: bool) -> int:
    """Start the server apart from this process, and return its process id.

    A shell in between makes it nobody's child at once. So it is the same for all who share it whoever started it, and
    neither the terminal's Ctrl-C nor our end reaches it.
    """
    folder = str(premises.socket_folder).replace('"', '""')
    settings = {
        "listen_addresses": "",
        "port": str(PORT),
        "unix_socket_directories": f'"{folder}"',
        "unix_socket_permissions": "0700",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
    if not durable:
        settings |= {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
    server: list[str | Path] = [binaries.program("postgres"), "-D", premises.cluster]
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    # The number goes out by a descriptor that the server does not inherit, so that reading it comes to an end.
    script = 'exec 3>&1; "$@" >&2 3>&- & echo $! >&3'
    with _opened_log(premises) as log:
        started = account.launch(["/bin/sh", "-c", script, "sh", *server, *options], stdout=subprocess.PIPE, stderr=log)
    return int(started.stdout)


def _wait_until_ready(pid: int, premises: Premises, account: Account, *, since: int, limit: timedelta) -> None:
    end = time.monotonic() + limit.total_seconds()
    while True:
        try:
            _connect(premises, account, "postgres").close()
        except psycopg.OperationalError as exc:
            reason = str(exc)
            cause = exc
        else:
            return
        if not is_alive(pid):
            raise EmbeddedPostgresError(
                f"Postgres ended while it started. {describe_log(premises, since=since)}"
            ) from cause
        if time.monotonic() > end:
            raise EmbeddedPostgresError(
                f"Postgres (process {pid}) runs on {premises.cluster} but does not let us in: {reason}. "
                f"{describe_log(premises, since=since)}"
            ) from cause
        time.sleep(_PAUSE.total_seconds())


def _ensure_database(premises: Premises, account: Account) -> None:
    try:
        with _connect(premises, account, "postgres") as connection:
            connection.autocommit = True
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    except psycopg.Error as exc:
        raise EmbeddedPostgresError(
            f"Postgres runs on {premises.cluster}, but the database {DATABASE!r} could not be made in it: {exc}. "
            f"{premises.log} may say more."
        ) from exc


def _connect(premises: Premises, account: Account, database: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        host=str(premises.socket_folder), port=PORT, user=account.caller, dbname=database, connect_timeout=10
    )


def _url(premises: Premises, account: Account) -> str:
    """Name user, folder and port: whatever is left out, libpq would take from the environment."""
    folder = quote(str(premises.socket_folder), safe="/")
    return f"postgresql://{quote(account.caller, safe='')}@/{DATABASE}?host={folder}&port={PORT}"


@contextmanager
def _opened_log(premises: Premises) -> Iterator[int]:
    descriptor = os.open(premises.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _log_size(premises: Premises) -> int:
    return premises.log.stat().st_size if premises.log.exists() else 0


def _put_old_log_aside(premises: Premises) -> None:
    if _log_size(premises) > _LONGEST_LOG:
        premises.log.rename(premises.log.with_suffix(".log.1"))
