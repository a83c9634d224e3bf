"""Archives: finished workflows kept whole on S3."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from receiver.clients.receiver.questions import API, Questions
from receiver.model.shapes.archives import ArchivePage, ArchiveShape, ArchiveWish, RestoreWish
from receiver.model.shapes.asking import Asked

_PATH: Final = f"{API}/archives"


class Archives:
    """The archives of a service, and what may be asked of them."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions

    async def page(
        self,
        *,
        namespace: str | None = None,
        name: str | None = None,
        phase: str | None = None,
        label: Sequence[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> ArchivePage:
        """List what is archived and meets all filters, those workflows first that ended last."""
        wanted = {
            "namespace": namespace,
            "name": name,
            "phase": phase,
            "label": list(label or ()),
            "since": since,
            "until": until,
        }
        return await self._questions.read(_PATH, ArchivePage, **wanted, limit=limit, cursor=cursor)

    async def get(self, number: int) -> ArchiveShape | None:
        """Give what the index knows of one archive."""
        return await self._questions.get(f"{_PATH}/{number}", ArchiveShape)

    async def create(self, wish: ArchiveWish) -> Asked:
        """Ask for a finished workflow to be archived."""
        return await self._questions.order(_PATH, Asked, wish)

    async def restore(self, number: int, wish: RestoreWish) -> Asked | None:
        """Ask for a new workflow out of an archived one."""
        return await self._questions.post(f"{_PATH}/{number}/restore", Asked, wish)
