"""Trying whether a spool could be written, without opening one: a file is written, synced and removed again.

Nothing else is left behind. Where the folder is not there yet the nearest one above it is tried, since whoever tries
may be another user than the service, and must not make folders that the service could not use.
"""

import os
import tempfile
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from receiver.model.errors import SpoolUnavailable

_PROBE: Final = b"\0" * 64 * 1024
"""As long as a delivery usually is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of it.

    Attributes:
        folder: Where it was tried: the spool's own folder, or the nearest one above that is there.
        free: Bytes that the disk has left for us.
        used: Bytes that spools in the folder take already.
        took: How long the disk took to write one delivery for sure.
    """

    folder: Path
    free: int
    used: int
    took: timedelta


def try_out(data_dir: Path) -> Trial:
    """Try the spool of a data folder; blocks for as long as the disk does.

    Raises:
        SpoolUnavailable: It could not be written, and why.
    """
    base = data_dir.absolute() / "spool"
    folder = next(one for one in (base, *base.parents) if one.is_dir())
    try:
        began = time.monotonic()
        with tempfile.TemporaryFile(dir=folder, prefix="trial-") as file:
            file.write(_PROBE)
            file.flush()
            os.fsync(file.fileno())
        took = timedelta(seconds=time.monotonic() - began)
        disk = os.statvfs(folder)
        used = sum(file.stat().st_size for file in base.glob("*/*"))
    except OSError as error:
        raise SpoolUnavailable(
            f"{folder} cannot be written: {error.strerror}. Give data_dir a disk that the service's user may write"
        ) from error
    return Trial(folder=folder, free=disk.f_bavail * disk.f_frsize, used=used, took=took)
