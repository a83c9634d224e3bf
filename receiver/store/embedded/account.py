"""The operating system account under which Postgres runs, and how to act as it."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from receiver.store.embedded.errors import EmbeddedPostgresError

SYSTEM_ACCOUNT = "receiver"
"""Name of the account that root's server runs under."""

_FIRST_LOGIN_UID = 1000
"""User ids from here on belong to people: UID_MIN of login.defs(5) as distributions ship it."""

_WAY_OUT = "Run Receiver as an ordinary user, or set database.url to a Postgres of yours."


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """Who runs the server, and who calls it."""

    name: str
    """Account of the server; owner of its files."""

    uid: int
    gid: int

    caller: str
    """Account of this process: the database role has its name, so that `peer` lets this account in and no other."""

    switched: bool
    """Whether this process is root and becomes the account for everything that the server does."""

    def launch(
        self, command: Sequence[str | Path], *, stdout: int, stderr: int, limit: timedelta | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command as this account, in a session of its own, and wait for its end.

        Nothing of our environment goes along but the search path for libraries: variables such as PGPORT or PGDATA
        would change what the server does.

        Raises:
            PermissionError: The account cannot read or execute the command.
            EmbeddedPostgresError: This process may not become the account, or the command outlived its limit.
        """
        environment = {"PATH": os.defpath, "LC_ALL": "C"}
        if "LD_LIBRARY_PATH" in os.environ:
            environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
        try:
            return subprocess.run(  # noqa: S603 - the caller names binaries of ours and arguments of ours
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env=environment,
                cwd="/",
                user=self.uid if self.switched else None,
                group=self.gid if self.switched else None,
                extra_groups=[] if self.switched else None,
                start_new_session=True,
                umask=0o077,
                text=True,
                errors="replace",
                check=False,
                timeout=limit.total_seconds() if limit else None,
            )
        except subprocess.SubprocessError as exc:
            raise EmbeddedPostgresError(
                f"`{Path(command[0]).name}` could not be run as the account {self.name!r}: {exc}. {_WAY_OUT}"
            ) from exc

    def can_enter(self, folder: Path) -> bool:
        """Whether the account can walk to *folder*; asked of the kernel, because modes alone do not tell."""
        walk: list[str | Path] = ["/bin/sh", "-c", 'cd "$1"', "sh", folder]
        return self.launch(walk, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def find_account() -> Account:
    """Say under which account Postgres runs here; as root, make the system account when it is absent.

    Raises:
        EmbeddedPostgresError: This process has no name, or the system account is missing and cannot be made.
    """
    uid = os.geteuid()
    try:
        caller = pwd.getpwuid(uid)
    except KeyError as exc:
        raise EmbeddedPostgresError(
            f"The user id {uid} has no name in /etc/passwd, and the embedded Postgres needs one. "
            "Add an entry for it, or set database.url to a Postgres of yours."
        ) from exc
    if uid != 0:
        return Account(name=caller.pw_name, uid=uid, gid=os.getegid(), caller=caller.pw_name, switched=False)
    system = _system_account()
    return Account(name=system.pw_name, uid=system.pw_uid, gid=system.pw_gid, caller=caller.pw_name, switched=True)


def _system_account() -> pwd.struct_passwd:
    entry = _entry() or _make_system_account()
    if not 0 < entry.pw_uid < _FIRST_LOGIN_UID:
        raise EmbeddedPostgresError(
            f"Postgres does not run as root, and the account {SYSTEM_ACCOUNT!r} (user id {entry.pw_uid}) that would "
            f"run it instead is not a system account. {_WAY_OUT}"
        )
    return entry


def _entry() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(SYSTEM_ACCOUNT)
    except KeyError:
        return None


def _make_system_account() -> pwd.struct_passwd:
    reason = "neither useradd nor adduser is installed"
    for commands in _recipes():
        for command in commands:
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed arguments
            reason = done.stderr.strip() or f"{command[0]} ended with {done.returncode}"
        # Two processes may make it at once: what counts is that it is there, not who made it.
        if entry := _entry():
            return entry
    raise EmbeddedPostgresError(
        f"Postgres does not run as root, and the system account {SYSTEM_ACCOUNT!r} could not be made: {reason}. "
        f"{_WAY_OUT}"
    )


def _recipes() -> list[list[list[str]]]:
    """Return the ways to make the account that exist here: shadow's first, else busybox's, with its group."""
    search = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    recipes = []
    if useradd := shutil.which("useradd", path=search):
        place = ["--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"]
        recipes.append([[useradd, "--system", "--user-group", *place, SYSTEM_ACCOUNT]])
    adduser, addgroup = shutil.which("adduser", path=search), shutil.which("addgroup", path=search)
    if adduser and addgroup and not recipes:
        place = ["-D", "-H", "-h", "/nonexistent", "-s", "/sbin/nologin", "-G", SYSTEM_ACCOUNT]
        recipes.append([[addgroup, "-S", SYSTEM_ACCOUNT], [adduser, "-S", *place, SYSTEM_ACCOUNT]])
    return recipes
