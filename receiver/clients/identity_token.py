"""The ID token of OpenID Connect: whether it proves who somebody is, to us, now, for this one attempt to log in.

What is checked is that of OpenID Connect Core 1.0, section 3.1.3.7, with the signature always.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from joserfc import jws, jwt
from joserfc.errors import BadSignatureError, ClaimError, ExpiredTokenError, JoseError, MissingClaimError
from joserfc.jwk import JWKRegistry, Key
from joserfc.jwt import JWTClaimsRegistry

from receiver.model.errors import IdentityRefused

LEEWAY: Final = timedelta(minutes=1)
"""By which clocks may differ."""

_MOST_KEYS: Final = 50
_MEANINGS: Final = {
    "iss": "another provider made it",
    "aud": "it is meant for another service",
    "nonce": "it belongs to another attempt to log in",
    "iat": "its time lies in the future: does the clock here go wrong?",
    "nbf": "its time lies in the future: does the clock here go wrong?",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a token must say.

    Attributes:
        issuer: Who made it.
        client_id: For whom.
        nonce: For which attempt to log in.
        algorithms: How it may be signed.
        now: The present time.
    """

    issuer: str
    client_id: str
    nonce: str
    algorithms: Sequence[str]
    now: datetime


def proven(token: str, keys: object, expected: Expected) -> dict[str, Any]:
    """Give the claims of an ID token, once they are proven.

    Args:
        token: As the provider wrote it.
        keys: The provider's key set, as it was decoded; keys of kinds that are not known here are left out.
        expected: What it must say.

    Raises:
        IdentityRefused: It proves nothing.
    """
    try:
        claims = _signed(token, keys, expected)
        _check(claims, expected)
    except ExpiredTokenError as error:
        raise IdentityRefused("the provider's token is over already: does the clock here go wrong?") from error
    except MissingClaimError as error:
        raise IdentityRefused(f"the provider's token does not say {error.claim}") from error
    except ClaimError as error:
        why = _MEANINGS.get(error.claim, f"its claim {error.claim} is none")
        raise IdentityRefused(f"the provider's token is refused: {why}") from error
    except JoseError as error:
        raise IdentityRefused(f"the provider's token is refused: {error.error}") from error
    return claims


def _signed(token: str, keys: object, expected: Expected) -> dict[str, Any]:
    header = jws.extract_compact(token.encode(errors="replace")).headers()
    algorithm, name = header.get("alg"), header.get("kid")
    if algorithm not in expected.algorithms:
        allowed = ", ".join(expected.algorithms)
        raise IdentityRefused(
            f"the provider's token is signed by {str(algorithm)[:20]!r}, and auth.oidc.algorithms allows {allowed}"
        )
    # Headers that are not known are left alone, as RFC 7515 wants it; `crit` is not.
    registry = jws.JWSRegistry(algorithms=expected.algorithms, strict_check_header=False)
    candidates = [key for key in _known(keys) if name is None or key.kid == name]
    if not candidates:
        raise IdentityRefused("the provider's token is signed with a key that the provider does not publish")
    for key in candidates:
        try:
            return jwt.decode(token, key, registry=registry).claims
        except BadSignatureError:
            continue
    raise IdentityRefused("the signature of the provider's token is wrong")


def _known(keys: object) -> list[Key]:
    """Read those keys of a set that can check a signature which only their owner can make."""
    listed = keys.get("keys") if isinstance(keys, Mapping) else None
    found = []
    for one in listed[:_MOST_KEYS] if isinstance(listed, list) else ():
        if not isinstance(one, dict) or one.get("kty") == "oct" or one.get("use", "sig") != "sig":
            continue
        try:
            found.append(JWKRegistry.import_key(one))
        except (JoseError, ValueError, TypeError, KeyError):
            continue
    return found


def _check(claims: dict[str, Any], expected: Expected) -> None:
    JWTClaimsRegistry(
        now=int(expected.now.timestamp()),
        leeway=int(LEEWAY.total_seconds()),
        iss={"essential": True, "value": expected.issuer},
        aud={"essential": True, "value": expected.client_id},
        nonce={"essential": True, "value": expected.nonce},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
    ).validate(claims)
    audience = claims["aud"]
    party = claims.get("azp")
    if party != expected.client_id and (party is not None or (isinstance(audience, list) and len(audience) > 1)):
        raise IdentityRefused(f"the provider's token is refused: {_MEANINGS['aud']}")
    if claims["nonce"] != expected.nonce:
        raise IdentityRefused(f"the provider's token is refused: {_MEANINGS['nonce']}")
