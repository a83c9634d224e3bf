"""The folders of the server: where they are, whose they are, and that nobody else can reach into them.

In `data_dir`, owned by whoever runs Receiver:

    postgres/            mode 0700, owned by the account of the server
        cluster/         what initdb makes
        run/             the socket
    postgres.location    instead of postgres/, when the account cannot enter `data_dir`: the path of that folder
    postgres.log         what the server says
    postgres.door        lock: held while the server is started or stopped
    postgres.users       lock: held, shared, by every process that uses the server
"""

import hashlib
import os
import secrets
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from receiver.store.embedded.account import Account
from receiver.store.embedded.errors import EmbeddedPostgresError

STATE_FOLDER = Path("/var/lib/receiver")
"""Root's own folder: databases that cannot stand in `data_dir`, and copies of the binaries."""

PORT = 5432
"""Part of the socket's name and nothing else: no network port is opened."""

_SOCKET = f".s.PGSQL.{PORT}"

_LONGEST_SOCKET = 99
"""Bytes of a socket's path. unix(7) allows 107, other systems 103; a margin is kept."""

_SHORT_FOLDER = Path("/tmp")  # noqa: S108 - the folder made in it is checked for owner and mode, so it may be guessed
"""Where the socket goes when `data_dir` has a long path. Neither $TMPDIR, which may be as long, nor
$XDG_RUNTIME_DIR, which is emptied when its user logs out although the server runs on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Premises:
    """The folders of one server, checked."""

    data_dir: Path
    home: Path
    """Folder that the account of the server owns."""

    socket_folder: Path

    @property
    def cluster(self) -> Path:
        """What Postgres calls its data directory."""
        return self.home / "cluster"

    @property
    def socket(self) -> Path:
        """Where clients knock. Postgres keeps a lock file beside it."""
        return self.socket_folder / _SOCKET

    @property
    def log(self) -> Path:
        """What the server says. In `data_dir`, so that root never writes where the server's account could."""
        return self.data_dir / "postgres.log"


def open_data_dir(data_dir: Path, account: Account) -> Path:
    """Make *data_dir* where it is absent, and return it without symbolic links.

    Raises:
        EmbeddedPostgresError: It belongs to somebody else.
    """
    data_dir = data_dir.resolve()
    if not data_dir.exists():
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        # Root's server runs under another account, which must be able to walk through, not to look around.
        data_dir.mkdir(mode=0o711 if account.switched else 0o700, exist_ok=True)
    owner = data_dir.stat().st_uid
    if owner != os.geteuid():
        raise EmbeddedPostgresError(
            f"{data_dir} belongs to the user id {owner}, not to {account.caller!r}. Run Receiver as its owner, or "
            "choose another data_dir."
        )
    return data_dir


def choose_premises(data_dir: Path, account: Account) -> Premises:
    """Find the folders that belong to *data_dir*, or choose them. Call it with the door locked.

    Raises:
        EmbeddedPostgresError: A folder exists and is not as it must be.
    """
    home = _choose_home(data_dir, account)
    if home.exists():
        _check_private(home, account)
        if not account.can_enter(home):
            raise EmbeddedPostgresError(
                f"The account {account.name!r}, which runs Postgres for root, can no longer enter {home}. Let it pass "
                "through the folders above (chmod o+x), or choose another data_dir."
            )
    return Premises(data_dir=data_dir, home=home, socket_folder=_choose_socket_folder(home, account))


def prepare_home(home: Path, account: Account) -> Path:
    """Make an empty draft of *home* for initdb to fill; it gets its name by a rename once it is whole."""
    draft = home.with_name(f"{home.name}.new")
    if draft.exists():
        shutil.rmtree(draft)
    draft.mkdir(mode=0o700, parents=False)
    for folder in (draft / "run", draft):
        folder.mkdir(mode=0o700, exist_ok=True)
        if account.switched:
            os.chown(folder, account.uid, account.gid, follow_symlinks=False)
    return draft


def clear_short_folder(premises: Premises) -> None:
    """Remove the short folder of the socket, where there is one, after its server has ended."""
    if premises.socket_folder.parent != premises.home:
        # A server that was killed leaves its socket; the next start needs the folder again anyhow.
        with suppress(OSError):
            premises.socket_folder.rmdir()


def make_state_folder() -> Path:
    """Make or check root's own folder; return it."""
    _make_public(STATE_FOLDER)
    return STATE_FOLDER


def _choose_home(data_dir: Path, account: Account) -> Path:
    note = data_dir / "postgres.location"
    if note.exists():
        home = Path(note.read_text(encoding="utf-8").strip())
        if home.parent != STATE_FOLDER / "databases" or home.name in {"", ".."}:
            raise EmbeddedPostgresError(
                f"{note} does not name a folder below {STATE_FOLDER / 'databases'}. Remove it to begin with an empty "
                "database."
            )
        return home
    if (data_dir / "postgres").exists() or account.can_enter(data_dir):
        return data_dir / "postgres"
    databases = make_state_folder() / "databases"
    _make_public(databases)
    # The random part keeps a new data_dir at an old path from finding the database of the old one.
    home = databases / f"{_digest(data_dir)}-{secrets.token_hex(4)}"
    note.write_text(f"{home}\n", encoding="utf-8")
    return home


def _choose_socket_folder(home: Path, account: Account) -> Path:
    folder = home / "run"
    # libpq takes a comma for the end of one host's name, and has no way to quote it.
    if "," not in str(folder) and len(os.fsencode(folder / _SOCKET)) <= _LONGEST_SOCKET:
        return folder
    folder = _SHORT_FOLDER / f"receiver-{account.uid}-{_digest(home)}"
    try:
        folder.mkdir(mode=0o700)
        if account.switched:
            os.chown(folder, account.uid, account.gid, follow_symlinks=False)
    except FileExistsError:
        pass
    _check_private(folder, account)
    return folder


def _check_private(folder: Path, account: Account) -> None:
    found = folder.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == account.uid and not found.st_mode & 0o077:
        return
    raise EmbeddedPostgresError(
        f"{folder} must be a folder of mode 0700 that belongs to {account.name!r}; it has the mode "
        f"{stat.filemode(found.st_mode)} and belongs to the user id {found.st_uid}. Run Receiver as its owner, or "
        "move it away."
    )


def _make_public(folder: Path) -> None:
    """Make a folder of root's that all may read, or check that it is one; an existing one is left as it is."""
    try:
        folder.mkdir(mode=0o755)
        folder.chmod(0o755)
    except FileExistsError:
        pass
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise EmbeddedPostgresError(f"{folder} must be a folder that belongs to root and that only root can change.")


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
