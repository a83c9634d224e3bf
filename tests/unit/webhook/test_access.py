"""Who is let in, and as what."""

from base64 import b64encode
from http import HTTPStatus
from pathlib import Path
from typing import Literal

import pytest
from structlog.testing import capture_logs

from receiver.model.errors import SettingsError
from receiver.settings import Hidden, Token
from receiver.webhook.access import LOCAL, Access, Caller, Keys, Refusal, Role, foreign

HERE = [(b"host", b"127.0.0.1:8080")]


RoleName = Literal["ingest", "viewer", "operator", "admin"]


def token(name: str, role: RoleName, text: str) -> Token:
    return Token(name=name, role=role, token=Hidden(text))


def basic(user: str, password: str) -> bytes:
    return b"Basic " + b64encode(f"{user}:{password}".encode())


KEYS = Keys(
    [
        token("alertmanager", "ingest", "tok_main_custom"),
        token("grafana", "viewer", "viewer-token"),
        token("oncall", "operator", "operator-token"),
        token("lead", "admin", "p:ss: Wörter"),
    ]
)


def named(caller: Caller | None) -> str | None:
    return caller.name if caller else None


@pytest.mark.parametrize(
    ("authorization", "name"),
    [
        (b"Bearer tok_main_custom", "alertmanager"),
        (b"bearer  tok_main_custom ", "alertmanager"),
        (b"Token tok_main_custom", "alertmanager"),
        ("Bearer tok_main_custom", "alertmanager"),
        (basic("alertmanager", "tok_main_custom"), "alertmanager"),
        (basic("", "viewer-token"), "grafana"),
        (basic("anyone", "p:ss: Wörter"), "lead"),
        (b"Bearer tok_main_custo", None),
        (b"Bearer tok_main_customm", None),
        (b"Bearer ", None),
        (b"Bearer", None),
        (b"", None),
        (None, None),
        (b"Digest tok_main_custom", None),
        (b"Basic not-base64!", None),
        (b"Basic " + b64encode(b"tok_main_custom"), None),
        (b"Basic " + b64encode(b"user:"), None),
        (b"Bearer \xff\xfe", None),
    ],
)
def test_a_caller_is_recognised_by_the_token_in_any_form(authorization: bytes | str | None, name: str | None) -> None:
    assert named(KEYS.identify(authorization)) == name


@pytest.mark.parametrize(
    ("text", "roles"),
    [
        ("tok_main_custom", {Role.INGEST}),
        ("viewer-token", {Role.VIEWER}),
        ("operator-token", {Role.VIEWER, Role.OPERATOR}),
        ("p:ss: Wörter", {Role.VIEWER, Role.OPERATOR, Role.ADMIN, Role.INGEST}),
    ],
)
def test_a_role_includes_what_stands_below_it(text: str, roles: set[Role]) -> None:
    caller = KEYS.identify(f"Bearer {text}")

    assert caller is not None
    assert {role for role in Role if caller.may(role)} == roles


def test_one_token_for_two_names_is_refused() -> None:
    with pytest.raises(SettingsError, match="a and b are the same token"):
        Keys([token("a", "viewer", "same"), token("b", "admin", "same")])


def test_a_token_that_is_not_given_is_refused_at_once() -> None:
    with pytest.raises(SettingsError, match=r"auth\.tokens"):
        Keys([Token(name="a", role="viewer")])


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("first\n")
    return path


@pytest.fixture
def keys(file: Path, clock: Clock) -> Keys:
    return Keys([Token(name="a", role="viewer", token_file=str(file))], clock=clock)


def test_a_changed_token_file_is_read_again_after_a_second(file: Path, keys: Keys, clock: Clock) -> None:
    file.write_text("second token\n")
    before = named(keys.identify("Bearer first")), named(keys.identify("Bearer second token"))
    clock.now += 1

    assert before == ("a", None)
    assert keys.identify("Bearer first") is None
    assert named(keys.identify("Bearer second token")) == "a"


