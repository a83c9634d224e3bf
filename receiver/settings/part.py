"""What each branch of the settings is made of: it knows its keys, and its secrets never show themselves."""

from pathlib import Path

import msgspec

from receiver.model.errors import SettingsError


class Hidden(str):
    """Text that never shows itself: not in a repr, a log line, an error or a page."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __str__(self) -> str:
        return "***"

    def reveal(self) -> str:
        """Give the text to whoever sends it to its own place."""
        return str.__str__(self)


class Secret:
    """A secret that is given in place or kept in a file.

    Args:
        value: The secret itself, or None.
        file: A file whose first line it is; read again when the file's modification time changes.
        name: The setting's name, for errors.
    """

    def __init__(self, value: Hidden | None, file: str | None, *, name: str) -> None:
        self._value = value
        self._file = Path(file) if file else None
        self._name = name
        self._read_at: tuple[int, int] | None = None

    @property
    def given(self) -> bool:
        """Whether the configuration names it at all."""
        return self._value is not None or self._file is not None

    def reveal(self) -> str:
        """Read the secret.

        Raises:
            SettingsError: It is not configured, or its file cannot be read or is empty.
        """
        if self._file is not None:
            self._reread(self._file)
        if self._value is None:
            raise SettingsError(f"{self._name} is not configured: set {self._name} or {self._name}_file")
        return self._value.reveal()

    def _reread(self, file: Path) -> None:
        try:
            stat = file.stat()
            if self._read_at == (stat.st_mtime_ns, stat.st_size):
                return
            text = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{self._name}_file: {file} cannot be read: {error}") from error
        if not text:
            raise SettingsError(f"{self._name}_file: {file} is empty; it must hold the secret on one line")
        self._value, self._read_at = Hidden(text), (stat.st_mtime_ns, stat.st_size)

    def __repr__(self) -> str:
        return f"Secret({self._name})"


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A branch of the tree."""
