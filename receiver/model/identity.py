"""Who somebody is by the word of a provider of OpenID Connect."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

LONGEST: Final = 200
"""Letters of a name or a group that are kept."""
MOST_GROUPS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Somebody whom a provider vouches for.

    Attributes:
        name: By which the record names him; printable.
        groups: What the provider says that he is.
    """

    name: str
    groups: tuple[str, ...]


def identity_of(claims: Mapping[str, Any], *, name_claim: str, roles_claim: str) -> Identity:
    """Read an identity from claims that were proven, with their `sub`.

    An address of mail that the provider did not verify names nobody, since anybody may enter one.

    Args:
        claims: Of the ID token.
        name_claim: Whose value is the name; where it is no text, `sub` is.
        roles_claim: Whose value, or values, are the groups; a claim of that very name counts before dots that lead in.
    """
    found = _claim(claims, name_claim)
    unproven = name_claim == "email" and claims.get("email_verified") is False
    name = _printable(found) if isinstance(found, str) and not unproven else ""
    groups = _claim(claims, roles_claim)
    listed = groups if isinstance(groups, list) else [groups]
    texts = [one for one in listed if isinstance(one, str) and one]
    return Identity(name=name or _printable(str(claims["sub"])), groups=tuple(texts[:MOST_GROUPS]))


def _claim(claims: Mapping[str, Any], path: str) -> object:
    if path in claims:
        return claims[path]
    found: object = claims
    for step in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(step)
    return found


def _printable(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:LONGEST]
