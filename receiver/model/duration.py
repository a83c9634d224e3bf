"""Durations as Prometheus writes them: `30s`, `1h30m`, `7d`."""

import re
from datetime import timedelta
from typing import Final

# Units and their order: Prometheus' model.ParseDuration, largest first, each at most once.
_UNITS: Final = {
    "y": timedelta(days=365),
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_PATTERN: Final = re.compile("".join(rf"(?:(?P<{unit}>[0-9]{{1,12}}){unit})?" for unit in _UNITS))


class Duration(timedelta):
    """A length of time that a document or a label gave as text, such as `5m`.

    It is an ordinary `timedelta` everywhere else; the type of its own only tells decoders which notation to expect.
    """

    @classmethod
    def parse(cls, text: str) -> "Duration":
        """Read Prometheus' notation; `0` alone needs no unit.

        Raises:
            ValueError: It is not a duration; the message shows the notation.
        """
        found = _PATTERN.fullmatch(text)
        if text == "0":
            return cls()
        if not text or found is None:
            raise ValueError(f"{text!r} is not a duration; write one such as 30s, 5m, 1h30m or 7d")
        try:
            total = sum((_UNITS[unit] * int(n) for unit, n in found.groupdict().items() if n), timedelta())
        except OverflowError:
            raise ValueError(f"{text!r} is longer than a duration can be") from None
        return cls(days=total.days, seconds=total.seconds, microseconds=total.microseconds)


def format_duration(length: timedelta) -> str:
    """Write a duration for people, in its largest unit and the next one below: `7h2m`, `45s`, `300ms`, `0s`."""
    if length < timedelta():
        return "-" + format_duration(-length)
    names = [unit for unit in _UNITS if unit not in {"y", "w"}]
    first = next((n for n, unit in enumerate(names) if length >= _UNITS[unit]), names.index("s"))
    parts: list[str] = []
    rest = length
    # Nobody reads the milliseconds of what took a second or more.
    for unit in [name for name in names[first : first + 2] if name != "ms" or length < _UNITS["s"]]:
        count, rest = divmod(rest, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
