"""What several shapes share."""

from typing import Annotated, Generic, TypeVar

from msgspec import Meta, Struct

T = TypeVar("T")


class Items(Struct, Generic[T], frozen=True, kw_only=True):
    """One page of a list."""

    items: Annotated[list[T], Meta(description="May be fewer than asked for, or none, although more follow.")]
    next: Annotated[str | None, Meta(description="Cursor of the page that follows; null at the end.")]
    previous: Annotated[str | None, Meta(description="Cursor of the page before; null at the beginning.")]


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
