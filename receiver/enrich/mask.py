"""Take secrets out of what others wrote, and whatever a database, a terminal or a page could stumble over.

Every built-in pattern looks at each character a bounded number of times: what is masked comes from whoever may write
into a log.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from receiver.model.errors import SettingsError
from receiver.model.finding import Finding

HIDDEN: Final = "***"

MOST_CHARACTERS: Final = 64 * 1024
"""Of one text; the rest is cut off unread."""

_PIECE: Final = 32 * 1024
"""Characters of a piece of a long text."""
_READ_AHEAD: Final = 4_096
"""More characters than any secret has that a pattern of ours recognises, private keys aside."""
_CUT: Final = " … (this line was cut)"

_TELLING: Final = (
    r"(?:passw(?:or)?d|passphrase|pwd|secret|token(?!s)|api[_-]?key|access[_-]?key|private[_-]?key|routing[_-]?key"
    r"|signing[_-]?key|credential)"
)
_NAME: Final = rf"{_TELLING}[\w.-]{{0,40}}"

_PATTERNS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), replacement)
    for pattern, replacement in (
        # Private keys, whole, or with one end cut off.
        (r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)", HIDDEN),
        (r"(?<![A-Z0-9+/=\r\n\\])[A-Z0-9+/=\r\n\\]*-----END [A-Z ]{0,30}PRIVATE KEY-----", HIDDEN),
        # User and password in an address.
        (r"(\b[a-z][a-z0-9+.-]{1,20}://)[^\s/\"'<>]{1,256}@", rf"\1{HIDDEN}@"),
        # HTTP's own.
        (
            r"(\bauthorization\\?[\"']?\s{0,3}[:=]\s{0,3}\\?[\"']?)(?:\w{1,20}\s{1,3})?[^\s\"',;]{1,2000}",
            rf"\1{HIDDEN}",
        ),
        (r"\b(bearer\s{1,3})[A-Z0-9._~+/=-]{8,2000}", rf"\1{HIDDEN}"),
        (r"\b(basic\s{1,3})[A-Z0-9+/=]{16,2000}", rf"\1{HIDDEN}"),
        # Tokens that are known by their shape.
        (r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}\b", HIDDEN),
        (r"\b(?:gh[pousr]_|github_pat_|glpat-|npm_|pypi-|sk-|xapp-|xox[a-z]-)[A-Z0-9_-]{8,2000}", HIDDEN),
        (r"\bAIza[A-Z0-9_-]{35}", HIDDEN),
        (r"\beyJ[A-Z0-9_-]{8,4000}\.[A-Z0-9_-]{2,4000}(?:\.[A-Z0-9_-]{0,4000})?", HIDDEN),
        (r"(hooks\.slack\.com/(?:services|workflows)/)[^\s\"'<>]{1,200}", rf"\1{HIDDEN}"),
        # A name that speaks of a secret, and its value: in JSON, in YAML, in a query, on a command line.
        (rf"({_NAME}[\"']?\s{{0,3}}[:=]\s{{0,3}})\"(?:[^\"\\\n]|\\.){{0,2000}}", rf'\1"{HIDDEN}'),
        (
            rf"({_NAME}\\{{0,4}}[\"']?\s{{0,3}}[:=]\s{{0,3}}\\{{0,4}}[\"'])(?!\*\*\*)[^\"'\n\\]{{1,2000}}",
            rf"\1{HIDDEN}",
        ),
        (rf"({_NAME}[\"']?\s{{0,3}}[:=]\s{{0,3}})(?!\*\*\*)[^\s\"'&\\]{{1,2000}}", rf"\1{HIDDEN}"),
        (rf"(--[\w-]{{0,40}}{_NAME} {{1,3}})[^\s\"'-][^\s\"']{{0,2000}}", rf"\1{HIDDEN}"),
    )
)

_COLOUR: Final = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]")
_CONTROL: Final = re.compile(r"[\x01-\x08\x0b-\x1f\x7f]")
_REPEATED_GROUP: Final = re.compile(r"(?<!\\)\)(?:[*+]|\{\d*,\})|\\[1-9]")


class Mask:
    """Hides secrets.

    Args:
        patterns: Further regular expressions; what they match is hidden whole.

    Raises:
        SettingsError: One is not a regular expression, or repeats a group or refers back, which can take for ever.
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self._patterns = (*_PATTERNS, *((_configured(pattern), HIDDEN) for pattern in patterns))

    def text(self, text: str) -> str:
        """Return a text without secrets, colours and control characters, and with nothing that Postgres refuses."""
        shown = _CONTROL.sub("", _COLOUR.sub("", _whole(text[:MOST_CHARACTERS])))
        for pattern, replacement in self._patterns:
            shown = pattern.sub(replacement, shown)
        return shown

    def long(self, text: str) -> str:
        """Return a text of any length in the same way, in pieces of whole lines; a line that is longer is cut.

        A private key that reaches over the border of two pieces is recognised in both.
        """
        return "\n".join(self._piece(piece) for piece in _pieces(text.split("\n")))

    def lines(self, lines: Sequence[str]) -> list[str]:
        """Return the lines of one text, masked together, since a private key is longer than a line."""
        return self.text("\n".join(lines)).split("\n") if lines else []

    def finding(self, finding: Finding) -> Finding:
        """Return a finding in which every text is masked."""
        return replace(finding, summary=self.text(finding.summary), detail=self._values(finding.detail, {}))

    def _piece(self, piece: str) -> str:
        if len(piece) <= MOST_CHARACTERS:
            return self.text(piece)
        # What ends where it was cut may be half of a secret, which nothing recognises.
        return f"{self.text(piece)[:-_READ_AHEAD]}{_CUT}"

    def _values(self, part: Any, seen: dict[str, str]) -> Any:
        """Mask all texts in a JSON value; *seen* has those that were masked already: steps repeat theirs a lot."""
        if isinstance(part, str):
            if part not in seen:
                seen[part] = self.text(part)
            return seen[part]
        if isinstance(part, Mapping):
            return {self._values(str(name), seen): self._value(str(name), value, seen) for name, value in part.items()}
        if isinstance(part, Sequence):
            return [self._values(value, seen) for value in part]
        return part

    def _value(self, name: str, value: Any, seen: dict[str, str]) -> Any:
        """Mask a value; its name may be what makes it a secret."""
        if isinstance(value, str) and value and _NAMED.fullmatch(name):
            return HIDDEN
        return self._values(value, seen)


