"""`receiver incidents`: stories, and one of them from its begin to its end."""

from collections.abc import Sequence
from typing import Final

import msgspec
import typer

from receiver.cli.alerts import alert_table, event_table
from receiver.cli.reading import Config, Cursor, Limit, Output, absent, ask, more
from receiver.cli.remediations import run_table
from receiver.cli.tables import Form, dump, members, say, table
from receiver.model.incident import Incident, IncidentState
from receiver.model.message import Story
from receiver.model.timeline import Event
from receiver.store.database import Transaction
from receiver.store.history import incidents, stories, timeline
from receiver.store.history.incidents import IncidentFilter
from receiver.web.api.incidents import incident_shape, story_shape
from receiver.web.api.shapes import items_of
from receiver.web.api.timeline import event_shape

app = typer.Typer(
    add_completion=False,
    name="incidents",
    help="Incidents: alerts about one thing, as one story.",
    no_args_is_help=True,
)

_WHOLE: Final = 500
"""Lines of a timeline that are shown; the API has all of them."""


@app.command("list")
def list_incidents(
    *,
    config: Config = None,
    output: Output = Form.TABLE,
    state: IncidentState | None = None,
    namespace: str | None = None,
    workflow: str | None = None,
    severity: str | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """List incidents, newest first."""
    wanted = IncidentFilter(state=state, namespace=namespace, workflow=workflow, severity=severity)
    page = ask(config, lambda tx: incidents.page(tx, wanted, limit=limit, cursor=cursor))
    if output is Form.JSON:
        dump(items_of(page, incident_shape))
        return
    table(
        ("id>", "state", "severity", "title", "opened", "closed", "taken on by"),
        (
            (one.id, one.state, one.severity, one.title, one.opened_at, one.closed_at, one.acknowledged_by)
            for one in page.items
        ),
    )
    more(page)


@app.command("show")
def show_incident(incident: int, *, config: Config = None, output: Output = Form.TABLE) -> None:
    """Show one incident: what it is about, what was found and done, and everything that happened, in order."""

    async def question(tx: Transaction) -> tuple[Story | None, Sequence[Event]]:
        if await incidents.get(tx, incident) is None:
            return None, ()
        story = await stories.story(tx, incident)
        return story, (await timeline.of_incident(tx, incident, limit=_WHOLE)).items

    story, events = ask(config, question)
    if story is None:
        raise absent(f"incident {incident}", "incidents list")
    if output is Form.JSON:
        told = msgspec.to_builtins(story_shape(story))
        dump({**told, "timeline": [event_shape(event) for event in events]})
        return
    _head(story.incident)
    alert_table(tuple(story.alerts))
    if story.findings:
        say()
        table(("looked at", "state", "found"), ((one.source, one.state, one.summary) for one in story.findings))
    if story.runs:
        say()
        run_table(story.runs)
    say()
    event_table(tuple(events))


def _head(incident: Incident) -> None:
    subject = incident.subject
    members(
        [
            ("incident", incident.id),
            ("title", incident.title),
            ("state", incident.state),
            ("severity", incident.severity),
            ("workflow", "/".join(part for part in (subject.cluster, subject.namespace, subject.workflow) if part)),
            ("agent", subject.agent),
            ("opened", incident.opened_at),
            ("quiet since", incident.quiet_since),
            ("closed", incident.closed_at),
            ("flapped", f"{incident.flaps} times" if incident.flaps else None),
            ("taken on by", incident.acknowledged_by),
            ("before it", incident.previous_id),
            ("goes on in", incident.merged_into),
            ("told of by incident", incident.part_of),
        ]
    )
    say()
