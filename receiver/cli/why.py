"""`receiver why`: every decision about an alert or an incident, with what each guard measured and what it allows."""

from typing import Annotated
from urllib.parse import quote

import typer

from receiver.cli.reading import Config, Output, Server, TokenFile, Where, absent, learn
from receiver.cli.tables import Form, cell, dump, say, table
from receiver.clients.receiver import ReceiverClient
from receiver.store.database import Transaction
from receiver.store.history import alerts, decisions, incidents
from receiver.store.history.decisions import DecisionFilter
from receiver.store.history.page import MOST
from receiver.web.api.alerts import AlertShape
from receiver.web.api.decisions import DecisionShape, decision_shape
from receiver.web.api.incidents import IncidentShape
from receiver.web.api.shapes import Items, loss_of

app = typer.Typer(add_completion=False, name="why")


@app.command()
def why(
    about: Annotated[str, typer.Argument(metavar="ALERT|INCIDENT", help="202611-42, or 7.")],
    *,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
    output: Output = Form.TABLE,
) -> None:
    """Tell every decision about an alert or an incident, oldest first, above all each refusal."""
    number = int(about) if about.isascii() and about.isdigit() else None
    found = learn(
        Where(config, server, token_file),
        here=lambda own: _own_decisions(own.tx, about, number),
        there=lambda service: _decisions_of(service, about, number),
    )
    if found is None:
        raise absent(f"alert or incident {about!r}", "incidents list")
    if output is Form.JSON:
        dump({"items": found})
        return
    if not found:
        say("no playbook has decided anything about it: none is for such an alert, or it was not looked at yet")
    for one in found:
        _tell(one)


async def _own_decisions(tx: Transaction, about: str, number: int | None) -> list[DecisionShape] | None:
    """Read the decisions, oldest first; None where there is no such thing. Of very many, the newest."""
    if number is not None:
        there = await incidents.get(tx, number) is not None
        wanted = DecisionFilter(incident_id=number)
    else:
        there = await alerts.get(tx, about) is not None
        wanted = DecisionFilter(alert_id=about)
    if not there:
        return None
    return [decision_shape(one) for one in reversed((await decisions.page(tx, wanted, limit=MOST)).items)]


async def _decisions_of(service: ReceiverClient, about: str, number: int | None) -> list[DecisionShape] | None:
    """Ask a service for the same."""
    if number is not None:
        there = await service.get(f"/api/v1/incidents/{number}", IncidentShape) is not None
        asked: dict[str, object] = {"incident": number}
    else:
        there = await service.get(f"/api/v1/alerts/{quote(about, safe='')}", AlertShape) is not None
        asked = {"alert": about}
    if not there:
        return None
    page = await service.read("/api/v1/decisions", Items[DecisionShape], **asked, limit=MOST)
    return list(reversed(page.items))


def _tell(decision: DecisionShape) -> None:
    outcome = decision.outcome.value if decision.outcome else f"goes ahead as remediation {decision.run_id}"
    say(f"{cell(decision.at)}  {decision.playbook} ({decision.mode.value}): {outcome}")
    say(f"  about   alert {decision.alert_id}, firing {decision.firing}, incident {decision.incident_id}")
    if decision.target is not None:
        say(f"  target  {decision.target.kind} {decision.target.namespace}/{decision.target.name}")
    say(f"  because {decision.reason}")
    if decision.would:
        say(f"  steps   {', then '.join(decision.would)}")
    if decision.loss is not None:
        say(f"  loses   {loss_of(decision.loss).shown}")
    if decision.checks:
        table(
            ("guard", "verdict", "measured", "limit", "because"),
            (
                (one.guard, "passed" if one.passed else "REFUSED", one.measured, one.limit, one.reason)
                for one in decision.checks
            ),
        )
    say()
