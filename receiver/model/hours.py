"""Hours of the week by the clocks of some time zone, as playbooks and routes name them."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_SPAN: Final = re.compile(r"(?:(?P<days>[A-Za-z,\- ]+?) +)?(?P<from>\d\d:\d\d) *- *(?P<to>\d\d:\d\d)")
_WHOLE_DAY: Final = 24 * 60


class Zone(str):
    """Name of a time zone, such as `Europe/Berlin`; those of the IANA database, as they are installed here."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Check the name first."""
        try:
            ZoneInfo(text)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{text!r} is not a time zone; write one such as UTC or Europe/Berlin") from error
        return super().__new__(cls, text)

    def local(self, at: datetime) -> datetime:
        """Read a time as the clocks on the wall show it there."""
        return at.astimezone(ZoneInfo(self))


class Span(str):
    """Days and hours of a week, such as `Mon-Fri 09:00-17:00`, `Sat,Sun 00:00-24:00` or `22:00-06:00` for every day.

    A span whose end is before its begin goes on into the next day and belongs to the day on which it began.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Check the text first."""
        _read_span(text)
        return super().__new__(cls, text)

    def covers(self, local: datetime, *, end_included: bool) -> bool:
        """Answer whether the clocks on the wall show a time of the span.

        Args:
            local: The time as they show it.
            end_included: Whether the minute that the span names as its end still belongs to it.
        """
        days, begin, end = _read_span(self)
        minute, today = local.hour * 60 + local.minute, local.weekday()
        ended = minute > end if end_included else minute >= end
        if begin < end:
            return today in days and minute >= begin and not ended
        return (today in days and minute >= begin) or ((today - 1) % 7 in days and not ended)

    def ends_after(self, local: datetime) -> Iterator[datetime]:
        """List the times within a week at which the span may end, as the clocks on the wall show them."""
        _, _, end = _read_span(self)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        for day in range(9):
            ended = midnight + timedelta(days=day, minutes=end)
            if ended > local:
                yield ended


def _read_span(text: str) -> tuple[frozenset[int], int, int]:
    """Read days (0 is Monday), begin and end (minutes of the day).

    Raises:
        ValueError: It is no span.
    """
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise ValueError(
            f"{text!r} is not a span of the week; write one such as Fri 18:00-24:00 or Mon-Fri 09:00-17:00"
        )
    begin, end = _minute(found["from"], text), _minute(found["to"], text)
    if begin in {end, _WHOLE_DAY}:
        raise ValueError(f"{text!r} covers nothing; the whole day is 00:00-24:00")
    return _read_days(found["days"], text), begin, end


def _minute(clock: str, text: str) -> int:
    hour, minute = (int(part) for part in clock.split(":"))
    total = hour * 60 + minute
    if minute >= 60 or total > _WHOLE_DAY:  # noqa: PLR2004 - minutes of an hour
        raise ValueError(f"{text!r}: {clock} is not a time of the day, 00:00 to 24:00")
    return total


def _read_days(days: str | None, text: str) -> frozenset[int]:
    if days is None:
        return frozenset(range(7))
    read: set[int] = set()
    for part in days.split(","):
        ends = [name.strip().capitalize() for name in part.split("-")]
        if len(ends) > 2 or any(name not in _DAYS for name in ends):  # noqa: PLR2004 - from one day to another
            raise ValueError(f"{text!r}: {part.strip()!r} is no day; they are {', '.join(_DAYS)}, or Mon-Fri")
        first, last = _DAYS.index(ends[0]), _DAYS.index(ends[-1])
        read |= {(first + step) % 7 for step in range((last - first) % 7 + 1)}
    return frozenset(read)
