"""Shapes that several answers share."""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Generic, TypeVar

from litestar.params import QueryParameter
from msgspec import Meta, Struct

from receiver.model.loss import Loss
from receiver.model.remediation import Check, Target
from receiver.store.history.page import MOST, Page

T = TypeVar("T")
N = TypeVar("N")

Cursor = Annotated[
    str | None,
    QueryParameter(description="Where the page begins: `next` or `previous` of another page of the same list."),
]
Limit = Annotated[int, QueryParameter(ge=1, le=MOST, description="Most items of the page.")]


class Items(Struct, Generic[T], frozen=True, kw_only=True):
    """One page of a list."""

    items: Annotated[list[T], Meta(description="May be fewer than asked for, or none, although more follow.")]
    next: Annotated[str | None, Meta(description="Cursor of the page that follows; null at the end.")]
    previous: Annotated[str | None, Meta(description="Cursor of the page before; null at the beginning.")]


def items_of(page: Page[N], shape: Callable[[N], T]) -> Items[T]:
    """Give a page its shape."""
    return Items(items=[shape(noun) for noun in page.items], next=page.next, previous=page.previous)


class TargetShape(Struct, frozen=True, kw_only=True):
    """What a remediation acts on."""

    kind: Annotated[str, Meta(description="`workflow`, `pod` or `deployment`.")]
    namespace: str
    name: str
    uid: Annotated[str, Meta(description="The object's own uid when it was decided upon.")]
    lineage: Annotated[str, Meta(description="Root uid of the workflow through all its resubmits.")]


class CheckShape(Struct, frozen=True, kw_only=True):
    """One guard's verdict."""

    guard: str
    passed: bool
    measured: Annotated[str, Meta(description="What was found.")]
    limit: Annotated[str, Meta(description="What would have been too much.")]
    reason: str


class LossShape(Struct, frozen=True, kw_only=True):
    """What an action destroys; null is not known."""

    finished_nodes: Annotated[int | None, Meta(description="Steps that ended well and would run again.")]
    pod_seconds: Annotated[float | None, Meta(description="Pod time of those and of the steps that still run.")]
    idle_seconds: Annotated[float | None, Meta(description="Age of the last sign of progress.")]


def target_shape(target: Target | None) -> TargetShape | None:
    """Give a target its shape."""
    if target is None:
        return None
    return TargetShape(
        kind=target.kind, namespace=target.namespace, name=target.name, uid=target.uid, lineage=target.lineage
    )


def loss_shape(loss: Loss | None) -> LossShape | None:
    """Give a loss its shape."""
    if loss is None:
        return None
    return LossShape(
        finished_nodes=loss.finished_nodes,
        pod_seconds=None if loss.pod_time is None else loss.pod_time.total_seconds(),
        idle_seconds=None if loss.idle is None else loss.idle.total_seconds(),
    )


def loss_of(shape: LossShape) -> Loss:
    """Read a loss from its shape, for whoever asked a service for it."""
    return Loss(
        finished_nodes=shape.finished_nodes,
        pod_time=None if shape.pod_seconds is None else timedelta(seconds=shape.pod_seconds),
        idle=None if shape.idle_seconds is None else timedelta(seconds=shape.idle_seconds),
    )


def check_shape(check: Check) -> CheckShape:
    """Give a guard's verdict its shape."""
    return CheckShape(
        guard=check.guard, passed=check.passed, measured=check.measured, limit=check.limit, reason=check.reason
    )
