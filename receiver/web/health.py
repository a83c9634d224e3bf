"""`/healthz`: alive. `/readyz`: able to make a delivery durable, with everything else that is worth knowing beside it.

The status of `/readyz` follows durability alone, in the database or in the spool: a Service must not lose its pods
because Slack is away, and least of all because Postgres is. Both are open to everybody, so what they say names no host
and no secret.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from enum import Enum
from typing import Annotated, Final

import structlog
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.status_codes import HTTP_200_OK, HTTP_503_SERVICE_UNAVAILABLE
from msgspec import Meta, Struct

from receiver.model.errors import ReceiverError, StoreError
from receiver.store.database import Database, within
from receiver.store.migrate import is_behind, revision_of
from receiver.web.access import OPEN

PATIENCE: Final = timedelta(seconds=0.8)
"""With which each check is waited for: a probe of Kubernetes waits one second unless it is told otherwise, and a pod
that can spool must not look unready only because Postgres hangs."""

SPOOL: Final = "spool"
"""The check that says whether the local disk could take a delivery."""

_log = structlog.get_logger(__name__)


class State(Enum):
    """How something is."""

    OK = "ok"
    DEGRADED = "degraded"
    """It does not work as it should; the text says how."""
    DISABLED = "disabled"
    """It is not configured; the text names the setting."""


class Condition(Struct, frozen=True, kw_only=True):
    """How one thing is."""

    state: State
    text: Annotated[str, Meta(description="For people; empty when there is nothing to say.")] = ""


Check = Callable[[], Awaitable[Condition]]
"""Look how one thing is; raises ReceiverError where it is not well."""


class Readiness(Struct, frozen=True, kw_only=True):
    """Whether a delivery can be made durable, and how everything is."""

    ready: Annotated[bool, Meta(description="A delivery can be made durable; the status follows this alone.")]
    checks: Annotated[dict[str, Condition], Meta(description="By name: database, migrations, and what else there is.")]


class Alive(Struct, frozen=True, kw_only=True):
    """The process answers."""

    status: str = "ok"


class Health:
    """Looks how things are.

    Args:
        database: Whether it answers decides about readiness, unless the check `spool` is well.
        checks: What else is looked at, by name.
    """

    def __init__(self, database: Database, checks: Mapping[str, Check]) -> None:
        self._database = database
        self._checks = checks
        self._current: str | None = None

    async def look(self) -> Readiness:
        """Look at everything at once, each for a short time."""
        durable: dict[str, Check] = {"database": self._answers, "migrations": self._migrated}
        everything = durable | dict(self._checks)
        found = await asyncio.gather(*(_condition(name, check) for name, check in everything.items()))
        checks = dict(zip(everything, found, strict=True))
        recorded = all(checks[name].state is State.OK for name in durable)
        spooled = SPOOL in checks and checks[SPOOL].state is State.OK
        return Readiness(ready=recorded or spooled, checks=checks)

    async def _answers(self) -> Condition:
        await within(PATIENCE, self._database.ping())
        return Condition(state=State.OK)

    async def _migrated(self) -> Condition:
        revision = await within(PATIENCE, self._revision())
        if revision is None:
            return Condition(state=State.DEGRADED, text="the schema is not there yet; `receiver migrate` makes it")
        if revision != self._current:
            if await asyncio.to_thread(is_behind, revision):
                return Condition(
                    state=State.DEGRADED, text="the schema is old; `receiver migrate` brings it up to date"
                )
            self._current = revision
        return Condition(state=State.OK, text=f"revision {revision}")

    async def _revision(self) -> str | None:
        async with self._database.transaction() as tx:
            return await revision_of(tx)


async def _condition(name: str, check: Check) -> Condition:
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            return await check()
    except TimeoutError:
        return Condition(state=State.DEGRADED, text=f"no answer within {PATIENCE.total_seconds():g} s")
    except StoreError as error:
        _log.warning("check_failed", check=name, reason=str(error))
        return Condition(state=State.DEGRADED, text="Postgres does not answer as it should; the log says how")
    except ReceiverError as error:
        _log.warning("check_failed", check=name, reason=str(error))
        return Condition(state=State.DEGRADED, text="it does not answer as it should; the log says how")


@get(
    "/healthz",
    opt=OPEN,
    tags=["health"],
    summary="Say that the process is alive",
    operation_id="getHealth",
    security=[],
)
async def healthz() -> Alive:
    """Answer 200 as long as the process can answer at all; the database is not asked."""
    return Alive()


@get(
    "/readyz",
    opt=OPEN,
    tags=["health"],
    summary="Say whether a delivery can be made durable",
    operation_id="getReadiness",
    security=[],
)
async def readyz(health: NamedDependency[Health]) -> Response[Readiness]:
    """Answer 200 while a delivery can be made durable, else 503; the body says how everything is."""
    found = await health.look()
    return Response(found, status_code=HTTP_200_OK if found.ready else HTTP_503_SERVICE_UNAVAILABLE)
