"""The cluster on disk: made once, and checked before each start."""

from datetime import timedelta
from pathlib import Path

from receiver.store.embedded.account import Account
from receiver.store.embedded.binaries import Binaries
from receiver.store.embedded.errors import EmbeddedPostgresError
from receiver.store.embedded.log import describe_log, log_size, opened_log
from receiver.store.embedded.premises import Premises, prepare_home

_INITDB_LIMIT = timedelta(seconds=120)

_FIRST_WITH_BUILTIN_LOCALES = 17


def initialise(premises: Premises, account: Account, binaries: Binaries, *, durable: bool) -> None:
    """Make the cluster: Unicode, with checksums, its one role named after the caller and let in by the kernel's word.

    Raises:
        EmbeddedPostgresError: initdb failed, or took longer than two minutes.
    """
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
    since = log_size(premises)
    with opened_log(premises) as log:
        done = account.launch(command, stdout=log, stderr=log, limit=_INITDB_LIMIT)
    if done.returncode != 0:
        raise EmbeddedPostgresError(
            f"initdb could not make a database in {premises.home}. {describe_log(premises, since=since)}"
        )
    draft.rename(premises.home)


def check_major(premises: Premises, binaries: Binaries) -> None:
    """Refuse a cluster that another major version of Postgres has made: its files mean something else.

    Raises:
        EmbeddedPostgresError: It has another version; the message says how to bring the data over.
    """
    found = (premises.cluster / "PG_VERSION").read_text(encoding="ascii").strip()
    if found != str(binaries.major):
        raise EmbeddedPostgresError(
            f"The database in {premises.cluster} was made by Postgres {found}, and the one installed here is "
            f"{binaries.version}. Install the version of Receiver that you had, write the database out with pg_dump, "
            f"move {premises.home} away and load it again; or set database.url to a Postgres of yours."
        )
