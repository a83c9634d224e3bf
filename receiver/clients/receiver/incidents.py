"""Incidents: alerts about one thing, as one story."""

from typing import Final

from receiver.clients.receiver.questions import API, Questions
from receiver.model.incident import IncidentState
from receiver.model.shapes.asking import Asked
from receiver.model.shapes.incident_requests import SilenceWish, TakingWish
from receiver.model.shapes.incidents import IncidentShape, StoryShape
from receiver.model.shapes.parts import Items
from receiver.model.shapes.timeline import EventShape

_PATH: Final = f"{API}/incidents"


class Incidents:
    """What a service knows of incidents, and a person's word about one."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions

    async def page(
        self,
        *,
        state: IncidentState | None = None,
        namespace: str | None = None,
        workflow: str | None = None,
        severity: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Items[IncidentShape]:
        """List incidents that all filters want, newest first."""
        wanted = {"state": state, "namespace": namespace, "workflow": workflow, "severity": severity}
        return await self._questions.read(_PATH, Items[IncidentShape], **wanted, limit=limit, cursor=cursor)

    async def get(self, number: int) -> StoryShape | None:
        """Give one incident with its story."""
        return await self._questions.get(f"{_PATH}/{number}", StoryShape)

    async def timeline(
        self, number: int, *, limit: int | None = None, cursor: str | None = None
    ) -> Items[EventShape] | None:
        """Tell what happened in an incident, oldest first."""
        path = f"{_PATH}/{number}/timeline"
        return await self._questions.get(path, Items[EventShape], limit=limit, cursor=cursor)

    async def export(self, number: int) -> str | None:
        """Give the story of an incident as Markdown."""
        return await self._questions.text(f"{_PATH}/{number}/export")

    async def acknowledge(self, number: int, wish: TakingWish) -> Asked | None:
        """Take an incident on."""
        return await self._questions.post(f"{_PATH}/{number}/acknowledge", Asked, wish)

    async def silence(self, number: int, wish: SilenceWish) -> Asked | None:
        """Let Alertmanager tell nobody about an incident for a while."""
        return await self._questions.post(f"{_PATH}/{number}/silence", Asked, wish)
