"""Decisions: what playbooks decided and why, above all why not."""

from datetime import datetime
from typing import Annotated

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter
from msgspec import Meta, Struct

from receiver.model.remediation import Mode, Outcome
from receiver.store.database import Database
from receiver.store.history import decisions
from receiver.store.history.decisions import DecisionFilter, Recorded
from receiver.web.access import needs
from receiver.web.api.shapes import (
    CheckShape,
    Cursor,
    Items,
    Limit,
    LossShape,
    TargetShape,
    check_shape,
    items_of,
    loss_shape,
    target_shape,
)
from receiver.webhook.access import Role


class DecisionShape(Struct, frozen=True, kw_only=True):
    """What one playbook decided about one firing of one alert."""

    id: int
    at: datetime
    incident_id: int
    alert_id: str
    firing: Annotated[int, Meta(description="Which firing of the occurrence, from 1.")]
    playbook: str
    version: str
    mode: Mode
    target: TargetShape | None
    outcome: Annotated[Outcome | None, Meta(description="Null when a remediation goes ahead.")]
    reason: Annotated[str, Meta(description="One sentence for people.")]
    checks: Annotated[list[CheckShape], Meta(description="Each guard that was asked, in order.")]
    would: Annotated[list[str], Meta(description="The steps that it takes, or in dry run would have taken.")]
    loss: Annotated[LossShape | None, Meta(description="What its steps destroy; null where they destroy nothing.")]
    run_id: int | None


def decision_shape(recorded: Recorded) -> DecisionShape:
    """Give a decision its shape."""
    decision = recorded.decision
    return DecisionShape(
        id=recorded.id,
        at=recorded.at,
        incident_id=recorded.incident_id,
        alert_id=decision.alert_id,
        firing=recorded.firing,
        playbook=decision.playbook,
        version=decision.version,
        mode=decision.mode,
        target=target_shape(decision.target),
        outcome=decision.outcome,
        reason=decision.reason,
        checks=[check_shape(check) for check in decision.checks],
        would=list(decision.would),
        loss=loss_shape(decision.loss),
        run_id=recorded.run_id,
    )


@get("/", summary="List decisions, newest first", operation_id="listDecisions")
async def list_decisions(
    *,
    database: NamedDependency[Database],
    incident: Annotated[int | None, QueryParameter(ge=1, le=2**63 - 1, description="Id of an incident.")] = None,
    alert: Annotated[str | None, QueryParameter(description="Id of an alert.")] = None,
    playbook: FromQuery[str | None] = None,
    outcome: FromQuery[Outcome | None] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Items[DecisionShape]:
    """Answer with the newest decisions that all filters want, each refusal with its guard, value and limit."""
    wanted = DecisionFilter(incident_id=incident, alert_id=alert, playbook=playbook, outcome=outcome)
    async with database.transaction() as tx:
        return items_of(await decisions.page(tx, wanted, limit=limit, cursor=cursor), decision_shape)


ROUTER = Router("/decisions", route_handlers=[list_decisions], opt=needs(Role.VIEWER), tags=["decisions"])
