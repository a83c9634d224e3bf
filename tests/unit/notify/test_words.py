"""Words of others, and what becomes of them."""

from datetime import UTC, datetime, timedelta, timezone
from html import unescape

import pytest
from hypothesis import given, strategies as st

from receiver.notify.words import (
    LONGEST_LINK,
    clean,
    clean_lines,
    code,
    cost,
    cut,
    markup,
    moment,
    plain,
    slack_link,
    weblink,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x00b\x1b[31mc", "a b [31mc"),
        ("one\r\n\ttwo\u2028three", "one two three"),
        ("a\u202egnp.exe", "a gnp.exe"),
        ("\u2066\u200babc\ufeff", "abc"),
        ("lone \ud800 half", "lone half"),
        ("שלום עולם", "שלום עולם"),
        ("👩\u200d🚒 имя-ёж", "👩\u200d🚒 имя-ёж"),
        ("", ""),
    ],
)
def test_nothing_invisible_is_left(text: str, expected: str) -> None:
    assert clean(text) == expected


def test_lines_stay_lines() -> None:
    assert clean_lines("one \x00\r\n\n\ntwo\u202e\rthree") == "one\ntwo\nthree"


@pytest.mark.parametrize(
    ("text", "longest", "expected"),
    [
        ("<!channel> & co", 100, "&lt;!channel&gt; &amp; co"),
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abcde…"),
        ("abc<", 6, "abc…"),
        ("abc<", 7, "abc&lt;"),
        ("<<<<", 9, "&lt;&lt;…"),
        ("ab cd", 4, "ab…"),
        ("👩\u200d🚒👩\u200d🚒", 7, "👩\u200d🚒…"),
        ('""', 3, '"…'),
    ],
)
def test_no_entity_is_cut_apart(text: str, longest: int, expected: str) -> None:
    assert markup(text, longest) == expected


@given(st.text(), st.integers(min_value=1, max_value=40))
def test_what_is_marked_up_is_within_its_limit_and_begins_as_the_text_does(text: str, longest: int) -> None:
    shown = markup(text, longest)

    assert cost(shown) <= longest
    assert not set("<>") & set(shown)
    assert unescape(shown) == text or text.startswith(
        shown.removesuffix("…").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    )


@given(st.text(), st.integers(min_value=1, max_value=40))
def test_plain_text_holds_nothing_that_slack_could_read_as_markup(text: str, longest: int) -> None:
    assert not set("<>&") & set(plain(text, longest))
    assert cost(plain(text, longest)) <= longest


def test_nothing_between_backticks_can_end_them() -> None:
    assert code("a```<b>`", 50) == "a'''&lt;b&gt;'"


def test_a_plain_text_is_cut_with_an_ellipsis() -> None:
    assert cut("abcdef", 4) == "abc…"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://argo.example/workflows/a/b?x=1&y=2", "https://argo.example/workflows/a/b?x=1&y=2"),
        ("http://p:9090/graph?g0.expr=a%7Bb%3D%22c%22%7D", "http://p:9090/graph?g0.expr=a%7Bb%3D%22c%22%7D"),
        ("https://x.example/a|b>c<d\"e`f' g", "https://x.example/a%7Cb%3Ec%3Cd%22e%60f%27%20g"),
        ("https://x.example/имя", "https://x.example/%D0%B8%D0%BC%D1%8F"),
        ("HTTPS://x.example/\nb", "HTTPS://x.example/%0Ab"),
        ("javascript:alert(1)", ""),
        ("data:text/html,x", ""),
        (" https://x.example", ""),
        ("//x.example", ""),
        ("https://", ""),
        ("https://user:secret@x.example/", ""),
        ("https://x.example\\@evil.example/", ""),
        ("https://x.example|evil/", ""),
        ("https://[::1/", ""),
        ("https://x.example:port/", ""),
        ("https://еvil.example/", ""),  # noqa: RUF001 - the first letter is Cyrillic
        ("https://x.example/" + "a" * LONGEST_LINK, ""),
        ("", ""),
    ],
)
def test_a_link_is_a_web_address_or_nothing(url: str, expected: str) -> None:
    assert weblink(url) == expected


@given(st.text(), st.text())
def test_no_link_breaks_out_of_its_notation(path: str, label: str) -> None:
    link = slack_link(f"https://x.example/{path}", label)

    inside = link.removeprefix("<").removesuffix(">")
    assert not set("<>") & set(inside)
    assert inside.count("|") <= 1


def test_a_link_that_cannot_be_shown_leaves_its_label() -> None:
    assert slack_link("javascript:alert(1)", "<runbook>") == "&lt;runbook&gt;"


def test_a_time_is_shown_in_utc() -> None:
    at = datetime(2026, 11, 24, 4, 0, tzinfo=timezone(timedelta(hours=1)))

    assert moment(at) == moment(datetime(2026, 11, 24, 3, 0, tzinfo=UTC)) == "2026-11-24 03:00 UTC"
