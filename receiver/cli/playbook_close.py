"""`receiver playbooks close`: a person's word that a playbook may begin again."""

from datetime import UTC, datetime

from receiver.cli.filters import PlaybookName
from receiver.cli.forms import Form, give
from receiver.cli.person import person
from receiver.cli.reading import Config, Output, Own, Server, TokenFile, Where, absent, learn
from receiver.cli.tables import say
from receiver.clients.receiver import ReceiverClient
from receiver.model.shapes.breakers import StandingShape
from receiver.store import standings
from receiver.store.history import playbooks
from receiver.web.api.breakers import standing_shape

_Standings = tuple[StandingShape, StandingShape]
"""Before and after."""


def close(
    name: PlaybookName,
    *,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
    output: Output = Form.TABLE,
) -> None:
    """Close a playbook's breaker, and give back the mode that it lost; its failures count from now on."""

    async def here(own: Own) -> _Standings | None:
        if await playbooks.get(own.tx, name) is None:
            return None
        before = await standings.close(own.tx, name, datetime.now(UTC), person())
        return standing_shape(before), standing_shape(await standings.read(own.tx, name))

    async def there(service: ReceiverClient) -> _Standings | None:
        found = await service.playbooks.get(name)
        after = await service.playbooks.close(name)
        return None if found is None or after is None else (found.standing, after)

    found = learn(Where(config, server, token_file), here=here, there=there)
    if found is None:
        raise absent(f"playbook {name!r}", "playbooks list")
    before, after = found
    give(after, output, lambda: _tell(name, before))


def _tell(name: str, before: StandingShape) -> None:
    if before.opened_at is not None:
        say(f"the breaker of {name} is closed; it was open because {before.opened_because}")
    if before.demoted_at is not None:
        say(f"{name} does what its mode says again; it only proposed because {before.demoted_because}")
    if before.opened_at is None and before.demoted_at is None:
        say(f"{name} was not held back; its failures count from now on")
