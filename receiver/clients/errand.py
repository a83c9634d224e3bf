"""HTTP requests that playbooks make, and where they may go: to hosts that the settings name, and nowhere else.

A playbook is written by people of the house, but what it fills in comes from alerts, which anybody may write. So the
host is compared as a whole, nothing is followed, and the address that a name leads to is checked at the moment of the
connection: a name on the list that leads to this machine, its link or a cloud's metadata is not reached. No proxy is
asked, for it would choose the address itself. Request and answer are bounded.
"""

import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from receiver.clients.exchange import exchange
from receiver.clients.outward import quoted, retry_after
from receiver.model.errors import ErrandRefused, ErrandUnreachable, SettingsError

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
MOST_BYTES_SENT: Final = 256 * 1024
"""Of one body."""
MOST_BYTES_READ: Final = 64 * 1024
"""Of one answer; what is longer is cut, for what was asked has been done by then."""

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
"""By which a host that knows it does a repeated request once: draft-ietf-httpapi-idempotency-key-header."""

_OURS: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        IDEMPOTENCY_KEY.lower(),
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that belong to the connection, not to whoever writes a playbook."""
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_HOST: Final = re.compile(r"[0-9a-z._:-]{1,253}")
"""A name as it is looked up, or an address; other letters are punycode by then."""
_LONGEST_HEADER: Final = 4096
_METADATA: Final = frozenset(
    ip_address(one)
    for one in (
        "100.100.100.200",  # Alibaba Cloud
        "168.63.129.16",  # Azure's own host, which no link-local range covers
        "192.0.0.192",  # Oracle Cloud
        "fd00:ec2::254",  # Amazon, by IPv6; all others are link-local
        "fd20:ce::254",  # Google, by IPv6
    )
)
_NAT64: Final = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a host answered.

    Attributes:
        status: HTTP status; whether it means success is for the caller to say.
        body: At most 64 KiB of it, as text.
        cut: Whether it was longer.
        retry_after: How long the host asked to wait, where it did.
    """

    status: int
    body: str = field(repr=False)
    cut: bool = False
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A host that may be reached, as the settings name it."""

    scheme: str
    host: str
    port: int

    @property
    def names_an_address(self) -> bool:
        """Whether it says where it is by itself, so that even this machine is meant as written."""
        return self.host == "localhost" or _address(self.host) is not None


def read_place(text: str) -> Place:
    """Read one entry of `http_action.allow`.

    Raises:
        SettingsError: It is none.
    """
    wrong = SettingsError(
        f"http_action.allow: {text!r} is no host; write one such as hooks.example.com, hooks.example.com:8443 or "
        "http://hooks.example.com, without a path"
    )
    try:
        url = URL(text if "://" in text else f"https://{text}")
    except ValueError as error:
        raise wrong from error
    place = _place(url)
    if place is None or url.raw_path != "/" or url.raw_query_string or url.raw_fragment:
        raise wrong
    return place


def forbidden(address: IPv4Address | IPv6Address) -> bool:
    """Say whether an address is one that only its own name in the settings may lead to."""
    inner = _inner(address)
    special = inner.is_loopback or inner.is_link_local or inner.is_unspecified or inner.is_multicast
    return special or inner in _METADATA


class Errands:
    """Makes the requests of playbooks.

    Args:
        allow: Entries of `http_action.allow`.
        timeout: Of one request.

    Raises:
        SettingsError: An entry is none.
    """

    def __init__(self, allow: Sequence[str], *, timeout: timedelta) -> None:
        self._places = frozenset(map(read_place, allow))
        self._timeout = aiohttp.ClientTimeout(total=timeout.total_seconds())

    def refusal(self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> str:
        """Say why a request may not be made, as far as that can be known beforehand; empty when it may."""
        if method not in METHODS:
            return f"{method[:20]!r} is none of {', '.join(sorted(METHODS))}"
        if len(body) > MOST_BYTES_SENT:
            return f"its body has {len(body)} bytes, and {MOST_BYTES_SENT} are the most"
        for name, value in (headers or {}).items():
            if not _TOKEN.fullmatch(name) or name.lower() in _OURS:
                return f"{name[:40]!r} is no header that a request may set"
            if len(value) > _LONGEST_HEADER or not value.isprintable() or not value.isascii():
                return (
                    f"the header {name} has a value that is no printable text of at most {_LONGEST_HEADER} characters"
                )
        read = _read(url)
        if read is None:
            return "its address is no absolute URL without user and password"
        return "" if _place(read) in self._places else f"{_named(read)} is not on the list http_action.allow"

    async def request(
        self, method: str, url: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None, operation: str
    ) -> Reply:
        """Make one request, once. Redirects are not followed: they are answers.

        Args:
            method: One of `METHODS`.
            url: Absolute; its host stands on the list.
            body: What is sent.
            headers: Without those of the connection.
            operation: Who asks, for the header `Idempotency-Key`: the same for every repetition.

        Raises:
            ErrandRefused: It may not be made. Nothing was sent.
            ErrandUnreachable: No answer came; the request may have arrived.
        """
        why, meant = self.refusal(method, url, body, headers), _read(url)
        place = _place(meant) if meant else None
        if why or meant is None or place is None:
            raise ErrandRefused(f"A request was not made: {why}.")
        sent = {**(headers or {}), "Accept-Encoding": "identity", IDEMPOTENCY_KEY: operation}
        connector = aiohttp.TCPConnector(resolver=_CheckedResolver(open_to_all=place.names_an_address))
        try:
            async with aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            ) as session:
                answer = await exchange(
                    session, method, meant, most_bytes=MOST_BYTES_READ, cut=True, data=body or None, headers=sent
                )
        except TimeoutError as error:
            seconds = self._timeout.total or 0.0
            raise ErrandUnreachable(f"{_named(meant)} did not answer within {seconds:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            said = quoted(str(error) or type(error).__name__, without=url)
            raise ErrandUnreachable(f"{_named(meant)} cannot be reached: {said}") from error
        return Reply(
            status=answer.status,
            body=answer.body.decode(errors="replace"),
            cut=answer.cut,
            retry_after=retry_after(answer.headers, now=datetime.now(UTC)),
        )


class _CheckedResolver(AbstractResolver):
    """Resolves names, and gives out no address that must not be reached."""

    def __init__(self, *, open_to_all: bool) -> None:
        self._open_to_all = open_to_all
        self._inner = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host.

        Raises:
            ErrandRefused: One of them must not be reached.
            OSError: It has none.
        """
        found = await self._inner.resolve(host, port, family)
        for one in found:
            # An address of a link carries the name of the interface after a percent sign.
            address = _address(one["host"].partition("%")[0])
            if not self._open_to_all and (address is None or forbidden(address)):
                raise ErrandRefused(
                    f"A request was not made: {host} leads to {one['host']}, which is this machine, its link or the "
                    "metadata of a cloud. Name the address itself in http_action.allow if that is meant."
                )
        return found

    async def close(self) -> None:
        """Nothing is open."""


def _read(text: str) -> URL | None:
    """Read a URL just as it will be asked; None where it is none, or would show whoever reads it another host."""
    if not text.isprintable() or "\\" in text or " " in text:
        return None
    try:
        url = URL(text)
    except ValueError:
        return None
    return url if _place(url) else None


def _place(url: URL) -> Place | None:
    """Return scheme, host and port of a URL; None where it is not one that may be asked at all."""
    host, port = url.raw_host, url.port
    if url.scheme not in {"https", "http"} or not host or port is None or url.raw_user or url.raw_password:
        return None
    if not _HOST.fullmatch(host.lower()):
        return None
    return Place(scheme=url.scheme, host=host.lower().rstrip("."), port=port)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _inner(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the address of version 4 that one of version 6 stands for, where it does."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _named(url: URL) -> str:
    """Name where a URL leads, without its path and query, which may hold a secret."""
    return quoted(str(url.origin()), without="\0")
