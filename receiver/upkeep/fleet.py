"""Follows the workflows and pods of the cluster, and keeps of each what metrics need.

A list, then a watch from its state on, for each namespace and kind. Where a watch ends or breaks off it goes on from
the last state that was heard of; where that is too old the list is read anew, and replaces the old one only when it is
complete. Meanwhile what was last known is shown, and `Watch.confirmed_at` says how old that is.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Generic, TypeVar

import structlog

from receiver.clients.kubernetes import Listed, ListExpired, Seen, Watching
from receiver.model.errors import ClusterError
from receiver.model.fleet import PodDigest, WorkflowDigest, digest_pod, digest_workflow
from receiver.model.workflow import Pod, Workflow

T = TypeVar("T")
Key = tuple[str, str]

FIRST_PAUSE: Final = timedelta(seconds=1)
LONGEST_PAUSE: Final = timedelta(seconds=30)
"""Between two attempts on an API server that does not answer."""

_ENDED: Final = {"Succeeded", "Failed"}

log = structlog.get_logger(__name__)


@dataclass(kw_only=True, slots=True)
class Watch(Generic[T]):
    """What is known of one kind in one namespace.

    Attributes:
        kind: `workflows` or `pods`.
        namespace: Where; empty means everywhere.
        known: By namespace and name.
        confirmed_at: When the cluster was last heard of, in seconds since 1970; 0 before the first list.
        lists: How often everything was listed.
        failures: How often the cluster was asked in vain.
    """

    kind: str
    namespace: str
    known: dict[Key, T] = field(default_factory=dict)
    confirmed_at: float = 0.0
    lists: int = 0
    failures: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Followed:
    """All that is known of a fleet, by namespace."""

    workflows: tuple[Watch[WorkflowDigest], ...]
    pods: tuple[Watch[PodDigest], ...]

    @property
    def complete(self) -> bool:
        """Whether everything was read at least once: before that no figure means anything."""
        return all(watch.lists for watch in self.workflows) and all(watch.lists for watch in self.pods)


class Fleet:
    """Follows a fleet.

    Args:
        cluster: Which cluster.
        namespaces: Where; the empty one means everywhere.
        agent_names: Which labels or annotations of a workflow name its agent.
        now: The present time.
    """

    def __init__(
        self, cluster: Watching, namespaces: Iterable[str], agent_names: Sequence[str], now: Callable[[], datetime]
    ) -> None:
        self._cluster = cluster
        self._agent_names = agent_names
        self._now = now
        places = tuple(dict.fromkeys(namespaces))
        self.followed = Followed(
            workflows=tuple(Watch[WorkflowDigest](kind="workflows", namespace=place) for place in places),
            pods=tuple(Watch[PodDigest](kind="pods", namespace=place) for place in places),
        )

    async def follow(self) -> None:
        """Follow everything, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for workflows in self.followed.workflows:
                place, read = workflows.namespace, self._digest_workflow
                ask = partial(self._cluster.all_workflows, place, read)
                group.create_task(self._keep(workflows, ask, partial(self._changed_workflows, place), _moved))
            for pods in self.followed.pods:
                ask_pods = partial(self._cluster.all_pods, pods.namespace, self._digest_pod)
                group.create_task(self._keep(pods, ask_pods, partial(self._changed_pods, pods.namespace), _as_is))

    def _changed_workflows(self, place: str, version: str) -> AsyncGenerator[Seen[WorkflowDigest], None]:
        return self._cluster.follow_workflows(place, version, self._digest_workflow)

    def _changed_pods(self, place: str, version: str) -> AsyncGenerator[Seen[PodDigest], None]:
        return self._cluster.follow_pods(place, version, self._digest_pod)

    def _digest_workflow(self, found: Workflow) -> WorkflowDigest:
        return digest_workflow(found, self._agent_names, self._now())

    def _digest_pod(self, found: Pod, workflow: str) -> PodDigest | None:
        return None if found.phase in _ENDED or not workflow else digest_pod(found, workflow, self._now())

    async def _keep(
        self,
        watch: Watch[T],
        ask: Callable[[], Awaitable[Listed[T]]],
        follow: Callable[[str], AsyncGenerator[Seen[T], None]],
        merge: Callable[[T | None, T, float], T],
    ) -> None:
        version, pause = "", FIRST_PAUSE
        while True:
            try:
                if not version:
                    version = self._take(watch, await ask(), merge)
                async with aclosing(follow(version)) as changes:
                    async for seen in changes:
                        version = self._note(watch, seen, merge) or version
                        pause = FIRST_PAUSE
                # The server ends a watch when its time is over, which shows that it is there.
                watch.confirmed_at = self._now().timestamp()
                await self._rest(FIRST_PAUSE)
            except ListExpired:
                version = ""
                await self._rest(FIRST_PAUSE)
            except ClusterError as error:
                watch.failures += 1
                where = watch.namespace or "all namespaces"
                log.warning("fleet", action="not_followed", kind=watch.kind, namespace=where, error=str(error))
                await self._rest(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    async def _rest(self, pause: timedelta) -> None:
        await asyncio.sleep(pause.total_seconds() * random.uniform(0.5, 1))  # noqa: S311 - no secret

    def _take(self, watch: Watch[T], listed: Listed[T], merge: Callable[[T | None, T, float], T]) -> str:
        """Let a complete list replace what was known."""
        now, before = self._now().timestamp(), watch.known
        items = (((one.namespace, one.name), one.found) for one in listed.items)
        watch.known = {key: merge(before.get(key), found, now) for key, found in items if found is not None}
        watch.confirmed_at, watch.lists = now, watch.lists + 1
        return listed.version

    def _note(self, watch: Watch[T], seen: Seen[T], merge: Callable[[T | None, T, float], T]) -> str:
        """Take one change into account; returns the state from which to go on."""
        now, key = self._now().timestamp(), (seen.namespace, seen.name)
        if seen.found is not None:
            watch.known[key] = merge(watch.known.get(key), seen.found, now)
        else:
            watch.known.pop(key, None)
        watch.confirmed_at = now
        return seen.version


def _moved(before: WorkflowDigest | None, after: WorkflowDigest, now: float) -> WorkflowDigest:
    """Let a change of progress, or of the phase of a step, count as a move at the moment when it was seen."""
    if before is None or before.uid != after.uid or after.progress is None or before.progress is None:
        return after
    seen = before.progress if before.moved == after.moved else now
    return replace(after, progress=max(after.progress, seen))


def _as_is(before: PodDigest | None, after: PodDigest, now: float) -> PodDigest:  # noqa: ARG001 - pods tell all themselves
    return after
