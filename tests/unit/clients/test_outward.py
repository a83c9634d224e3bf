from datetime import UTC, datetime, timedelta

import pytest

from receiver.clients.outward import LONGEST_WAIT, checked_url, proxy_for, quoted, retry_after
from receiver.model.errors import SettingsError

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PROXIES = {"HTTPS_PROXY": "http://proxy:3128", "no_proxy": "internal.example, .corp", "PATH": "/bin"}


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("30", timedelta(seconds=30)),
        ("0", timedelta()),
        ("Tue, 24 Nov 2026 12:01:30 GMT", timedelta(seconds=90)),
        ("Tue, 24 Nov 2026 11:00:00 GMT", timedelta()),
        ("9" * 400, LONGEST_WAIT),
        ("Tue, 24 Nov 2099 12:00:00 GMT", LONGEST_WAIT),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("٣", None),
    ],
)
def test_how_long_to_wait_is_read_from_seconds_or_a_date(header: str, wait: timedelta | None) -> None:
    assert retry_after({"Retry-After": header}, now=NOW) == wait


def test_without_the_header_nothing_is_asked() -> None:
    assert retry_after({}, now=NOW) is None


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://slack.com/api/", "http://proxy:3128"),
        ("https://internal.example/api/", None),
        ("https://slack.corp/api/", None),
        ("https://notinternal.example/", "http://proxy:3128"),
        ("http://127.0.0.1:8080/", None),
        ("https://[::1]:8080/", None),
        ("http://slack.com/", None),
    ],
)
def test_the_proxy_is_chosen_as_everywhere_but_never_for_loopback(url: str, proxy: str | None) -> None:
    assert proxy_for(url, PROXIES) == proxy


def test_no_proxy_of_everything_means_none_at_all() -> None:
    assert proxy_for("https://slack.com", {"https_proxy": "http://proxy", "NO_PROXY": "*"}) is None


@pytest.mark.parametrize("url", ["https://slack.com/api/", "http://localhost:1/", "http://127.0.0.9/", "http://[::1]/"])
def test_https_and_plain_loopback_are_fit_for_secrets(url: str) -> None:
    assert checked_url(url, setting="x").geturl() == url


@pytest.mark.parametrize(
    "url",
    ["", "slack.com", "http://slack.com/", "https://", "https://u:p@slack.com", "https://x:99999/", "http://[::1"],
)
def test_other_addresses_are_refused_by_the_name_of_their_setting(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^slack\.api_url "):
        checked_url(url, setting="slack.api_url")


def test_a_quotation_is_one_short_line_without_the_secret() -> None:
    line = quoted("key s3cret\n\x1b[31mred\u202e " + "x" * 1000, without="s3cret")

    assert line.startswith("key (secret) [31mred x")
    assert len(line) == 303
