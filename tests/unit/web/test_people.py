from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from receiver.model.errors import DocumentError, SettingsError
from receiver.model.identity import Identity, identity_of
from receiver.settings import Hidden, check_exposure, read_settings
from receiver.settings.entering import Oidc
from receiver.web.people import ATTEMPT_LASTS, People
from receiver.webhook.access import Role

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
ANN = Identity(name="ann@example.org", groups=("sre",))
OIDC = """
auth:
  tokens: [{name: alertmanager, role: ingest, token: x}]
  oidc:
    issuer: https://login.example.org/realms/main
    client_id: receiver
    client_secret: hidden-word
    roles: {sre: operator}
"""


class Nobody:
    issuer = "https://login.example.org"

    async def look(self) -> None:
        raise AssertionError("nobody is asked")

    async def login_url(self, **_: str) -> str:
        raise AssertionError("nobody is asked")

    async def claims(self, **_: str) -> dict[str, Any]:
        raise AssertionError("nobody is asked")


def people(word: str = "word", roles: dict[str, Any] | None = None) -> People:
    oidc = Oidc(
        issuer="https://login.example.org",
        client_id="receiver",
        client_secret=Hidden(word),
        roles=roles or {"sre": "operator"},
    )
    return People(oidc, Nobody(), public_url="https://receiver.example.org/")


def test_what_one_replica_began_another_takes_up_until_it_took_too_long() -> None:
    begun, kept = people().begin("/history", NOW, bytes)

    resumed = people().resume(kept, begun.state, NOW + ATTEMPT_LASTS - timedelta(seconds=1))

    assert resumed == begun
    assert len({begun.state, begun.nonce, begun.verifier, begun.challenge}) == 4
    assert people().resume(kept, begun.state, NOW + ATTEMPT_LASTS) is None
    assert people().resume(kept, begun.nonce, NOW) is None
    assert people("another").resume(kept, begun.state, NOW) is None


@pytest.mark.parametrize("text", ["", "~", "~.", "~W10.AAAA", "~é.é", "x", "~" + "A" * 5_000])
def test_what_was_not_sealed_here_is_nobody(text: str) -> None:
    assert people().in_session(text, NOW) is None


def test_a_session_names_its_person_and_ends_with_its_time_the_secret_and_the_roles() -> None:
    session = people().open_session(ANN, Role.OPERATOR, NOW + timedelta(hours=12))

    caller = people().in_session(session, NOW)

    assert caller is not None
    assert (caller.name, caller.may(Role.OPERATOR), caller.may(Role.ADMIN)) == ("ann@example.org", True, False)
    assert people().in_session(session, NOW + timedelta(hours=12)) is None
    assert people("another").in_session(session, NOW) is None
    assert people(roles={"sre": "viewer"}).in_session(session, NOW) is None
    assert people().in_session(session[1:], NOW) is None


def test_an_attempt_is_no_session() -> None:
    _, kept = people().begin("/", NOW, bytes)

    assert people().in_session(f"~{kept}", NOW) is None


@pytest.mark.parametrize(
    ("claims", "name", "groups"),
    [
        ({"email": "ann@example.org", "groups": ["a", "b"]}, "ann@example.org", ("a", "b")),
        ({"email": "ann@example.org", "email_verified": False, "groups": "a"}, "248", ("a",)),
        ({"email": " \u202eann\n\x1b[1m ", "groups": [1, None, "", {"a": 1}]}, "ann [1m", ()),
        ({"email": ["ann"], "groups": {"a": 1}}, "248", ()),
        ({"email": "x" * 900}, "x" * 200, ()),
    ],
)
def test_claims_are_hostile(claims: dict[str, Any], name: str, groups: tuple[str, ...]) -> None:
    identity = identity_of({"sub": "248", **claims}, name_claim="email", roles_claim="groups")

    assert identity == Identity(name=name, groups=groups)


def test_a_claim_is_found_within_others_and_by_its_very_name_first() -> None:
    inner = {"sub": "1", "realm_access": {"roles": ["inner"]}}
    outer = inner | {"realm_access.roles": ["outer"]}

    found = [identity_of(one, name_claim="sub", roles_claim="realm_access.roles").groups for one in (inner, outer)]

    assert found == [("inner",), ("outer",)]


def test_a_provider_needs_an_address_of_ours_to_lead_back_to(tmp_path: Path) -> None:
    file = tmp_path / "receiver.yaml"
    file.write_text(OIDC)
    bare = read_settings(file, {})
    plain = read_settings(file, {"RECEIVER_SERVER__PUBLIC_URL": "http://receiver.example.org"})
    right = read_settings(file, {"RECEIVER_SERVER__PUBLIC_URL": "https://receiver.example.org"})

    for wrong in (bare, plain):
        with pytest.raises(SettingsError, match=r"auth\.oidc needs server\.public_url"):
            check_exposure(wrong)
    check_exposure(right)
    assert "hidden-word" not in repr(right)


@pytest.mark.parametrize(
    ("line", "instead", "why"),
    [
        ("    client_secret: hidden-word\n", "", "needs a client_secret"),
        ("{sre: operator}", "{}", "roles is empty"),
        ("{sre: operator}", "{sre: ingest}", "ingest"),
        ("https://login.example.org/realms/main", "https://a:b@login.example.org", "issuer must be an absolute URL"),
        ("    client_id: receiver\n", "    client_id: receiver\n    algorithms: [none]\n", "none"),
        ("    client_id: receiver\n", "    client_id: receiver\n    algorithms: [HS256]\n", "HS256"),
        ("tokens: [{name: alertmanager, role: ingest, token: x}]", "tokens: []", "needs auth.tokens beside it"),
    ],
)
def test_settings_that_could_let_in_nobody_or_anybody_are_refused(
    tmp_path: Path, line: str, instead: str, why: str
) -> None:
    file = tmp_path / "receiver.yaml"
    file.write_text(OIDC.replace(line, instead))

    with pytest.raises(DocumentError, match=why):
        read_settings(file, {})
