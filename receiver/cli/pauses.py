"""`receiver remediations pause` and `resume`: the one switch that stops all playbooks."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from receiver.cli.forms import Form, give
from receiver.cli.person import person
from receiver.cli.reading import Config, Output, Own, Server, TokenFile, Where, learn
from receiver.cli.tables import cell, say
from receiver.clients.receiver import ReceiverClient
from receiver.model.duration import Duration
from receiver.model.shapes.pauses import Pauses, PauseShape, PauseWish
from receiver.store import pauses
from receiver.web.api.pauses import pause_shape


def pause(
    reason: Annotated[str, typer.Option(help="Why; stands in every refusal.", show_default=False)],
    length: Annotated[
        str | None, typer.Option("--for", metavar="LENGTH", help="Such as 2h; else until somebody resumes.")
    ] = None,
    *,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
    output: Output = Form.TABLE,
) -> None:
    """Let no playbook begin. What has begun to change a workflow is finished all the same."""
    now = datetime.now(UTC)
    expires_at = now + _length(length) if length is not None else None

    async def here(own: Own) -> PauseShape:
        begun = await pauses.begin(own.tx, reason=reason, by=person(), at=now, expires_at=expires_at)
        return pause_shape(begun)

    async def there(service: ReceiverClient) -> PauseShape:
        return await service.remediations.pause(PauseWish(reason=reason, for_=length))

    paused = learn(Where(config, server, token_file), here=here, there=there)
    until = f"until {cell(paused.expires_at)}" if paused.expires_at else "until `receiver remediations resume`"
    give(paused, output, lambda: say(f"all playbooks are paused {until}: {paused.reason}"))


def resume(
    *, config: Config = None, server: Server = None, token_file: TokenFile = None, output: Output = Form.TABLE
) -> None:
    """End every pause: playbooks may begin again."""

    async def here(own: Own) -> Pauses:
        ended = await pauses.end(own.tx, by=person(), at=datetime.now(UTC))
        return Pauses(items=[pause_shape(one) for one in ended])

    async def there(service: ReceiverClient) -> Pauses:
        return await service.remediations.resume()

    ended = learn(Where(config, server, token_file), here=here, there=there)
    give(ended, output, lambda: _tell_ended(ended))


def _tell_ended(ended: Pauses) -> None:
    for one in ended.items:
        say(f"ended: the pause of {one.paused_by} since {cell(one.paused_at)}: {one.reason}")
    say("playbooks may begin again" if ended.items else "nothing was paused")


def _length(text: str) -> Duration:
    try:
        length = Duration.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from error
    if not length:
        raise typer.BadParameter("a pause of no length is none", param_hint="--for")
    return length
