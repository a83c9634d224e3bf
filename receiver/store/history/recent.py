"""What happened lately: numbers for dashboards, over all replicas, each read from the newest part of an index."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import text

from receiver.model.remediation import PROOFS
from receiver.store.database import Transaction
from receiver.store.rollups import ENDED, HOUR
from receiver.store.stats import Healing, healed_between

DAY: Final = timedelta(days=1)
QUANTILES: Final = (0.5, 0.9, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """What happened lately.

    Attributes:
        events: Lines of the timeline within an hour, by kind.
        delays: How long the messages that were sent within an hour had waited, by quantile; empty when none was sent.
        ended: How playbooks ended within a day, by playbook and outcome, whether they began a run or not.
        refused: What guards refused within a day, by playbook and the first guard that did.
        healing: Incidents that were closed within a day, and those that no person had to do anything about.
        presses: What came in Slack's name within a day, by verdict.
        heal_times: From the opening of an incident to the end of the live run that was seen to help, within a day, by
            quantile; empty when nothing was healed.
    """

    events: Mapping[str, int]
    delays: Mapping[float, timedelta]
    ended: Mapping[tuple[str, str], int]
    refused: Mapping[tuple[str, str], int]
    healing: Healing
    presses: Mapping[str, int]
    heal_times: Mapping[float, timedelta]


_EVENTS: Final = "select kind, count(*) as number from timeline where at >= :hour group by kind"

_DELAYS: Final = """
select percentile_cont(cast(:quantiles as float8[])) within group (order by outbox.sent_at - outbox.created_at)
from timeline join outbox on outbox.id = cast(timeline.detail ->> 'message_id' as bigint)
where timeline.kind = 'message.sent' and timeline.at >= :hour and outbox.sent_at >= outbox.created_at
"""

_PRESSES: Final = "select verdict, count(*) as number from presses where at >= :since group by verdict"

_OUTCOMES: Final = f"""
select playbook, outcome, cast(sum(number) as bigint) as number from ({ENDED}) as ends group by 1, 2
"""  # noqa: S608 - made of the constant above

_REFUSED: Final = """
select playbook, refusal.guard, count(*) as number
from decisions cross join lateral (
  select verdict ->> 'guard' as guard
  from jsonb_array_elements(checks) with ordinality as every (verdict, place)
  where not cast(verdict ->> 'passed' as boolean)
  order by place limit 1
) as refusal
where at >= :since and outcome = 'blocked'
group by 1, 2
"""

_HEAL_TIMES: Final = """
select percentile_cont(cast(:quantiles as float8[]))
  within group (order by greatest(runs.finished_at - incidents.opened_at, interval '0'))
from runs join incidents on incidents.id = runs.incident_id
where runs.finished_at >= :since and runs.mode = 'live' and runs.outcome = 'succeeded'
  and exists (
    select from jsonb_array_elements(runs.steps) as step where step ->> 'action' = any(cast(:proofs as text[]))
  )
"""


async def count_recent(tx: Transaction) -> Recent:
    """Count what happened within the last hour and the last day."""
    now = datetime.now(UTC)
    asked = {
        "hour": now - HOUR,
        "since": now - DAY,
        "until": now + HOUR,
        "quantiles": list(QUANTILES),
        "proofs": list(PROOFS),
    }
    ended = await tx.execute(text(_OUTCOMES), asked)
    refused = await tx.execute(text(_REFUSED), asked)
    events = await tx.execute(text(_EVENTS), asked)
    presses = await tx.execute(text(_PRESSES), asked)
    return Recent(
        events={row.kind: int(row.number) for row in events},
        delays=await _quantiles(tx, _DELAYS, asked),
        ended={(row.playbook, row.outcome): int(row.number) for row in ended},
        refused={(row.playbook, row.guard): int(row.number) for row in refused},
        presses={row.verdict: int(row.number) for row in presses},
        healing=await healed_between(tx, now - DAY, now + HOUR),
        heal_times=await _quantiles(tx, _HEAL_TIMES, asked),
    )


async def _quantiles(tx: Transaction, query: str, asked: Mapping[str, object]) -> dict[float, timedelta]:
    found: list[timedelta] | None = (await tx.execute(text(query), asked)).scalar_one()
    return dict(zip(QUANTILES, found, strict=True)) if found else {}
