"""`GET /api/v1/incidents/{id}/export`: the story of an incident as Markdown."""

from datetime import UTC, datetime
from typing import Final

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath

from receiver.model.timeline import Event
from receiver.store.database import Database, Transaction
from receiver.store.history import incidents, stories, timeline
from receiver.store.history.page import MOST
from receiver.web.postmortem import postmortem
from receiver.web.problems import not_found

MOST_EVENTS: Final = 5_000
"""Lines of a timeline that are exported; of a longer one, its begin."""

_TYPE: Final = "text/markdown; charset=utf-8"


@get(
    "/{incident_id:int}/export",
    media_type=_TYPE,
    summary="Export the story of an incident as Markdown",
    operation_id="exportIncident",
    responses={
        200: ResponseSpec(
            data_container=str, media_type="text/markdown", description="A file to begin a postmortem with."
        )
    },
)
async def export_incident(database: NamedDependency[Database], incident_id: FromPath[int]) -> Response[str]:
    """Answer with what happened, what was decided and done, and who was told; strangers' text is escaped."""
    async with database.transaction() as tx:
        if await incidents.get(tx, incident_id) is None:
            raise not_found(f"there is no incident {incident_id}; GET /api/v1/incidents lists them")
        story = await stories.story(tx, incident_id)
        events = await _events(tx, incident_id)
    text = postmortem(story, events, datetime.now(UTC))
    saved = {"content-disposition": f'attachment; filename="incident-{incident_id}.md"'}
    return Response(text, media_type=_TYPE, headers=saved)


async def _events(tx: Transaction, incident_id: int) -> list[Event]:
    found: list[Event] = []
    cursor: str | None = None
    while len(found) < MOST_EVENTS:
        page = await timeline.of_incident(tx, incident_id, limit=MOST, cursor=cursor)
        found += page.items
        cursor = page.next
        if cursor is None:
            break
    return found
