"""From a cluster on disk to a database that answers."""

import subprocess
import time
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from receiver.store.embedded.account import Account
from receiver.store.embedded.binaries import Binaries
from receiver.store.embedded.cluster import check_major, initialise
from receiver.store.embedded.errors import EmbeddedPostgresError
from receiver.store.embedded.log import describe_log, log_size, opened_log, put_old_log_aside
from receiver.store.embedded.postmaster import is_alive
from receiver.store.embedded.premises import PORT, Premises

DATABASE = "receiver"

_PAUSE = timedelta(milliseconds=20)

_STILL_DYING = "pre-existing shared memory block"
"""What Postgres says while children of a server that was killed have not noticed yet."""


def start_postmaster(
    premises: Premises, account: Account, binaries: Binaries, *, durable: bool, limit: timedelta
) -> int:
    """Start a server where none runs, and return its process id once it answers. Call it with the door locked.

    Raises:
        EmbeddedPostgresError: It did not come up; the message shows what it said.
    """
    put_old_log_aside(premises)
    if not premises.home.exists():
        initialise(premises, account, binaries, durable=durable)
    check_major(premises, binaries)
    end = time.monotonic() + limit.total_seconds()
    while True:
        since = log_size(premises)
        pid = _launch(premises, account, binaries, durable=durable)
        try:
            wait_until_ready(pid, premises, account, since=since, limit=limit)
        except EmbeddedPostgresError as exc:
            if _STILL_DYING not in str(exc) or time.monotonic() > end:
                raise
            time.sleep(_PAUSE.total_seconds())
        else:
            return pid


def wait_until_ready(pid: int, premises: Premises, account: Account, *, since: int, limit: timedelta) -> None:
    """Wait until the server lets us in.

    Args:
        pid: Its process.
        premises: Its folders.
        account: Its account.
        since: Bytes of the log that were there before.
        limit: Time to wait.

    Raises:
        EmbeddedPostgresError: It ended instead, or the time is over.
    """
    end = time.monotonic() + limit.total_seconds()
    while True:
        try:
            connect(premises, account, "postgres").close()
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


def ensure_database(premises: Premises, account: Account) -> None:
    """Make the database `receiver` where it is absent.

    Raises:
        EmbeddedPostgresError: The server refused.
    """
    try:
        with connect(premises, account, "postgres") as connection:
            connection.autocommit = True
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    except psycopg.Error as exc:
        raise EmbeddedPostgresError(
            f"Postgres runs on {premises.cluster}, but the database {DATABASE!r} could not be made in it: {exc}. "
            f"{premises.log} may say more."
        ) from exc


def url_of(premises: Premises, account: Account) -> str:
    """Return the URL of the database `receiver`.

    It names user, folder and port, because libpq would take from the environment whatever is left out.
    """
    folder = quote(str(premises.socket_folder), safe="/")
    return f"postgresql://{quote(account.caller, safe='')}@/{DATABASE}?host={folder}&port={PORT}"


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
    with opened_log(premises) as log:
        started = account.launch(["/bin/sh", "-c", script, "sh", *server, *options], stdout=subprocess.PIPE, stderr=log)
    return int(started.stdout)


def connect(premises: Premises, account: Account, database: str) -> psycopg.Connection[tuple[object, ...]]:
    """Connect to one database of the server, as nothing but our own words say."""
    return psycopg.connect(
        host=str(premises.socket_folder), port=PORT, user=account.caller, dbname=database, connect_timeout=10
    )
