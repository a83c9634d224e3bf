"""Remediations: the audit trail, its decisions, and the one switch that stops all."""

from typing import Any, Final

from receiver.clients.receiver.questions import API, Questions
from receiver.model.remediation import Outcome, RunState
from receiver.model.shapes.asking import Asked
from receiver.model.shapes.evidence import EvidenceList
from receiver.model.shapes.parts import Items
from receiver.model.shapes.pauses import Pauses, PauseShape, PauseWish
from receiver.model.shapes.remediations import Note, RunShape

_PATH: Final = f"{API}/remediations"


class Remediations:
    """What a service did, and a person's word about it."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions

    async def page(
        self,
        *,
        state: RunState | None = None,
        outcome: Outcome | None = None,
        playbook: str | None = None,
        workflow: str | None = None,
        namespace: str | None = None,
        incident: int | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Items[RunShape]:
        """List remediations that all filters want, newest first."""
        wanted = {
            "state": state,
            "outcome": outcome,
            "playbook": playbook,
            "workflow": workflow,
            "namespace": namespace,
            "incident": incident,
        }
        return await self._questions.read(_PATH, Items[RunShape], **wanted, limit=limit, cursor=cursor)

    async def get(self, number: int) -> RunShape | None:
        """Give one remediation with its journal."""
        return await self._questions.get(f"{_PATH}/{number}", RunShape)

    async def approve(self, number: int, note: str = "") -> Asked | None:
        """Let a remediation go ahead."""
        return await self._questions.post(f"{_PATH}/{number}/approve", Asked, Note(note=note))

    async def reject(self, number: int, note: str = "") -> Asked | None:
        """Do not let a remediation go ahead."""
        return await self._questions.post(f"{_PATH}/{number}/reject", Asked, Note(note=note))

    async def cancel(self, number: int, note: str = "") -> Asked | None:
        """Stop a remediation as soon as that is safe."""
        return await self._questions.post(f"{_PATH}/{number}/cancel", Asked, Note(note=note))

    async def all_evidence(self, number: int) -> EvidenceList | None:
        """List what was kept before a remediation destroyed something."""
        return await self._questions.get(f"{_PATH}/{number}/evidence", EvidenceList)

    async def evidence(self, number: int, step: int) -> dict[str, Any] | None:
        """Give one bundle of evidence."""
        return await self._questions.get(f"{_PATH}/{number}/evidence/{step}", dict[str, Any])

    async def pauses(self) -> Pauses:
        """List the pauses that hold."""
        return await self._questions.read(f"{_PATH}/pauses", Pauses)

    async def pause(self, wish: PauseWish) -> PauseShape:
        """Let no playbook begin."""
        return await self._questions.order(f"{_PATH}/pause", PauseShape, wish)

    async def resume(self) -> Pauses:
        """End every pause; gives those that were ended."""
        return await self._questions.order(f"{_PATH}/resume", Pauses)
