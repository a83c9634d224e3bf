"""Links that alerts carry: only to where a browser may go, whatever they say."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from receiver.model.finding import Finding

_SCHEMES: Final = frozenset({"http", "https"})


def leads(findings: Sequence[Finding]) -> list[tuple[str, str]]:
    """Give name and address of each link that was found; whatever is no address of the web is left out."""
    found = next((one.detail for one in findings if one.source == "links"), {})
    return [(name, str(url)) for name, url in found.items() if is_web(str(url))]


def is_web(url: str) -> bool:
    """Answer whether an address is one of the web: `javascript:` is an address too."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in _SCHEMES and bool(parts.netloc)