def test_a_token_file_that_vanished_leaves_the_token_valid_and_is_told_once(
    file: Path, keys: Keys, clock: Clock
) -> None:
    file.unlink()
    with capture_logs() as logs:
        for _ in range(3):
            clock.now += 1
            assert named(keys.identify("Bearer first")) == "a"

    assert [line["event"] for line in logs] == ["token_unreadable"]
    assert "first" not in str(logs)


def test_nobody_is_let_in_without_a_token() -> None:
    refusal = Access(KEYS, local=False).admit(HERE, Role.VIEWER)

    assert isinstance(refusal, Refusal)
    assert refusal.status is HTTPStatus.UNAUTHORIZED


def test_a_known_caller_without_the_role_is_forbidden() -> None:
    headers = [*HERE, (b"authorization", b"Bearer viewer-token")]

    refusal = Access(KEYS, local=False).admit(headers, Role.INGEST)

    assert isinstance(refusal, Refusal)
    assert refusal.status is HTTPStatus.FORBIDDEN
    assert "viewer-token" not in refusal.reason


def test_with_tokens_a_request_may_come_through_a_proxy() -> None:
    headers = [
        (b"host", b"receiver.example.org"),
        (b"x-forwarded-for", b"10.0.0.1"),
        (b"authorization", b"Token tok_main_custom"),
    ]

    assert isinstance(Access(KEYS, local=False).admit(headers, Role.INGEST), Caller)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.INGEST])
def test_without_tokens_whoever_is_here_reads_and_posts(role: Role) -> None:
    assert Access(Keys([]), local=True).admit(HERE, role) is LOCAL


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.ADMIN])
def test_without_tokens_acting_needs_the_token_that_was_made_up(role: Role) -> None:
    access = Access(Keys([token("login", "admin", "made-up")]), local=True)

    refusal = access.admit(HERE, role)
    caller = access.admit([*HERE, (b"authorization", b"Bearer made-up")], role)

    assert isinstance(refusal, Refusal)
    assert refusal.status is HTTPStatus.UNAUTHORIZED
    assert isinstance(caller, Caller)


def test_without_tokens_a_wrong_token_is_not_taken_for_none() -> None:
    refusal = Access(Keys([]), local=True).admit([*HERE, (b"authorization", b"Bearer x")], Role.VIEWER)

    assert isinstance(refusal, Refusal)
    assert refusal.status is HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize(
    "host", [b"127.0.0.1", b"127.0.0.1:8080", b"localhost:1", b"LOCALHOST", b"[::1]:8080", b"127.9.9.9"]
)
def test_this_machine_is_known_by_its_names(host: bytes) -> None:
    assert foreign([(b"host", host)]) is None
    assert foreign([(b"host", host), (b"origin", b"http://" + host)]) is None


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"host", b"")],
        [(b"host", b"evil.example.org")],
        [(b"host", b"127.0.0.1.evil.example.org")],
        [(b"host", b"evil.example.org@127.0.0.1.example.org")],
        [(b"host", b"[::1")],
        [(b"host", b"10.0.0.7:8080")],
        [(b"host", b"\xff\xfe")],
        [*HERE, (b"origin", b"https://evil.example.org")],
        [*HERE, (b"origin", b"null")],
        [*HERE, (b"origin", b"http://127.0.0.1:3000")],
        [*HERE, (b"x-forwarded-for", b"127.0.0.1")],
        [*HERE, (b"x-forwarded-proto", b"https")],
        [*HERE, (b"forwarded", b"for=127.0.0.1")],
    ],
)
def test_without_tokens_what_does_not_come_straight_from_here_is_forbidden(headers: list[tuple[bytes, bytes]]) -> None:
    refusal = Access(Keys([]), local=True).admit(headers, Role.VIEWER)

    assert isinstance(refusal, Refusal)
    assert refusal.status is HTTPStatus.FORBIDDEN
