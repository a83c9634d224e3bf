"""Playbooks as the pipeline loaded them, and running one by hand."""

from datetime import datetime
from typing import Annotated, Any

from litestar import Request, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_202_ACCEPTED
from msgspec import Meta, Struct

from receiver.model.remediation import Mode
from receiver.model.request import Kind
from receiver.store.database import Database
from receiver.store.history import playbooks
from receiver.store.history.playbooks import Loaded
from receiver.web.access import caller_of, needs
from receiver.web.api.asking import Asked, Wake, ask
from receiver.web.problems import conflict, not_found
from receiver.webhook.access import Role

# Kubernetes' names: DNS labels of at most 63 and subdomains of at most 253 characters.
_WORKFLOW = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"


class PlaybookShape(Struct, frozen=True, kw_only=True):
    """A playbook as it is loaded."""

    name: str
    version: Annotated[str, Meta(description="Changes whenever the text does.")]
    mode: Annotated[Mode, Meta(description="How far it may go.")]
    summary: str
    disabled: Annotated[str, Meta(description="Why it cannot work here; empty when it can.")]
    loaded_at: datetime


class PlaybookTextShape(PlaybookShape, frozen=True, kw_only=True):
    """A playbook with its document."""

    text: Annotated[str, Meta(description="The YAML document.")]


class PlaybookList(Struct, frozen=True, kw_only=True):
    """All playbooks, by name."""

    items: list[PlaybookShape]


class ManualRun(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to run a playbook on."""

    workflow: Annotated[str, Meta(pattern=_WORKFLOW, description="`namespace/name`.")]
    live: Annotated[bool, Meta(description="Act, whatever the playbook's mode says.")] = False
    note: Annotated[str, Meta(max_length=500, description="For the record.")] = ""


@get("/", summary="List playbooks", operation_id="listPlaybooks")
async def list_playbooks(database: NamedDependency[Database]) -> PlaybookList:
    """Answer with all playbooks, by name."""
    async with database.transaction() as tx:
        return PlaybookList(items=[PlaybookShape(**_members(one)) for one in await playbooks.all_loaded(tx)])


@get("/{name:str}", summary="Show one playbook", operation_id="getPlaybook")
async def get_playbook(database: NamedDependency[Database], name: FromPath[str]) -> PlaybookTextShape:
    """Answer with one playbook and its document."""
    async with database.transaction() as tx:
        found = await playbooks.get(tx, name)
    if found is None:
        raise _absent(name)
    return PlaybookTextShape(**_members(found), text=found.text)


@post(
    "/{name:str}/runs",
    opt=needs(Role.OPERATOR),
    status_code=HTTP_202_ACCEPTED,
    summary="Run a playbook by hand",
    operation_id="runPlaybook",
)
async def run_playbook(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    wake: NamedDependency[Wake],
    name: FromPath[str],
    data: JSONBody[ManualRun],
) -> Asked:
    """Write down that a playbook shall run on a workflow. Its guards are asked as ever, and its mode is obeyed."""
    async with database.transaction() as tx:
        found = await playbooks.get(tx, name)
        if found is None:
            raise _absent(name)
        if found.disabled:
            raise conflict(f"playbook {name} cannot run here: {found.disabled}")
        namespace, _, workflow = data.workflow.partition("/")
        wish = {"playbook": name, "namespace": namespace, "workflow": workflow, "live": data.live, "note": data.note}
        return await ask(tx, wake, Kind.RUN, None, asked_by=caller_of(request), detail=wish)


def _members(playbook: Loaded) -> dict[str, Any]:
    return {
        "name": playbook.name,
        "version": playbook.version,
        "mode": playbook.mode,
        "summary": playbook.summary,
        "disabled": playbook.disabled,
        "loaded_at": playbook.loaded_at,
    }


def _absent(name: str) -> Exception:
    return not_found(f"there is no playbook {name!r}; GET /api/v1/playbooks lists them")


ROUTER = Router(
    "/playbooks",
    route_handlers=[list_playbooks, get_playbook, run_playbook],
    opt=needs(Role.VIEWER),
    tags=["playbooks"],
)
