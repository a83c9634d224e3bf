"""Prometheus and its Pushgateway, as far as operators' commands ask them.

The forms are those of Prometheus' HTTP API (https://prometheus.io/docs/prometheus/latest/querying/api/) and of the
Pushgateway's (https://github.com/prometheus/pushgateway#api).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import quote

import aiohttp
import msgspec

from receiver.clients.connections import Connections
from receiver.clients.exchange import Answer, AnswerTooLong, exchange
from receiver.clients.outward import checked_url, quoted
from receiver.model.errors import MetricsError, MetricsUnreachable, SettingsError

_MOST_BYTES: Final = 16 * 1024 * 1024
"""Of one answer; a query whose answer is longer is not one that people read."""

_OK: Final = 200
_ACCEPTED: Final = 202
_SERVER_FAILED: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One series of an answer, now.

    Attributes:
        labels: Without the name of the metric where an operation took it away.
        value: As it is; not a number where Prometheus says so.
    """

    labels: Mapping[str, str]
    value: float


class _Series(msgspec.Struct):
    value: tuple[float, str]
    metric: dict[str, str] = {}


class _Result(msgspec.Struct, rename="camel"):
    result_type: str
    result: msgspec.Raw


class _Said(msgspec.Struct):
    status: str
    data: _Result | None = None
    error: str = ""


class _Asking(Connections):
    """One place of the Prometheus family.

    Args:
        url: Where it answers, with its route prefix where it has one.
        setting: The setting it came from, for whoever has to correct it.
        token: A bearer token; never sent in the clear beyond this machine.
        timeout: Of one question.
        proxy: Through which it is reached.

    Raises:
        SettingsError: The URL cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        setting: str,
        token: str = "",
        timeout: timedelta = timedelta(seconds=10),
        proxy: str | None = None,
    ) -> None:
        if token:
            checked_url(url, setting=setting)
        elif not url.startswith(("http://", "https://")):
            raise SettingsError(f"{setting} must be an address such as http://there:9090")
        self.url: Final = url.rstrip("/")
        self._secret: Final = token
        self._proxy: Final = proxy
        super().__init__(timeout=timeout, headers={"Authorization": f"Bearer {token}"} if token else {})

    async def healthy(self) -> None:
        """Ask whether it is healthy.

        Raises:
            MetricsUnreachable: It does not answer, or not that it is.
            MetricsError: What answers is something else.
        """
        await self._expect("GET", "/-/healthy", _OK)

    async def _expect(self, method: str, path: str, *wanted: int, data: bytes | None = None) -> Answer:
        answer = await self._exchange(method, path, data=data)
        if answer.status in wanted:
            return answer
        said = self._quoted(answer.body[:1000].decode(errors="replace"))
        kind = MetricsUnreachable if answer.status >= _SERVER_FAILED else MetricsError
        raise kind(f"{self.url}{path} answered {answer.status}: {said}")

    async def _exchange(
        self, method: str, path: str, *, data: bytes | None = None, params: Mapping[str, str] | None = None
    ) -> Answer:
        about = f"{self.url}{path}"
        try:
            return await exchange(
                self._opened(), method, about, most_bytes=_MOST_BYTES, proxy=self._proxy, data=data, params=params
            )
        except AnswerTooLong as error:
            raise MetricsError(f"{about} answers more than {_MOST_BYTES} bytes; ask for less") from error
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            reason = self._quoted(str(error) or type(error).__name__)
            raise MetricsUnreachable(f"{about} does not answer: {reason}") from error

    def _quoted(self, text: str) -> str:
        return quoted(text, without=self._secret or "\0")


class PrometheusClient(_Asking):
    """One Prometheus; see `_Asking` for how it is made."""

    async def ask(self, expression: str) -> list[Sample]:
        """Ask for the value of an expression now.

        Args:
            expression: PromQL whose value is an instant vector or a scalar.

        Returns:
            All series of the answer, in its order; none where nothing matches.

        Raises:
            MetricsUnreachable: No answer came.
            MetricsError: The expression was refused, or the answer is none.
        """
        path = "/api/v1/query"
        answer = await self._exchange("GET", path, params={"query": expression})
        try:
            said = msgspec.json.decode(answer.body, type=_Said)
            if said.status != "success" or said.data is None:
                raise MetricsError(
                    f"{self.url} refused {expression!r}: {self._quoted(said.error or 'it says no reason')}"
                )
            if said.data.result_type == "scalar":
                at_and_value = msgspec.json.decode(said.data.result, type=tuple[float, str])
                return [Sample(labels={}, value=float(at_and_value[1]))]
            series = msgspec.json.decode(said.data.result, type=list[_Series])
            return [Sample(labels=one.metric, value=float(one.value[1])) for one in series]
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            kind = MetricsUnreachable if answer.status >= _SERVER_FAILED else MetricsError
            raise kind(f"{self.url}{path} did not answer as Prometheus does ({answer.status}): {error}") from error


class PushgatewayClient(_Asking):
    """One Pushgateway; see `_Asking` for how it is made."""

    async def push(self, job: str, text: str) -> None:
        """Put metrics in the place of those of a job.

        Args:
            job: Under which they are kept.
            text: In the text format, with a line feed at its end.

        Raises:
            MetricsUnreachable: No answer came.
            MetricsError: They were refused.
        """
        await self._expect("PUT", f"/metrics/job/{quote(job, safe='')}", _OK, _ACCEPTED, data=text.encode())

    async def delete(self, job: str) -> None:
        """Take the metrics of a job away; none is fine.

        Raises:
            MetricsUnreachable: No answer came.
            MetricsError: It refused.
        """
        await self._expect("DELETE", f"/metrics/job/{quote(job, safe='')}", _ACCEPTED)