_NAMED: Final = re.compile(rf"[\w./-]{{0,100}}{_TELLING}[\w.-]{{0,100}}", re.IGNORECASE)


def _pieces(lines: Iterable[str]) -> Iterator[str]:
    """Join lines to texts that may be looked at as a whole; a name is not parted from the value in the next line."""
    piece: list[str] = []
    size = 0
    for line in lines:
        most = MOST_CHARACTERS if piece and piece[-1].rstrip("\"'\r ").endswith((":", "=")) else _PIECE
        if piece and size + len(line) >= most:
            yield "\n".join(piece)
            piece, size = [], 0
        piece.append(line)
        size += len(line) + 1
    yield "\n".join(piece)


def _configured(pattern: str) -> re.Pattern[str]:
    if _REPEATED_GROUP.search(pattern):
        raise SettingsError(
            f"mask: {pattern!r} repeats a group or refers back, which can take for ever on some log lines; "
            "repeat a character class instead, such as [A-Z0-9-]+"
        )
    try:
        return re.compile(pattern)
    except re.error as error:
        raise SettingsError(f"mask: {pattern!r} is not a regular expression: {error}") from error


def _whole(text: str) -> str:
    """Replace NUL characters and halves of surrogate pairs, neither of which Postgres can keep."""
    return text.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
