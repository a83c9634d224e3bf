"""Start, join and stop the server."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from receiver.store.embedded.account import Account, find_account
from receiver.store.embedded.binaries import Binaries, find_binaries
from receiver.store.embedded.errors import EmbeddedPostgresError
from receiver.store.embedded.launch import ensure_database, start_postmaster, url_of, wait_until_ready
from receiver.store.embedded.locks import Use, door
from receiver.store.embedded.log import log_size
from receiver.store.embedded.postmaster import clear_stale_files, find_postmaster, runs, stop_postmaster
from receiver.store.embedded.premises import Premises, choose_premises, clear_short_folder, open_data_dir

_LIMIT = timedelta(seconds=60)
"""Time for a start, recovery after a crash included; one at rest takes a tenth of a second, the first one a second."""

_LOOK_EVERY = timedelta(seconds=1)
"""How often it is looked whether the server lives; one look reads a small file of the kernel's."""

log = structlog.get_logger()


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

    durable: bool
    """Whether a commit survives a crash of the machine, where this share starts the server."""

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
                _stop_if_last(use, self.premises, self.account)
        except OSError as exc:
            raise EmbeddedPostgresError(
                f"The embedded Postgres in {self.premises.home} could not be stopped: {exc}. Process {self.pid} may "
                "still run; the next start joins it."
            ) from exc
        finally:
            use.end()

    async def tend(self) -> None:
        """Start the server again whenever it has died, until cancelled; nobody else does."""
        while True:
            await asyncio.sleep(_LOOK_EVERY.total_seconds())
            if runs(self.pid, self.premises, self.account):
                continue
            log.warning("postgres", action="postgres_died", pid=self.pid)
            try:
                await asyncio.to_thread(self._start_again)
            except (EmbeddedPostgresError, OSError) as error:
                log.warning("postgres", action="postgres_not_restarted", reason=str(error))
            else:
                log.warning("postgres", action="postgres_restarted", pid=self.pid)

    def _start_again(self) -> None:
        with door(self.premises.data_dir, limit=_LIMIT):
            if self.use is None:
                return
            pid = find_postmaster(self.premises, self.account)
            if pid is None:
                # Others may use it too, but we have seen it die: none runs that cannot be seen.
                clear_stale_files(self.premises, self.account, alone=True)
                binaries = find_binaries(self.account)
                pid = start_postmaster(self.premises, self.account, binaries, durable=self.durable, limit=_LIMIT)
            self.pid = pid

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
        with ExitStack() as undo:
            undo.callback(use.end)
            undo.callback(_stop_if_last, use, premises, account)
            pid = find_postmaster(premises, account)
            if pid is None:
                clear_stale_files(premises, account, alone=use.alone)
                pid = start_postmaster(premises, account, binaries, durable=durable, limit=limit)
            else:
                wait_until_ready(pid, premises, account, since=log_size(premises), limit=limit)
            ensure_database(premises, account)
            undo.pop_all()
        return cls(
            url=url_of(premises, account),
            version=binaries.version,
            owned=use.alone,
            pid=pid,
            durable=durable,
            premises=premises,
            account=account,
            use=use,
        )


@contextmanager
def scratch(*, durable: bool = False, where: Path | None = None) -> Iterator[EmbeddedPostgres]:
    """Run a server in a temporary folder, and remove both at the end. For tests and for showing things.

    Args:
        durable: Whether a commit survives a crash of the machine.
        where: The folder is made in this one; else where temporary folders are.
    """
    folder = Path(tempfile.mkdtemp(prefix="receiver-", dir=where))
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


def _stop_if_last(use: Use, premises: Premises, account: Account) -> None:
    running = find_postmaster(premises, account) if use.is_last() else None
    if running is not None:
        stop_postmaster(running, premises, account)
        clear_short_folder(premises)
