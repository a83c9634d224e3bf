"""What is hidden, what is not, and that hiding takes no time to speak of."""

import pytest
from hypothesis import given, settings, strategies as st

from receiver.enrich.mask import HIDDEN, MOST_CHARACTERS, Mask
from receiver.model.errors import SettingsError
from receiver.model.finding import Finding, FindingState

MASK = Mask()
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA7\nq83vEjRWeJCrze8SNFZ4\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Authorization: Bearer abcDEF123.456-789", "Authorization: ***"),
        ('{"Authorization": "Token s3cr3t"}', '{"Authorization": "***"}'),
        ("curl -H 'authorization: Basic dXNlcjpwYXNz' http://x/", "curl -H 'authorization: ***' http://x/"),
        ("sent Bearer abcDEF123.456-789 to x", "sent Bearer *** to x"),
        ("sent basic dXNlcjpwYXNzd29yZA== to x", "sent basic *** to x"),
        ("postgresql://app:pa:ss@w0rd@db:5432/x", "postgresql://***@db:5432/x"),
        ("git clone https://x-token@github.com/a/b", "git clone https://***@github.com/a/b"),
        ("key AKIAIOSFODNN7EXAMPLE used", "key *** used"),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfi", "aws_secret_access_key = ***"),
        ("AWS_SESSION_TOKEN=FwoGZXIvYXdz//x", "AWS_SESSION_TOKEN=***"),
        ("ghp_0123456789abcdefghij pushed", "*** pushed"),
        ("xoxb-1234567890-abcdef", "***"),
        ("xapp-1-A0-1-abcdef", "***"),
        ("sk-ant-REDACTED", "***"),
        ("POST https://hooks.slack.com/services/T0/B0/xyz", "POST https://hooks.slack.com/services/***"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl ok", "jwt *** ok"),
        ('{"password": "hun\\"ter 2", "user": "me"}', '{"password": "***", "user": "me"}'),
        ('{"db_password":"x","n":1}', '{"db_password":"***","n":1}'),
        (r"body={\"apiKey\":\"abc def\",\"n\":1}", r"body={\"apiKey\":\"***\",\"n\":1}"),
        ("password: 'two words'", "password: '***'"),
        ("?token=abc&next=1", "?token=***&next=1"),
        ("PGPASSWORD=hunter2 psql", "PGPASSWORD=*** psql"),
        (
            "com.example.a.very.long.prefix.of.a.java.property.client-secret=abc",
            "com.example.a.very.long.prefix.of.a.java.property.client-secret=***",
        ),
        ("mysql --password hunter2 -h db", "mysql --password *** -h db"),
        ("tool --api-token=abc run", "tool --api-token=*** run"),
        ("PAGERDUTY_ROUTING_KEY: 0123456789abcdef", "PAGERDUTY_ROUTING_KEY: ***"),
        (KEY, HIDDEN),
        ("a\n" + KEY[:-10] + "\nmore", "a\n***"),
        ("before: \n" + KEY[40:] + "\nafter", "before: ***\nafter"),
        (KEY.replace("\n", "\\n"), HIDDEN),
    ],
)
def test_a_secret_is_hidden(text: str, masked: str) -> None:
    assert MASK.text(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24T03:22:31Z INFO step 7 of 9 done",
        "max_tokens=4096, used tokens: 512",
        "GET http://mcp-server:8080/health?at=me@example.org 200",
        "basic authentication is enabled",
        "the bearer of this ring",
        "Error: ENOENT: no such file or directory, open '/workspace/plan.md'",
        "image sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "uid 6f1c2f5e-7a68-4f0e-9f0e-1f9d7b6a1c11",
        "tab\there, ключ, 🔥",
        "",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert MASK.text(text) == text


def test_colours_and_control_characters_go_before_secrets_are_looked_for() -> None:
    assert MASK.text("\x1b[31mpass\x1b[0mword=\x1b[1mhunter2\x1b[0m\x07\r") == "password=***"


def test_nothing_is_left_that_postgres_refuses() -> None:
    shown = MASK.text("a\0b \ud800 \U0001f600")

    assert shown == "a\ufffdb \ufffd \U0001f600"


def test_lines_are_masked_together() -> None:
    assert MASK.lines(["start", *KEY.split("\n"), "end"]) == ["start", HIDDEN, "end"]
    assert MASK.lines([]) == []


def test_configured_patterns_are_hidden_too() -> None:
    assert Mask([r"CUST-[0-9]+"]).text("order of CUST-0815") == "order of ***"


@pytest.mark.parametrize("pattern", ["(", "(a+)+$", "(a|aa)*b", "(x{2,}){3,}", r"(.)\1"])
def test_a_pattern_that_is_none_or_could_take_for_ever_is_refused(pattern: str) -> None:
    with pytest.raises(SettingsError, match="mask"):
        Mask([pattern])


def test_all_texts_of_a_finding_are_masked() -> None:
    finding = Finding(
        source="workflow",
        state=FindingState.FOUND,
        summary="failed: token=abc",
        detail={
            "labels": {"password": "x", "team": "a"},
            "nodes": [{"message": "Bearer 0123456789"}],
            "count": 3,
            "at": None,
        },
    )

    masked = MASK.finding(finding)

    assert masked.summary == "failed: token=***"
    assert masked.detail == {
        "labels": {"password": "***", "team": "a"},
        "nodes": [{"message": "Bearer ***"}],
        "count": 3,
        "at": None,
    }


@pytest.mark.parametrize(
    "part",
    [
        "password",
        "-----BEGIN PRIVATE KEY-----",
        "A",
        'token="',
        "token='\\",
        "a://",
        "eyJaaaaaaaa.",
        "-----",
        "--token ",
        "\\",
        "1=:\"' ",
    ],
)
def test_no_text_keeps_the_masking_busy(part: str) -> None:
    """Its length is bounded, so a slow pattern shows itself as a test that never ends."""
    text = part * (2 * MOST_CHARACTERS // len(part))

    assert len(MASK.text(text)) <= MOST_CHARACTERS + 10_000


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.text(st.characters(codec=None), max_size=200))
def test_any_text_is_masked_into_one_that_can_be_kept(text: str) -> None:
    shown = MASK.text(text)

    assert "\0" not in shown
    assert shown.encode().decode() == shown


@pytest.mark.parametrize("before", [0, 20_000, 32_700, 32_740, 32_767])
def test_a_long_text_is_masked_wherever_its_pieces_end(before: int) -> None:
    text = "\n".join(["x" * before, KEY, "password:", "hunter2", *["y"] * 40_000, "end"])

    shown = MASK.long(text)

    assert "MII" not in shown
    assert "q83v" not in shown
    assert "hunter2" not in shown
    assert shown.startswith("x" * before)
    assert shown.endswith("y\nend")


def test_a_line_that_is_longer_than_any_piece_is_cut_and_says_so() -> None:
    shown = MASK.long(f"a\n{'x' * MOST_CHARACTERS}x\nb")

    assert shown.startswith("a\nxxx")
    assert shown.endswith("x … (this line was cut)\nb")
