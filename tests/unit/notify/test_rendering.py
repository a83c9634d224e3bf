"""What Slack and PagerDuty are shown, judged by the rules of the stand-ins: whatever others wrote, it is accepted."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from receiver.clients.pagerduty import BODY_BYTES, encoded
from receiver.model.finding import Finding, FindingState
from receiver.model.incident import Subject
from receiver.model.message import Act, Story
from receiver.model.remediation import Outcome
from receiver.notify.deliver import event_of
from receiver.notify.slack import TOTAL_CHARACTERS
from receiver.sandbox.blocks import block_errors, total_characters
from receiver.sandbox.pagerduty import EXAMPLE_KEY
from receiver.sandbox.pagerduty_rules import event_faults
from tests.unit.notify.published import complaints
from tests.unit.notify.stories import (
    BLOCKED,
    FINDINGS,
    HEALED,
    LOST,
    SIMULATED,
    TARGET,
    USELESS,
    alert,
    ask,
    asking,
    closed,
    entry,
    found,
    only,
    run,
    story,
)

HOSTILE = (
    "<!channel> <@U123> <https://evil.example|click> & co",
    "&lt;!channel&gt;",
    "*bold* _it_ ~gone~ `code` ```block```",
    "a\x00b\x1b[2J\r\n\tc",
    "\u202egnp.exe שלום \u2066",
    "👩\u200d🚒" * 600,
    "ж" * 10_000,
    '"\\' * 5_000,
    "<" * 10_000,
    "\ud800",
    "",
)


def hostile_story(text: str, *, outcome: Outcome = Outcome.FAILED) -> Story:
    """A story in which everything that others may write is *text*."""
    subject = Subject(cluster=text, namespace=text, workflow=text, agent=text)
    target = replace(TARGET, namespace=text or "n", name=text or "n")
    journal = (entry(0), *(replace(entry(0), attempt=number, error=text, action=text) for number in range(2, 9)))
    findings = [
        *(found(source, text) for source in ("pods", "events", "past")),
        found("workflow", text, namespace=text, name=text, progress=text, template=text, attempts=3, message=text),
        found("log", text, pod=text, lines=[text] * 50),
        found("links", text, **dict.fromkeys(("argo", "expression", "runbook"), f"https://x.example/{text}")),
        found("links", text, argo=text, bad=f"javascript:{text}", expression=f"https://x.example/{text[:900]}"),
        Finding(source=text or "s", state=FindingState.FAILED, summary=text),
    ]
    alerts = [
        replace(
            alert(number, severity=text or "critical"),
            alertname=text,
            annotations={"summary": text, "description": text},
            labels={"alertname": text, text: text, "severity": text},
        )
        for number in range(12)
    ]
    declined = [replace(BLOCKED, reason=text, playbook=f"{text}{number}", would=(text,)) for number in range(20)]
    runs = [
        run(outcome, at=3, number=number, reason=text, target=target, journal=journal, playbook=text or "p")
        for number in range(1, 6)
    ]
    return story(
        alerts=alerts,
        findings=findings,
        decisions=declined,
        runs=runs,
        title=text,
        severity=text,
        subject=subject,
        acknowledged_by=text,
        previous_id=3,
        flaps=2,
    )


def texts(payload: Mapping[str, Any]) -> list[str]:
    """Every mrkdwn that is shown."""
    return [payload["text"]] + [
        item["text"]
        for block in payload["blocks"]
        for item in (block.get("text"), *block.get("elements", ()))
        if item and item["type"] == "mrkdwn"
    ]


def assert_slack_takes(payload: Mapping[str, Any]) -> None:
    blocks = json.loads(json.dumps(payload["blocks"]))
    assert block_errors(blocks) == []
    assert complaints("chat.postMessage", {"channel": "C0ALERTS", "text": payload["text"], "blocks": blocks}) == []
    assert total_characters(blocks) < TOTAL_CHARACTERS
    assert 0 < len(payload["text"]) <= 3_000
    for text in texts(payload):
        assert "<!" not in text
        assert "<@" not in text
        assert all(part.startswith(("http://", "https://")) for part in text.split("<")[1:])


def assert_pagerduty_takes(payload: Mapping[str, Any]) -> None:
    body = encoded(event_of(payload), routing_key=EXAMPLE_KEY)
    assert event_faults(json.loads(body)) == []
    assert len(body) < BODY_BYTES / 5


def assert_taken(told: Story) -> None:
    for draft in ask(told).drafts:
        if draft.act in {Act.POST, Act.UPDATE, Act.REPLY}:
            assert_slack_takes(draft.payload)
        else:
            assert_pagerduty_takes(draft.payload)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.SUCCEEDED, Outcome.BLOCKED])
def test_whatever_others_write_is_taken_and_stays_words(text: str, outcome: Outcome) -> None:
    assert_taken(hostile_story(text, outcome=outcome))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(alphabet=st.characters(), max_size=400))
def test_whatever_anybody_could_write_is_taken(text: str) -> None:
    told = hostile_story(text)

    assert_taken(told)
    assert {draft.act for draft in ask(told).drafts} == {Act.POST, Act.REPLY, Act.TRIGGER}


def test_a_thousand_alerts_stay_within_all_limits() -> None:
    alerts = [alert(number, annotations={"description": "x" * 10_000}) for number in range(1000)]
    declined = [replace(BLOCKED, alert_id=one.id) for one in alerts]
    told = story(alerts=alerts, decisions=declined)

    assert_taken(told)
    assert "and 997 more" in json.dumps(only(ask(told), Act.POST))
    assert only(ask(told), Act.TRIGGER)["custom_details"]["more alerts"] == 990


@pytest.mark.parametrize(
    "told",
    [
        story(),
        story(findings=()),
        story(alerts=(), findings=()),
        story(decisions=[BLOCKED, SIMULATED]),
        story(runs=[HEALED]),
        story(runs=[LOST, USELESS]),
        story(runs=[asking()]),
        story(runs=[run(target=None)]),
        closed(story()),
    ],
)
def test_every_kind_of_story_is_taken(told: Story) -> None:
    assert_taken(told)
    assert ask(told).drafts


def test_the_first_line_says_what_where_since_when_and_what_receiver_did() -> None:
    assert only(ask(story(decisions=[SIMULATED])), Act.POST)["text"] == (
        "🔴 WorkflowStuckDetection: argo/etl-nightly: critical, firing since 2026-11-24 02:55 UTC. "
        "Receiver did nothing: restart-stuck-workflow is in dry run. Live, it would terminate workflow "
        "argo/etl-nightly; then resubmit argo/etl-nightly as a new run."
    )


def test_the_quiet_line_says_what_was_healed_and_how() -> None:
    assert only(ask(story(runs=[HEALED])), Act.POST)["text"] == (
        "🟢 Healed: WorkflowStuckDetection: argo/etl-nightly. restart-stuck-workflow restarted argo/etl-nightly as "
        "argo/etl-nightly-r12; nobody was woken."
    )


def test_the_card_shows_the_workflow_its_past_its_log_and_what_is_not_known() -> None:
    shown = "\n".join(texts(only(ask(story(decisions=[BLOCKED])), Act.POST)))

    for part in (
        "*Workflow* `argo/etl-nightly`: Running for 7h, no progress for 7h, at step train since 7h",
        "progress 1/2 · template nightly · agent rex · acted on once before",
        "*Pods* 2 pods",
        "waiting for lock",
        "This alert fired twice before",
        "Not known: events: no answer (the cluster did not answer within 6s)",
        "<https://argo.example/workflows/argo/etl-nightly|argo>",
        "<https://r.example/api/v1/incidents/7/timeline|timeline>",
    ):
        assert part in shown


def test_the_card_asks_slack_to_make_nothing_of_its_own_out_of_anybodys_words() -> None:
    blocks = only(ask(story()), Act.POST)["blocks"]
    shown = [item for block in blocks for item in (block.get("text"), *block.get("elements", ())) if item]

    assert all(item["verbatim"] for item in shown if item["type"] == "mrkdwn")


def test_the_newest_answer_of_a_source_counts() -> None:
    told = story(findings=[*FINDINGS, found("workflow", "Succeeded after 8h", namespace="argo", name="etl-nightly")])

    shown = json.dumps(only(ask(told), Act.POST))

    assert "Succeeded after 8h" in shown
    assert "no progress for 7h" not in shown


def test_a_failed_restart_says_what_to_do() -> None:
    shown = "\n".join(texts(only(ask(story(runs=[USELESS])), Act.POST)))

    assert "*What to do:* Look at argo/etl-nightly-r12, which was started in place of argo/etl-nightly" in shown


def test_who_is_asked_learns_what_an_approval_sets_going() -> None:
    shown = "\n".join(texts(only(ask(story(runs=[asking()])), Act.POST)))

    assert "Approve or reject run 12; without an answer it does nothing." in shown
    assert "it goes on by ending the workflow, waiting until it has ended, starting it anew" in shown


def test_who_is_asked_learns_what_would_be_lost() -> None:
    at_stake = replace(asking(), vars={"loss": "12 finished steps and 3h20m of pod time; last progress 45m ago"})
    shown = "\n".join(texts(only(ask(story(runs=[at_stake])), Act.POST)))

    assert "What would be lost: 12 finished steps and 3h20m of pod time; last progress 45m ago." in shown


def test_a_page_without_any_run_says_that_a_person_has_to_decide() -> None:
    event = only(ask(story(decisions=[BLOCKED])), Act.TRIGGER)

    assert event["custom_details"]["what to do"] == "Look at argo/etl-nightly and decide by hand."


def test_what_a_run_keeps_to_restart_from_is_shown_nowhere() -> None:
    secret = {"kept": {"spec": {"env": "hunter2"}}}
    told = story(runs=[run(Outcome.FAILED, at=2, vars=secret)])

    assert "hunter2" not in json.dumps([dict(draft.payload) for draft in ask(told).drafts])


def test_pagerduty_is_told_what_is_affected() -> None:
    event = only(ask(story(decisions=[BLOCKED])), Act.TRIGGER)

    assert (event["source"], event["component"], event["group"], event["event_class"], event["timestamp"]) == (
        "argo/etl-nightly",
        "etl-nightly",
        "argo",
        "WorkflowStuckDetection",
        "2026-11-24T02:55:00+00:00",
    )
    assert {"href": "https://argo.example/workflows/argo/etl-nightly", "text": "argo"} in event["links"]
    assert event["custom_details"]["log"] == "begin\nwaiting for lock"
    assert event["custom_details"]["why"] == 'Route 1 (severity="critical") sends to pagerduty and slack.'
