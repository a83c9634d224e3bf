"""`receiver why`: every decision about an alert or an incident, with what each guard measured and what it allows."""

from collections.abc import Sequence
from typing import Annotated

import typer

from receiver.cli.reading import Config, Output, absent, ask
from receiver.cli.tables import Form, cell, dump, say, table
from receiver.store.database import Transaction
from receiver.store.history import alerts, decisions, incidents
from receiver.store.history.decisions import DecisionFilter, Recorded
from receiver.store.history.page import MOST
from receiver.web.api.decisions import decision_shape

app = typer.Typer(add_completion=False, name="why")


@app.command()
def why(
    about: Annotated[str, typer.Argument(metavar="ALERT|INCIDENT", help="202611-42, or 7.")],
    *,
    config: Config = None,
    output: Output = Form.TABLE,
) -> None:
    """Tell every decision about an alert or an incident, oldest first, above all each refusal."""
    recorded = ask(config, lambda tx: _decisions(tx, about))
    if recorded is None:
        raise absent(f"alert or incident {about!r}", "incidents list")
    if output is Form.JSON:
        dump({"items": [decision_shape(one) for one in recorded]})
        return
    if not recorded:
        say("no playbook has decided anything about it: none is for such an alert, or it was not looked at yet")
    for one in recorded:
        _tell(one)


async def _decisions(tx: Transaction, about: str) -> Sequence[Recorded] | None:
    """Read the decisions, oldest first; None where there is no such thing. Of very many, the newest."""
    if about.isascii() and about.isdigit():
        there = await incidents.get(tx, int(about)) is not None
        wanted = DecisionFilter(incident_id=int(about))
    else:
        there = await alerts.get(tx, about) is not None
        wanted = DecisionFilter(alert_id=about)
    return tuple(reversed((await decisions.page(tx, wanted, limit=MOST)).items)) if there else None


def _tell(recorded: Recorded) -> None:
    decision = recorded.decision
    outcome = decision.outcome.value if decision.outcome else f"goes ahead as remediation {recorded.run_id}"
    say(f"{cell(recorded.at)}  {decision.playbook} ({decision.mode.value}): {outcome}")
    say(f"  about   alert {decision.alert_id}, firing {recorded.firing}, incident {recorded.incident_id}")
    if decision.target is not None:
        say(f"  target  {decision.target.kind} {decision.target.namespace}/{decision.target.name}")
    say(f"  because {decision.reason}")
    if decision.would:
        say(f"  steps   {', then '.join(decision.would)}")
    if decision.loss is not None:
        say(f"  loses   {decision.loss.shown}")
    if decision.checks:
        table(
            ("guard", "verdict", "measured", "limit", "because"),
            (
                (one.guard, "passed" if one.passed else "REFUSED", one.measured, one.limit, one.reason)
                for one in decision.checks
            ),
        )
    say()
