"""Shapes that several answers share."""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, TypeVar

from litestar.params import QueryParameter

from receiver.model.loss import Loss
from receiver.model.remediation import Check, Target
from receiver.model.shapes.parts import CheckShape, Items, LossShape, TargetShape
from receiver.store.history.page import MOST, Page

T = TypeVar("T")
N = TypeVar("N")

Cursor = Annotated[
    str | None,
    QueryParameter(description="Where the page begins: `next` or `previous` of another page of the same list."),
]
Limit = Annotated[int, QueryParameter(ge=1, le=MOST, description="Most items of the page.")]


def items_of(page: Page[N], shape: Callable[[N], T]) -> Items[T]:
    """Give a page its shape."""
    return Items(items=[shape(noun) for noun in page.items], next=page.next, previous=page.previous)


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
