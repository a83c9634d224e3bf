"""Incidents: all alerts about one workflow, else about one Alertmanager group, as one story."""

from datetime import timedelta
from typing import Annotated, Any

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from receiver.model.finding import Finding
from receiver.model.incident import Incident, IncidentState
from receiver.model.message import Story
from receiver.model.shapes.incidents import FindingShape, IncidentShape, StoryShape
from receiver.model.shapes.parts import Items
from receiver.model.shapes.timeline import EventShape
from receiver.store.database import Database
from receiver.store.history import incidents, stories, timeline
from receiver.store.history.incidents import IncidentFilter
from receiver.web.access import needs
from receiver.web.api.alerts import alert_shape
from receiver.web.api.export import export_incident
from receiver.web.api.incident_requests import HANDLERS
from receiver.web.api.remediations import run_shape
from receiver.web.api.shapes import Cursor, Limit, items_of
from receiver.web.api.timeline import event_shape
from receiver.web.problems import not_found
from receiver.webhook.access import Role


def incident_shape(incident: Incident) -> IncidentShape:
    """Give an incident its shape."""
    return IncidentShape(**_members(incident))


def story_shape(story: Story) -> StoryShape:
    """Give a story its shape."""
    return StoryShape(
        **_members(story.incident),
        alerts=[alert_shape(one) for one in story.alerts],
        findings=[_finding_shape(one) for one in story.findings],
        remediations=[run_shape(one) for one in story.runs],
    )


@get("/", summary="List incidents, newest first", operation_id="listIncidents")
async def list_incidents(
    *,
    database: NamedDependency[Database],
    in_state: Annotated[IncidentState | None, QueryParameter(name="state")] = None,
    namespace: FromQuery[str | None] = None,
    workflow: FromQuery[str | None] = None,
    severity: FromQuery[str | None] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Items[IncidentShape]:
    """Answer with the newest incidents that all filters want; merged ones only where their state is asked for."""
    wanted = IncidentFilter(state=in_state, namespace=namespace, workflow=workflow, severity=severity)
    async with database.transaction() as tx:
        return items_of(await incidents.page(tx, wanted, limit=limit, cursor=cursor), incident_shape)


@get("/{incident_id:int}", summary="Show one incident with its story", operation_id="getIncident")
async def get_incident(database: NamedDependency[Database], incident_id: FromPath[int]) -> StoryShape:
    """Answer with one incident: its alerts, what was found around them, and what was done."""
    async with database.transaction() as tx:
        if await incidents.get(tx, incident_id) is None:
            raise _absent(incident_id)
        return story_shape(await stories.story(tx, incident_id))


@get("/{incident_id:int}/timeline", summary="Tell what happened in an incident", operation_id="getIncidentTimeline")
async def get_incident_timeline(
    database: NamedDependency[Database], incident_id: FromPath[int], limit: Limit = 100, cursor: Cursor = None
) -> Items[EventShape]:
    """Answer with everything that happened in one incident, oldest first."""
    async with database.transaction() as tx:
        if await incidents.get(tx, incident_id) is None:
            raise _absent(incident_id)
        return items_of(await timeline.of_incident(tx, incident_id, limit=limit, cursor=cursor), event_shape)


def _members(incident: Incident) -> dict[str, Any]:
    subject = incident.subject
    return {
        "id": incident.id,
        "state": incident.state,
        "title": incident.title,
        "severity": incident.severity,
        "cluster": subject.cluster,
        "namespace": subject.namespace,
        "workflow": subject.workflow,
        "agent": subject.agent,
        "opened_at": incident.opened_at,
        "closed_at": incident.closed_at,
        "quiet_since": incident.quiet_since,
        "flaps": incident.flaps,
        "previous_id": incident.previous_id,
        "acknowledged_by": incident.acknowledged_by,
        "acknowledged_at": incident.acknowledged_at,
        "merged_into": incident.merged_into,
        "part_of": incident.part_of,
    }


def _finding_shape(finding: Finding) -> FindingShape:
    return FindingShape(
        source=finding.source,
        state=finding.state,
        summary=finding.summary,
        detail=dict(finding.detail),
        took_seconds=finding.took / timedelta(seconds=1),
    )


def _absent(incident_id: int) -> Exception:
    return not_found(f"there is no incident {incident_id}; GET /api/v1/incidents lists them")


ROUTER = Router(
    "/incidents",
    route_handlers=[list_incidents, get_incident, get_incident_timeline, export_incident, *HANDLERS],
    opt=needs(Role.VIEWER),
    tags=["incidents"],
)
