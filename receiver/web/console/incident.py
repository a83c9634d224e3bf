"""`/incidents/{id}`: the whole story of one incident, and what a person may say about it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import groupby
from typing import Annotated, Any, Final

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from receiver.model.finding import Finding
from receiver.model.graph import graph_of
from receiver.model.remediation import EntryState, Outcome, Run, RunState
from receiver.model.timeline import Event, Kind
from receiver.store import requests
from receiver.store.database import Database
from receiver.store.history import decisions, stories, timeline
from receiver.store.history.decisions import DecisionFilter
from receiver.store.history.page import MOST
from receiver.store.history.present import present_of
from receiver.web.access import needs
from receiver.web.console.doing import doing, is_asking
from receiver.web.console.graph import draw
from receiver.web.console.links import leads
from receiver.web.console.page import page
from receiver.web.problems import not_found
from receiver.webhook.access import Role

_TONES: Final[Mapping[Kind, str]] = {
    Kind.ALERT_FIRED: "bad",
    Kind.ALERT_REFIRED: "bad",
    Kind.ALERT_RESOLVED: "good",
    Kind.ALERT_CLOSED: "good",
    Kind.INCIDENT_ACKNOWLEDGED: "calm",
    Kind.INCIDENT_CLOSED: "good",
    Kind.DEMOTED: "care",
    Kind.BREAKER_OPENED: "care",
    Kind.RUN_STARTED: "calm",
    Kind.RUN_ASKED: "calm",
    Kind.STEP_INTENDED: "calm",
    Kind.STEP_DONE: "good",
    Kind.STEP_FAILED: "bad",
    Kind.MESSAGE_DEAD: "bad",
}
"""Colour of the dot of what happened; soft where none is given."""

_ENDS: Final[Mapping[Outcome, str]] = {
    Outcome.SUCCEEDED: "good",
    Outcome.FAILED: "bad",
    Outcome.TIMED_OUT: "bad",
    Outcome.BLOCKED: "care",
    Outcome.REJECTED: "care",
    Outcome.CANCELLED: "care",
}

_STOPPED: Final = frozenset({Outcome.FAILED, Outcome.TIMED_OUT})


@get("/incidents/{incident_id:int}", opt=needs(Role.VIEWER), include_in_schema=False)
async def show_incident(
    *,
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    incident_id: FromPath[int],
    asked: Annotated[int | None, QueryParameter(ge=1, le=2**63 - 1)] = None,
    cursor: FromQuery[str | None] = None,
) -> Response[str]:
    """Show one incident: how it stands, what happened, what was decided and why, and what can be asked for."""
    at = datetime.now(UTC)
    async with database.transaction() as tx:
        standing = await present_of(tx, incident_id)
        if standing is None:
            raise not_found(f"there is no incident {incident_id}; the history has those that there are")
        story = await stories.story(tx, incident_id)
        happened = await timeline.of_incident(tx, incident_id, limit=MOST, cursor=cursor)
        decided = await decisions.page(tx, DecisionFilter(incident_id=incident_id), limit=MOST)
        wish = None if asked is None else await requests.get(tx, asked)
    return page(
        request,
        "incident.html",
        incident=story.incident,
        standing=standing,
        doing=doing(standing, at),
        story=story,
        nodes=nodes_of(story.findings),
        graph=draw(graph_of(_about(story.findings))),
        links=leads(story.findings),
        days=by_day(happened.items, story.runs),
        happened=happened,
        decided=decided.items,
        runs=[(run, course_of(run), is_asking(run)) for run in story.runs],
        wish=wish,
    )


def by_day(events: Sequence[Event], runs: Sequence[Run]) -> list[tuple[date, list[tuple[Event, str]]]]:
    """Put events under the days on which they happened, each with the colour of its dot."""
    ends = {run.id: run.outcome for run in runs}
    return [
        (day, [(event, _tone(event, ends)) for event in of_day])
        for day, of_day in groupby(events, key=lambda event: event.at.astimezone(UTC).date())
    ]


def course_of(run: Run) -> list[tuple[str, str, str]]:
    """Give the steps of a run in order: verb, how it stands (`done`, `here`, `failed`, `ahead`), and what was said."""
    told = []
    for number, step in enumerate(run.steps):
        entries = [entry for entry in run.journal if entry.cursor == number]
        last = entries[-1] if entries else None
        said = str(last.error or last.result.get("text", "")) if last else ""
        if last is not None and last.state is EntryState.FAILED:
            state = "failed"
        elif number < run.cursor:
            state = "done"
        elif number == run.cursor:
            state = "here" if run.state is not RunState.FINISHED else "failed" if run.outcome in _STOPPED else "ahead"
        else:
            state = "ahead"
        told.append((str(step.get("action", "")), state, said))
    return told


def nodes_of(findings: Sequence[Finding]) -> list[tuple[Mapping[str, Any], bool]]:
    """Give the steps of the workflow that failed or go on, as last looked at, each with whether it is stuck there.

    It is stuck at the step that has gone on longest, unless one has failed.
    """
    about = _about(findings)
    failed, running = list(about.get("failed") or ()), list(about.get("running") or ())
    marked = failed[:1] or running[:1]
    return [(node, any(node is one for one in marked)) for node in (*failed, *running)]


def _about(findings: Sequence[Finding]) -> Mapping[str, Any]:
    """Give what was last found of the workflow; nothing where nobody has looked."""
    return next((one.detail for one in findings if one.source == "workflow"), {})


def _tone(event: Event, ends: Mapping[Any, Outcome | None]) -> str:
    if event.kind is Kind.RUN_FINISHED:
        outcome = ends.get(event.run_id)
        return _ENDS.get(outcome, "") if outcome else ""
    if event.kind is Kind.DECIDED:
        return "care" if any(not check.get("passed") for check in event.detail.get("checks", ())) else "calm"
    return _TONES.get(event.kind, "")
