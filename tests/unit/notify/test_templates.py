"""A route's own words: what they can say, what they cannot, and what stands where they fail."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from receiver.model.errors import DocumentError
from receiver.model.message import Act, Place
from receiver.notify import slack
from receiver.notify.facts import MOST_LABELS, facts_of
from receiver.notify.plan import plan
from receiver.notify.situation import assess
from receiver.notify.templates import LONGEST_BODY, Templates, Words, load, words_in, words_of
from receiver.sandbox.blocks import TOTAL_CHARACTERS, block_errors, total_characters
from receiver.settings import Route
from tests.unit.notify.stories import BLOCKED, BOTH, FINDINGS, NOW, USELESS, alert, only, story

HOSTILE = "<!channel> <https://evil.example|click> *b* & \u202egnp.exe\nnext `tick`"


def written(folder: Path, text: str) -> Path:
    file = folder / "words.j2"
    file.write_text(text)
    return file


def said(folder: Path, text: str, **labels: str) -> Words:
    one = alert(annotations={"summary": HOSTILE})
    told = story(
        alerts=[replace(one, labels={**one.labels, **labels})], runs=[USELESS], decisions=[BLOCKED], findings=FINDINGS
    )
    return words_of(load(written(folder, text)), facts_of(assess(told, NOW), "https://r.example"))


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(DocumentError) as refused:
        said(folder, text)
    return str(refused.value).removeprefix(f"{folder}/words.j2:")


def test_a_template_without_blocks_is_the_body(tmp_path: Path) -> None:
    words = said(
        tmp_path, "*{{ labels.team }}* says {{ incident.title }}, since {{ incident.opened_at }}", team="a & b"
    )

    assert words.sections == ("*a &amp; b* says WorkflowStuckDetection: argo/etl-nightly, since 2026-11-24 02:55 UTC",)
    assert (words.title, words.summary) == ("", "")


def test_blocks_give_words_to_the_parts_of_a_message(tmp_path: Path) -> None:
    text = '{% block title %}{{ labels.x }}{% endblock %}\n{% block summary %}It\'s "{{ deed }}"{% endblock %}'

    words = said(tmp_path, text, x="a < b & c")

    assert words.title == "a < b & c"
    assert words.summary.startswith("It's \"Receiver tried restart-stuck-workflow")
    assert words.sections == ()


def test_a_hostile_value_stays_words_whatever_is_done_to_it(tmp_path: Path) -> None:
    text = (
        "{% for a in alerts %}{{ a.annotations.summary }} {{ a.annotations.summary|upper|truncate(900) }} "
        "{{ a.annotations.summary|code }} {{ ('http://x/' ~ a.annotations.summary)|link(a.annotations.summary) }} "
        "{{ a.annotations['summary'] ~ '<!here>' }} {{ [a.name, a.annotations.summary]|join(a.labels.sep) }}"
        " {{ 'javascript:alert(1)'|link('x') }}{% endfor %}"
    )

    [section] = said(tmp_path, text, sep="<!sep>").sections

    assert section.count("<") == section.count("<http://x/") == section.count(">")
    assert "&lt;!channel&gt;" in section
    assert "`&lt;!channel&gt; &lt;https://evil.example|click&gt; *b* &amp; gnp.exe next 'tick'`" in section
    assert "\u202e" not in section


def test_quotes_are_not_shown_as_entities(tmp_path: Path) -> None:
    assert said(tmp_path, "{{ labels.q }}", q='it\'s "so" &#39; &amp;').sections == ('it\'s "so" &amp;#39; &amp;amp;',)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("one\n{{ labels.a|safe }}", "2: No filter named 'safe'"),
        ("{% autoescape false %}x{% endautoescape %}", "1: autoescape is not part of the language"),
        ("{% set a = 'x' %}", "1: assign is not part of the language"),
        ("{% macro m() %}{{ m() }}{% endmacro %}", "1: macro is not part of the language"),
        ("{{ 'x' * 1000000000 }}", "1: mul is not part of the language"),
        ("{{ range(9) }}", "1: call is not part of the language"),
        ("{{ incident.title.format(1) }}", "1: call is not part of the language"),
        ("{% include '/etc/passwd' %}", "1: include is not part of the language"),
        ("{% extends 'a' %}", "1: extends is not part of the language"),
        ("{{ incidnet.title }}", "1: nothing is called 'incidnet'; what is there: incident, firing"),
        ("\n\n{{ incident.__class__ }}", "3: there is no '__class__' here; what is there: id, title"),
        ("{{ incident.titel }}", "1: there is no 'titel' here; what is there: id, title"),
        (
            "{% for a in alerts %}{% for b in alerts %}{% for c in alerts %}{% endfor %}{% endfor %}{% endfor %}",
            "1: loop",
        ),
        ("{% block footer %}{% endblock %}", "1: a block is one of title, body, summary"),
        ("words\n{% block body %}x{% endblock %}", "1: beside blocks there is nothing else"),
        ("a\nb {{ incident.title ", "2: unexpected end of template"),
        ("x" * 9000, "1: a template has at most 8,000 characters"),
    ],
)
def test_what_is_not_of_the_language_is_refused_by_file_and_line(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(DocumentError) as refused:
        load(written(tmp_path, text))

    assert str(refused.value).startswith(f"{tmp_path}/words.j2:{why}")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a\n{{ alerts }}", "2: the template failed: a list is no text"),
        ("a\nb\n{{ alerts[0].nam }}", "3: the template failed: there is no 'nam' here; what is there: name"),
        ("{% for c in status %}{{ c }}{% endfor %}", "1: the template failed: a loop goes over a list"),
        ("{{ alert_count + 'x' }}", "1: the template failed: unsupported operand"),
        ("{{ alerts[0].name.upper }}", "1: the template failed: nothing has a 'upper' here"),
        ("{{ labels.no.more }}", "1: the template failed: there is nothing that could have a 'more'"),
        ("{{ labels.x|join('a much too long separator') }}", "1: the template failed: a separator has at most"),
        (
            "{% for a in labels %}{% for b in labels %}{{ annotations.summary }}"
            + "x" * 900
            + "{% endfor %}{% endfor %}",
            "1: the template failed: its body has more than 5,500 characters",
        ),
        ("x" * 3000, "1: the template failed: a line of its body has more than 2,900 characters"),
    ],
)
def test_what_fails_on_an_incident_names_file_and_line(tmp_path: Path, text: str, why: str) -> None:
    assert refusal(tmp_path, text).startswith(why)


def test_a_loop_ends_however_much_there_is(tmp_path: Path) -> None:
    loops = (
        "{% for a in labels|items %}{% for b in labels|items %}{% if a > b %}{% endif %}{% endfor %}{% endfor %}done"
    )

    words = said(tmp_path, loops, **{f"label_{number}": "x" for number in range(3 * MOST_LABELS)})

    assert words.sections == ("done",)


def test_the_longest_body_makes_a_message_that_slack_takes(tmp_path: Path) -> None:
    line = "&" * 500 + "\n"
    body = line * (LONGEST_BODY // len(line))
    found = [replace(FINDINGS[0], detail={"annotations": {}}), *FINDINGS[1:]]
    situation = assess(story(runs=[USELESS], findings=found), NOW)

    words = words_in(load(written(tmp_path, body)), situation, None)
    card = slack.card(situation, public_url="https://r.example", pressed=True, words=words)

    assert words.fault == ""
    assert len(words.sections) > 1
    assert block_errors(card["blocks"]) == []
    assert total_characters(card["blocks"]) < TOTAL_CHARACTERS


def test_a_route_speaks_in_its_own_words_and_keeps_header_buttons_and_links(tmp_path: Path) -> None:
    file = str(written(tmp_path, "{% block body %}*Ours*{% endblock %}{% block summary %}Short{% endblock %}"))
    routes = [Route(matchers=(), to=("slack", "pagerduty"), template=file)]

    planned = plan(story(), places=BOTH, routes=routes, hold_until=None, now=NOW, templates=Templates([file]).read())

    card = only(planned, Act.POST)
    assert card["text"].endswith("Short")
    assert [block["type"] for block in card["blocks"]] == ["header", "section", "actions", "context"]
    assert card["blocks"][1]["text"]["text"] == "*Ours*"
    assert only(planned, Act.TRIGGER)["summary"] == "Short"


def test_a_lane_that_two_routes_lead_to_speaks_in_the_words_of_the_first(tmp_path: Path) -> None:
    first, second = str(written(tmp_path, "first")), str(tmp_path / "absent.j2")
    routes = [
        Route(matchers=(), to=("slack",), template=first, goes_on=True),
        Route(matchers=(), to=("slack", "pagerduty"), template=second),
    ]

    planned = plan(
        story(), places=BOTH, routes=routes, hold_until=None, now=NOW, templates=Templates([first, second]).read()
    )

    assert only(planned, Act.POST)["blocks"][1]["text"]["text"] == "first"
    assert only(planned, Act.TRIGGER)["template_fault"].startswith(f"{second}:1: the template cannot be read: ")


def test_a_broken_template_leaves_the_built_in_message_and_says_so(tmp_path: Path) -> None:
    file = str(written(tmp_path, "{{ alerts }}"))
    situation = assess(story(), NOW)
    built_in = slack.card(situation, public_url=None)

    words = words_in(Templates([file]).read()[file], situation, None)
    card = slack.card(situation, public_url=None, words=words)

    assert card == {**built_in, "template_fault": words.fault}
    assert words.fault.startswith(f"{file}:1: the template failed: a list is no text")


def test_a_template_is_read_again_when_its_file_changes(tmp_path: Path) -> None:
    file = written(tmp_path, "old")
    templates, situation = Templates([str(file)]), assess(story(), NOW)
    before = words_in(templates.read()[str(file)], situation, None)
    file.write_text("{{ broken")
    os.utime(file, ns=(1, 1))
    between = words_in(templates.read()[str(file)], situation, None)
    file.write_text("new")
    os.utime(file, ns=(2, 2))

    after = words_in(templates.read()[str(file)], situation, None)

    assert (before.sections, after.sections) == (("old",), ("new",))
    assert between.fault.startswith(f"{file}:1: ")


def test_a_message_to_the_console_is_in_the_same_words(tmp_path: Path) -> None:
    file = str(written(tmp_path, "{% block summary %}Ours{% endblock %}"))
    routes = [Route(matchers=(), to=("slack",), template=file)]
    places = replace(BOTH, slack=False)

    planned = plan(story(), places=places, routes=routes, hold_until=None, now=NOW, templates=Templates([file]).read())

    [post] = [draft for draft in planned.drafts if draft.act is Act.POST]
    assert post.place is Place.CONSOLE
    assert json.loads(json.dumps(post.payload))["text"].endswith("Ours")
