"""Playbooks as the pipeline loaded them."""

from typing import Any

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from receiver.model.shapes.playbooks import PlaybookList, PlaybookShape, PlaybookTextShape
from receiver.store.database import Database
from receiver.store.history import playbooks
from receiver.store.history.playbooks import Loaded
from receiver.web.access import needs
from receiver.web.api.breakers import close_breaker, standing_shape
from receiver.web.api.playbook_requests import HANDLERS
from receiver.web.problems import not_found
from receiver.webhook.access import Role


def playbook_shape(playbook: Loaded) -> PlaybookShape:
    """Give a playbook its shape."""
    return PlaybookShape(**_members(playbook))


def playbook_text_shape(playbook: Loaded) -> PlaybookTextShape:
    """Give a playbook its shape, with its document."""
    return PlaybookTextShape(**_members(playbook), text=playbook.text)


@get("/", summary="List playbooks", operation_id="listPlaybooks")
async def list_playbooks(database: NamedDependency[Database]) -> PlaybookList:
    """Answer with all playbooks, by name."""
    async with database.transaction() as tx:
        return PlaybookList(items=[playbook_shape(one) for one in await playbooks.all_loaded(tx)])


@get("/{name:str}", summary="Show one playbook", operation_id="getPlaybook")
async def get_playbook(database: NamedDependency[Database], name: FromPath[str]) -> PlaybookTextShape:
    """Answer with one playbook and its document."""
    async with database.transaction() as tx:
        found = await playbooks.get(tx, name)
    if found is None:
        raise _absent(name)
    return playbook_text_shape(found)


def _members(playbook: Loaded) -> dict[str, Any]:
    return {
        "name": playbook.name,
        "version": playbook.version,
        "mode": playbook.mode,
        "summary": playbook.summary,
        "disabled": playbook.disabled,
        "loaded_at": playbook.loaded_at,
        "standing": standing_shape(playbook.standing),
    }


def _absent(name: str) -> Exception:
    return not_found(f"there is no playbook {name!r}; GET /api/v1/playbooks lists them")


ROUTER = Router(
    "/playbooks",
    route_handlers=[list_playbooks, get_playbook, close_breaker, *HANDLERS],
    opt=needs(Role.VIEWER),
    tags=["playbooks"],
)
