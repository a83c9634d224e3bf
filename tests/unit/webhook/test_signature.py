"""Which requests are believed to be Slack's."""

from datetime import UTC, datetime, timedelta

import pytest

from receiver.sandbox.slack_press import sign
from receiver.webhook.signature import WINDOW, Fault, fault_of

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
BODY = b"payload=%7B%7D"
SECOND = timedelta(seconds=1)


def judge(
    *, at: datetime = NOW, secret: str = "s" * 32, body: bytes = BODY, timestamp: bytes = b"", signature: bytes = b"-"
) -> Fault | None:
    """Judge a request that was signed at a time with a secret, with what the test says in place of it."""
    stamp = timestamp or str(int(at.timestamp())).encode()
    signed = sign(secret, stamp.decode("latin-1"), BODY).encode() if signature == b"-" else signature
    return fault_of("s" * 32, timestamp=stamp, signature=signed, body=body, now=NOW)


def test_slacks_own_example_is_believed() -> None:
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&"
        b"channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&"
        b"response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F"
        b"96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    fault = fault_of(
        "8f742231b10e8888abcd99yyyzzz85a5",
        timestamp=b"1531420618",
        signature=b"v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
        body=body,
        now=datetime.fromtimestamp(1531420618, UTC),
    )
    assert fault is None


@pytest.mark.parametrize("at", [NOW, NOW - WINDOW, NOW + WINDOW])
def test_what_is_signed_within_five_minutes_is_believed(at: datetime) -> None:
    assert judge(at=at) is None


@pytest.mark.parametrize("at", [NOW - WINDOW - SECOND, NOW + WINDOW + SECOND, datetime(2001, 1, 1, tzinfo=UTC)])
def test_what_was_signed_at_another_time_is_expired(at: datetime) -> None:
    assert judge(at=at) is Fault.EXPIRED


@pytest.mark.parametrize(
    "changed",
    [
        {"secret": "t" * 32},
        {"body": BODY + b" "},
        {"signature": b""},
        {"signature": b"v0="},
        {"signature": "v0=ü".encode()},
        {"timestamp": b"now"},
        {"timestamp": b"-1"},
        {"timestamp": b"1" * 13},
        {"timestamp": "²".encode("latin-1")},
    ],
)
def test_what_is_not_signed_so_is_forged(changed: dict[str, object]) -> None:
    assert judge(**changed) is Fault.FORGED  # type: ignore[arg-type]
