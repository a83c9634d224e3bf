"""How anything is asked of Alertmanager: once, within the timeout, and held to a length."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import aiohttp
import msgspec

from receiver.clients.connections import Connections
from receiver.clients.exchange import Answer, AnswerTooLong, exchange
from receiver.clients.outward import checked_url, quoted, retry_after
from receiver.model.errors import AlertmanagerError, AlertmanagerUnreachable, SettingsError
from receiver.model.matcher import Matcher

MOST_BYTES: Final = 32 * 1024 * 1024
"""Of one answer. Ten thousand alerts are 8 MB; whoever has more than four times that is not asked for all at once."""

_OK: Final = 200
_REDIRECTED: Final = 300
_REFUSED: Final = 400
_TOO_MANY_REQUESTS: Final = 429
_SERVER_FAILED: Final = 500
_CLASSIC_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

_Form = TypeVar("_Form")


class Asking(Connections):
    """One peer.

    Args:
        url: Where it answers, with its route prefix where it has one: `http://alertmanager:9093`.
        token: A bearer token, where a proxy before it asks for one; never sent in the clear beyond this machine.
        timeout: Of one question.
        proxy: Through which it is reached.

    Raises:
        SettingsError: The URL cannot be used.
    """

    def __init__(
        self, url: str, *, token: str = "", timeout: timedelta = timedelta(seconds=10), proxy: str | None = None
    ) -> None:
        self.url: Final = url.rstrip("/")
        self._secret = token
        self._proxy = proxy
        self._check()
        super().__init__(timeout=timeout, headers={"Authorization": f"Bearer {token}"} if token else {})

    def _check(self) -> None:
        """Accept plain http only where no secret travels."""
        if self._secret:
            checked_url(self.url, setting="alertmanager.url")
            return
        if not re.fullmatch(r"https?://[^/?#@\s]+(/[^?#\s]*)?", self.url):
            raise SettingsError(
                "alertmanager.url must be an absolute URL without user and password, such as http://alertmanager:9093"
            )

    async def _ask(self, what: str, wanted: Sequence[tuple[str, str]], form: type[_Form]) -> _Form:
        about = f"{self.url}/api/v2/{what}"
        answer = await self._exchange(about, "GET", params=wanted)
        try:
            return msgspec.json.decode(answer.body, type=form)
        except (msgspec.MsgspecError, RecursionError, ValueError) as error:
            raise AlertmanagerError(f"{about} did not answer as an Alertmanager does: {error}") from error

    async def _exchange(self, about: str, method: str, **options: Any) -> Answer:
        options |= {"proxy": self._proxy}
        try:
            answer = await exchange(self._opened(), method, about, most_bytes=MOST_BYTES, **options)
        except TimeoutError as error:
            seconds = self._timeout.total_seconds()
            raise AlertmanagerUnreachable(f"{about} did not answer within {seconds:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            reason = quoted(str(error) or type(error).__name__, without=self._secret or "\0")
            raise AlertmanagerUnreachable(f"{about} cannot be reached: {reason}") from error
        except AnswerTooLong as error:
            raise AlertmanagerError(
                f"{about} answers more than {MOST_BYTES} bytes; too much is firing to read it"
            ) from error
        self._accept(about, answer)
        return answer

    def _accept(self, about: str, answer: Answer) -> None:
        status = answer.status
        if status == _OK:
            return
        said = quoted(answer.body[:1000].decode(errors="replace"), without=self._secret or "\0")
        if status >= _SERVER_FAILED or status == _TOO_MANY_REQUESTS:
            wait = retry_after(answer.headers, now=datetime.now(UTC))
            raise AlertmanagerUnreachable(f"{about} answered {status}: {said}", retry_after=wait)
        if _REDIRECTED <= status < _REFUSED:
            raise AlertmanagerError(f"{about} leads elsewhere ({status}); set alertmanager.url to where it answers")
        raise AlertmanagerError(f"{about} answered {status}: {said}")

    def _moment(self, text: str) -> datetime:
        """Read a time of RFC 3339, truncated to microseconds as `fromisoformat` does."""
        try:
            at = datetime.fromisoformat(text)
            if at.tzinfo is not None:
                return at.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise AlertmanagerError(f"{self.url} says {text!r}, which is no time: {error}") from error
        raise AlertmanagerError(f"{self.url} says {text!r}, a time without its zone")


def written(matcher: Matcher) -> str:
    """Write a matcher as each release reads it: names of other letters are quoted, which 0.27 and newer understand."""
    if _CLASSIC_NAME.fullmatch(matcher.name):
        return str(matcher)
    name = matcher.name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{name}"{str(matcher)[len(matcher.name) :]}'
