"""`receiver why`: every decision about an alert, an incident or a wish, with what each guard measured and allows."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from receiver.cli.forms import Form
from receiver.cli.reading import Config, Output, Server, TokenFile, Where, absent, asking
from receiver.cli.tables import cell, say, table
from receiver.cli.telling import Watch, Way, tell
from receiver.clients.receiver import ReceiverClient
from receiver.model.manual import request_of
from receiver.model.shapes.decisions import DecisionShape
from receiver.model.shapes.requests import RequestShape
from receiver.store import requests
from receiver.store.database import Transaction
from receiver.store.history import alerts, decisions, incidents
from receiver.store.history.decisions import DecisionFilter
from receiver.store.history.page import MOST
from receiver.web.api.decisions import decision_shape
from receiver.web.api.requests import request_shape
from receiver.web.api.shapes import loss_of

app = typer.Typer(add_completion=False, name="why")


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What is known about what was named: the decisions, oldest first, and the wish, where a wish was named."""

    decisions: list[DecisionShape]
    wish: RequestShape | None = None


@app.command()
def why(
    about: Annotated[str, typer.Argument(metavar="ALERT|INCIDENT|REQUEST", help="202611-42, 7, or request-17.")],
    *,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
    output: Output = Form.TABLE,
    watch: Watch = False,
) -> None:
    """Tell every decision about an alert, an incident or a person's wish, oldest first, above all each refusal."""
    number = int(about) if about.isascii() and about.isdigit() else None
    question = asking(
        Where(config, server, token_file),
        here=lambda own: _own_decisions(own.tx, about, number),
        there=lambda service: _decisions_of(service, about, number),
    )
    missing = absent(f"alert, incident or request {about!r}", "incidents list")
    tell(question, Way(output=output, told=_tell_known, shape=_shape), missing=missing, watch=watch)


def _shape(found: _Known) -> dict[str, Any]:
    return {"items": found.decisions} | ({"request": found.wish} if found.wish else {})


def _tell_known(found: _Known) -> None:
    if found.wish is not None:
        _tell_wish(found.wish)
    elif not found.decisions:
        say("no playbook has decided anything about it: none is for such an alert, or it was not looked at yet")
    for one in found.decisions:
        _tell(one)


async def _own_decisions(tx: Transaction, about: str, number: int | None) -> _Known | None:
    """Read the decisions, oldest first; None where there is no such thing. Of very many, the newest."""
    wish, asked = None, request_of(about)
    if number is not None:
        there = await incidents.get(tx, number) is not None
        wanted = DecisionFilter(incident_id=number)
    else:
        wish = await requests.get(tx, asked) if asked is not None else None
        there = wish is not None or (asked is None and await alerts.get(tx, about) is not None)
        wanted = DecisionFilter(alert_id=about)
    if not there:
        return None
    made = [decision_shape(one) for one in reversed((await decisions.page(tx, wanted, limit=MOST)).items)]
    return _Known(decisions=made, wish=request_shape(wish) if wish else None)


async def _decisions_of(service: ReceiverClient, about: str, number: int | None) -> _Known | None:
    """Ask a service for the same."""
    wish, asked = None, request_of(about)
    if number is not None:
        there = await service.incidents.get(number) is not None
        wanted: dict[str, Any] = {"incident": number}
    else:
        if asked is not None:
            wish = await service.request(asked)
            there = wish is not None
        else:
            there = await service.alerts.get(about) is not None
        wanted = {"alert": about}
    if not there:
        return None
    page = await service.decisions(**wanted, limit=MOST)
    return _Known(decisions=list(reversed(page.items)), wish=wish)


def _tell_wish(wish: RequestShape) -> None:
    answer = wish.answer if wish.answered_at is not None else "nobody has acted on it yet"
    about = f", about remediation {wish.run_id}" if wish.run_id is not None else ""
    say(f"{cell(wish.at)}  request {wish.id}: {wish.asked_by} asked for {wish.kind.value}{about}")
    say(f"  answer  {answer}")
    say()


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
