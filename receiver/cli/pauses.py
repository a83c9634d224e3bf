"""`receiver remediations pause` and `resume`: the one switch that stops all playbooks."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from receiver.cli.person import person
from receiver.cli.reading import Config, Output, ask
from receiver.cli.tables import Form, cell, dump, say
from receiver.model.duration import Duration
from receiver.store import pauses
from receiver.web.api.pauses import Pauses, pause_shape


def pause(
    reason: Annotated[str, typer.Option(help="Why; stands in every refusal.", show_default=False)],
    length: Annotated[
        str | None, typer.Option("--for", metavar="LENGTH", help="Such as 2h; else until somebody resumes.")
    ] = None,
    *,
    config: Config = None,
    output: Output = Form.TABLE,
) -> None:
    """Let no playbook begin. What has begun to change a workflow is finished all the same."""
    now = datetime.now(UTC)
    expires_at = now + _length(length) if length is not None else None
    paused = ask(config, lambda tx: pauses.begin(tx, reason=reason, by=person(), at=now, expires_at=expires_at))
    if output is Form.JSON:
        dump(pause_shape(paused))
        return
    until = f"until {cell(expires_at)}" if expires_at else "until `receiver remediations resume`"
    say(f"all playbooks are paused {until}: {reason}")


def resume(*, config: Config = None, output: Output = Form.TABLE) -> None:
    """End every pause: playbooks may begin again."""
    ended = ask(config, lambda tx: pauses.end(tx, by=person(), at=datetime.now(UTC)))
    if output is Form.JSON:
        dump(Pauses(items=[pause_shape(one) for one in ended]))
        return
    for one in ended:
        say(f"ended: the pause of {one.paused_by} since {cell(one.paused_at)}: {one.reason}")
    say("playbooks may begin again" if ended else "nothing was paused")


def _length(text: str) -> Duration:
    try:
        length = Duration.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from error
    if not length:
        raise typer.BadParameter("a pause of no length is none", param_hint="--for")
    return length
