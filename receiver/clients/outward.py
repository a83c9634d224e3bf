"""What every call to a web API of others obeys: where it may go, by which proxy, and how long it was told to wait."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from receiver.model.errors import SettingsError

LONGEST_WAIT = timedelta(days=1)
"""A longer `Retry-After` is cut to this: nobody means it, and it would silence a channel for good."""

_QUOTE_LENGTH = 300


def checked_url(url: str, *, setting: str) -> SplitResult:
    """Split `url` when secrets may travel to it: https, or plain http that never leaves this machine.

    Args:
        url: Absolute URL.
        setting: Name of the setting it came from, for whoever has to correct it.

    Raises:
        SettingsError: The URL is not absolute, carries credentials, or would send a secret in the clear.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as exc:
        raise SettingsError(f"{setting} is not a URL: {exc}") from exc
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise SettingsError(f"{setting} must be an absolute https URL")
    if parts.username is not None or parts.password is not None:
        raise SettingsError(f"{setting} must not carry a user or a password")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise SettingsError(f"{setting} must use https: http to {parts.hostname} would send a secret in the clear")
    return parts


def is_loopback(host: str) -> bool:
    """Say whether `host` is this machine by name or by address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def proxy_for(url: str, environment: Mapping[str, str]) -> str | None:
    """Choose the proxy for `url` by the usual `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` of an environment.

    Loopback never goes through a proxy, whatever the environment says.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    named = {
        name.lower().removesuffix("_proxy"): value
        for name, value in environment.items()
        if value and name.lower().endswith("_proxy")
    }
    direct = [name.strip().lstrip(".") for name in named.get("no", "").split(",")]
    if is_loopback(host) or any(name == "*" or f".{host}".endswith(f".{name}") for name in direct if name):
        return None
    return named.get(parts.scheme)


def retry_after(headers: Mapping[str, str], *, now: datetime) -> timedelta | None:
    """Read how long the other side asks to wait: seconds or a date (RFC 9110, 10.2.3).

    Returns:
        None where it does not say, or not in a form that can be read; never negative, at most `LONGEST_WAIT`.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:9]), LONGEST_WAIT.total_seconds()))
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return min(max(until - now, timedelta()), LONGEST_WAIT)


def quoted(text: str, *, without: str) -> str:
    """Quote what the other side said in one short printable line in which the secret `without` cannot stand."""
    line = "".join(c if c.isprintable() else " " for c in text.replace(without, "(secret)"))
    line = " ".join(line.split())
    return line if len(line) <= _QUOTE_LENGTH else f"{line[:_QUOTE_LENGTH]}..."
