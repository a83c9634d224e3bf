"""Decisions: what playbooks decided and why, above all why not."""

from typing import Annotated

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter

from receiver.model.remediation import Outcome
from receiver.model.shapes.decisions import DecisionShape
from receiver.model.shapes.parts import Items
from receiver.store.database import Database
from receiver.store.history import decisions
from receiver.store.history.decisions import DecisionFilter, Recorded
from receiver.web.access import needs
from receiver.web.api.shapes import Cursor, Limit, check_shape, items_of, loss_shape, target_shape
from receiver.webhook.access import Role


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
