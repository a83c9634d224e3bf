"""Headers that every answer carries, errors and the stream included."""

from typing import Final

from litestar.types import Message, Scope

SECURITY: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)


async def secure(message: Message, scope: Scope) -> None:  # noqa: ARG001 - Litestar's signature
    """Add what an answer does not say itself."""
    if message["type"] == "http.response.start":
        said = {name.lower() for name, _ in message["headers"]}
        message["headers"] = [*message["headers"], *(pair for pair in SECURITY if pair[0] not in said)]
