"""One incident about one stuck workflow, as the store would tell it, for the tests of what is said about it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from receiver.model.alert import AlertStatus, Fingerprint
from receiver.model.finding import Finding, FindingState
from receiver.model.incident import Incident, IncidentState, Occurrence, Subject
from receiver.model.matcher import Matcher
from receiver.model.message import Act, Draft, Message, MessageState, Place, Story
from receiver.model.remediation import (
    Check,
    Decision,
    Entry,
    EntryState,
    Mode,
    Outcome,
    Run,
    RunId,
    RunState,
    Target,
)
from receiver.notify.places import Configured
from receiver.notify.plan import Plan, plan
from receiver.settings import Route

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
HOLD = NOW + timedelta(minutes=10)
SUBJECT = Subject(namespace="argo", workflow="etl-nightly", agent="rex")
TARGET = Target(kind="workflow", namespace="argo", name="etl-nightly", uid="u1", lineage="u1")
BOTH = Configured(slack=True, pagerduty=True, channel="#taskmaster-alerts", buttons=True)
NEITHER = replace(BOTH, slack=False, pagerduty=False)
ROUTES = (
    Route(matchers=(Matcher.parse('severity="critical"'),), to=("pagerduty", "slack")),
    Route(matchers=(), to=("slack",)),
)
VERBS = ("workflow.terminate", "wait", "workflow.resubmit", "verify")


def ago(**length: float) -> datetime:
    return NOW - timedelta(**length)


def alert(number: int = 1, *, severity: str = "critical", **more: Any) -> Occurrence:
    labels = {"alertname": "WorkflowStuckDetection", "namespace": "argo", "workflow_name": "etl-nightly"}
    fields: dict[str, Any] = {
        "id": f"202611-{number}",
        "fingerprint": Fingerprint(f"{number:016x}"),
        "status": AlertStatus.FIRING,
        "inferred": False,
        "subject": SUBJECT,
        "alertname": "WorkflowStuckDetection",
        "severity": severity,
        "labels": {**labels, "severity": severity},
        "annotations": {"summary": "No progress for 7 hours"},
        "starts_at": ago(minutes=5),
        "starts_at_text": "2026-11-24T02:55:00Z",
        "ends_at": None,
        "first_seen_at": ago(minutes=5),
        "last_seen_at": NOW,
        "deliveries": 1,
        "firings": 1,
        "group_key": "{}",
        "receiver": "receiver",
        "generator_url": "http://prometheus:9090/graph?g0.expr=x",
        "incident_id": 7,
    }
    return Occurrence(**{**fields, **more})


def run(outcome: Outcome | None = None, *, at: int = 0, number: int = 12, **more: Any) -> Run:
    """A live run of the restart: at step *at*, or ended with an outcome."""
    state = RunState.FINISHED if outcome else RunState.RUNNING
    fields: dict[str, Any] = {
        "id": RunId(number),
        "incident_id": 7,
        "alert_id": "202611-1",
        "playbook": "restart-stuck-workflow",
        "version": "1",
        "mode": Mode.LIVE,
        "target": TARGET,
        "state": state,
        "outcome": outcome,
        "reason": "",
        "confirm": "",
        "escalate": True,
        "hold_until": HOLD,
        "steps": tuple({"action": verb, "params": {}} for verb in VERBS),
        "cursor": at,
        "vars": {},
        "wake_at": None,
        "entered_at": ago(minutes=1),
        "started_at": ago(minutes=4),
        "finished_at": ago(minutes=1) if outcome else None,
        "journal": tuple(entry(cursor) for cursor in range(min(at, 3)) if VERBS[cursor].startswith("workflow")),
    }
    if at > VERBS.index("workflow.resubmit"):
        fields["vars"] = {"workflow": {"namespace": "argo", "name": "etl-nightly-r12", "uid": "u2"}}
    return Run(**{**fields, **more})


def entry(cursor: int, state: EntryState = EntryState.DONE, error: str = "") -> Entry:
    done_at = None if state is EntryState.INTENDED else ago(minutes=3)
    return Entry(
        cursor=cursor,
        attempt=1,
        action=VERBS[cursor],
        state=state,
        started_at=ago(minutes=3),
        finished_at=done_at,
        error=error,
    )


HEALED = run(Outcome.SUCCEEDED, at=4, reason="It has made progress for 6m.")
UNCHECKED = replace(HEALED, steps=HEALED.steps[:3], cursor=3)
LOST = run(Outcome.FAILED, at=2, reason="workflow.resubmit was tried 5 times in vain; last: 503.", escalate=False)
USELESS = run(Outcome.FAILED, at=3, reason="The new run makes no progress either.")


def asking(mode: Mode = Mode.PROPOSE) -> Run:
    steps = tuple({"action": verb, "params": {}} for verb in ("approve", *VERBS))
    return run(mode=mode, steps=steps, state=RunState.WAITING)


def decision(outcome: Outcome | None, *, alert_id: str = "202611-1", guard: str = "", reason: str = "") -> Decision:
    checks = (
        (Check(guard=guard, passed=False, measured="12m ago", limit="1h", reason="it ran 12m ago"),) if guard else ()
    )
    return Decision(
        playbook="restart-stuck-workflow",
        version="1",
        mode=Mode.DRY_RUN if outcome is Outcome.SIMULATED else Mode.LIVE,
        alert_id=alert_id,
        target=TARGET,
        outcome=outcome,
        reason=reason or (f"Guard {guard} refused: it ran 12m ago." if guard else "phase is Succeeded."),
        checks=checks,
        would=("terminate workflow argo/etl-nightly", "resubmit argo/etl-nightly as a new run"),
    )


BLOCKED = decision(Outcome.BLOCKED, guard="cooldown")
SIMULATED = decision(Outcome.SIMULATED)
ECHO = decision(Outcome.BLOCKED, alert_id="202611-2", guard="superseded")


def found(source: str, summary: str, **detail: Any) -> Finding:
    return Finding(source=source, state=FindingState.FOUND, summary=summary, detail=detail)


FINDINGS = (
    found(
        "workflow",
        "Running for 7h, no progress for 7h, at step train since 7h",
        namespace="argo",
        name="etl-nightly",
        progress="1/2",
        template="nightly",
        attempts=1,
    ),
    found("pods", "2 pods; etl-nightly-1 Running on n1"),
    Finding(source="events", state=FindingState.FAILED, summary="the cluster did not answer within 6s"),
    found("log", "etl-nightly-1: waiting for lock", pod="etl-nightly-1", lines=["begin", "waiting for lock"]),
    found("past", "This alert fired twice before, last 3d ago; tried before: 1 succeeded"),
    found("links", "argo, expression", argo="https://argo.example/workflows/argo/etl-nightly", expression="http://p/"),
)


def story(
    *,
    alerts: Sequence[Occurrence] = (alert(),),
    runs: Sequence[Run] = (),
    decisions: Sequence[Decision] = (),
    messages: Sequence[Message] = (),
    findings: Sequence[Finding] = FINDINGS,
    **incident: Any,
) -> Story:
    fields: dict[str, Any] = {
        "id": 7,
        "key": "k",
        "state": IncidentState.OPEN,
        "subject": SUBJECT,
        "title": "WorkflowStuckDetection: argo/etl-nightly",
        "severity": alerts[0].severity if alerts else "critical",
        "opened_at": ago(minutes=5),
        "closed_at": None,
        "quiet_since": None,
        "flaps": 0,
        "previous_id": None,
        "lineage": "u1",
        "acknowledged_by": "",
    }
    return Story(
        incident=Incident(**{**fields, **incident}),
        alerts=alerts,
        findings=findings,
        decisions=decisions,
        runs=runs,
        messages=messages,
    )


def quiet(told: Story) -> Story:
    """The same with all alerts resolved, not yet closed."""
    over = [replace(one, status=AlertStatus.RESOLVED, ends_at=NOW) for one in told.alerts]
    return replace(told, alerts=over, incident=replace(told.incident, quiet_since=NOW))


def closed(told: Story) -> Story:
    """The same once it is over."""
    over = quiet(told)
    ended_at = NOW + timedelta(minutes=5)
    return replace(over, incident=replace(over.incident, state=IncidentState.CLOSED, closed_at=ended_at))


def ask(
    told: Story,
    *,
    places: Configured = BOTH,
    hold_until: datetime | None = None,
    now: datetime = NOW,
    routes: Sequence[Route] = ROUTES,
) -> Plan:
    return plan(told, places=places, routes=routes, hold_until=hold_until, now=now, public_url="https://r.example")


def after(told: Story, planned: Plan, *, at: datetime = NOW, state: MessageState = MessageState.SENT) -> Story:
    """The same story once the drafts of a plan were queued: each key once."""
    messages = list(told.messages)
    for draft in planned.drafts:
        if draft.key not in {one.draft.key for one in messages}:
            messages.append(message(draft, number=len(messages) + 1, state=state, created_at=at))
    return replace(told, messages=messages)


def message(draft: Draft, *, number: int = 1, attempts: int = 1, **more: Any) -> Message:
    fields: dict[str, Any] = {
        "state": MessageState.PENDING,
        "created_at": NOW,
        "due_at": NOW,
        "sent_at": None,
        "error": "",
        "answer": {},
    }
    return Message(id=number, incident_id=7, draft=draft, attempts=attempts, **{**fields, **more})


def acts(planned: Plan) -> list[tuple[Place, Act]]:
    """What is done where, without the thread."""
    return [(draft.place, draft.act) for draft in planned.drafts if draft.act is not Act.REPLY]


def replies(planned: Plan) -> list[str]:
    return [draft.payload["text"] for draft in planned.drafts if draft.act is Act.REPLY]


def only(planned: Plan, act: Act) -> Mapping[str, Any]:
    [payload] = [draft.payload for draft in planned.drafts if draft.act is act]
    return payload
