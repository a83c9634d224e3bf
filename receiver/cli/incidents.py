"""`receiver incidents`: stories, one of them from its begin to its end, and a person's word about one."""

from typing import Annotated, Any, Final

import msgspec
import typer

from receiver.cli.alerts import alert_table, event_table
from receiver.cli.filters import Namespace, Severity, Workflow
from receiver.cli.forms import Form
from receiver.cli.incident_word import Incident, acknowledge, silence
from receiver.cli.reading import (
    Config,
    Cursor,
    Limit,
    ListOutput,
    Output,
    Own,
    Server,
    TokenFile,
    Where,
    absent,
    asking,
)
from receiver.cli.remediations import run_table
from receiver.cli.tables import members, say, table
from receiver.cli.telling import Watch, Way, tell
from receiver.clients.receiver import ReceiverClient
from receiver.model.incident import IncidentState
from receiver.model.shapes.incidents import IncidentShape, StoryShape
from receiver.model.shapes.parts import Items
from receiver.model.shapes.timeline import EventShape
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

app.command("ack")(acknowledge)
app.command("silence")(silence)

_Told = tuple[StoryShape, Items[EventShape]]


@app.command("list")
def list_incidents(
    *,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
    output: ListOutput = Form.TABLE,
    watch: Watch = False,
    state: Annotated[IncidentState | None, typer.Option(help="Only in this state.")] = None,
    namespace: Namespace = None,
    workflow: Workflow = None,
    severity: Severity = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """List incidents, newest first."""
    wanted: dict[str, Any] = {"state": state, "namespace": namespace, "workflow": workflow, "severity": severity}

    async def here(own: Own) -> Items[IncidentShape]:
        found = await incidents.page(own.tx, IncidentFilter(**wanted), limit=limit, cursor=cursor)
        return items_of(found, incident_shape)

    async def there(service: ReceiverClient) -> Items[IncidentShape]:
        return await service.incidents.page(**wanted, limit=limit, cursor=cursor)

    question = asking(Where(config, server, token_file), here=here, there=there)
    tell(question, Way(output=output, told=_listed, name=lambda one: one.id), watch=watch)


@app.command("show")
def show_incident(
    incident: Incident,
    *,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
    output: Output = Form.TABLE,
    watch: Watch = False,
) -> None:
    """Show one incident: what it is about, what was found and done, and everything that happened, in order."""

    async def here(own: Own) -> _Told | None:
        if await incidents.get(own.tx, incident) is None:
            return None
        story = story_shape(await stories.story(own.tx, incident))
        return story, items_of(await timeline.of_incident(own.tx, incident, limit=_WHOLE), event_shape)

    async def there(service: ReceiverClient) -> _Told | None:
        story = await service.incidents.get(incident)
        told = await service.incidents.timeline(incident, limit=_WHOLE) if story else None
        return (story, told) if story and told else None

    question = asking(Where(config, server, token_file), here=here, there=there)
    way = Way(output=output, told=_tell, shape=_whole)
    tell(question, way, missing=absent(f"incident {incident}", "incidents list"), watch=watch)


def _listed(page: Items[IncidentShape]) -> None:
    table(
        ("id>", "state", "severity", "title", "opened", "closed", "taken on by"),
        (
            (one.id, one.state, one.severity, one.title, one.opened_at, one.closed_at, one.acknowledged_by)
            for one in page.items
        ),
    )


def _whole(found: _Told) -> dict[str, Any]:
    story, told = found
    return {**msgspec.to_builtins(story), "timeline": told.items}


def _tell(found: _Told) -> None:
    story, told = found
    _head(story)
    alert_table(story.alerts)
    if story.findings:
        say()
        table(("looked at", "state", "found"), ((one.source, one.state, one.summary) for one in story.findings))
    if story.remediations:
        say()
        run_table(story.remediations)
    say()
    event_table(told.items)


def _head(incident: IncidentShape) -> None:
    about = (incident.cluster, incident.namespace, incident.workflow)
    members(
        [
            ("incident", incident.id),
            ("title", incident.title),
            ("state", incident.state),
            ("severity", incident.severity),
            ("workflow", "/".join(part for part in about if part)),
            ("agent", incident.agent),
            ("opened", incident.opened_at),
            ("quiet since", incident.quiet_since),
            ("closed", incident.closed_at),
            ("flapped", f"{incident.flaps} times" if incident.flaps else None),
            ("taken on by", incident.acknowledged_by),
            ("taken on", incident.acknowledged_at),
            ("before it", incident.previous_id),
            ("goes on in", incident.merged_into),
            ("told of by incident", incident.part_of),
        ]
    )
    say()
