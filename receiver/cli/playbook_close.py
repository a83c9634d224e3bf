"""`receiver playbooks close`: a person's word that a playbook may begin again."""

from datetime import UTC, datetime

from receiver.cli.person import person
from receiver.cli.reading import Config, Output, absent, ask
from receiver.cli.tables import Form, dump, say
from receiver.model.standing import Standing
from receiver.store import standings
from receiver.store.database import Transaction
from receiver.store.history import playbooks
from receiver.web.api.breakers import standing_shape


def close(name: str, *, config: Config = None, output: Output = Form.TABLE) -> None:
    """Close a playbook's breaker, and give back the mode that it lost; its failures count from now on."""
    found = ask(config, lambda tx: _close(tx, name))
    if found is None:
        raise absent(f"playbook {name!r}", "playbooks list")
    before, after = found
    if output is Form.JSON:
        dump(standing_shape(after))
        return
    if before.opened_at is not None:
        say(f"the breaker of {name} is closed; it was open because {before.opened_because}")
    if before.demoted_at is not None:
        say(f"{name} does what its mode says again; it only proposed because {before.demoted_because}")
    if before.opened_at is None and before.demoted_at is None:
        say(f"{name} was not held back; its failures count from now on")


async def _close(tx: Transaction, name: str) -> tuple[Standing, Standing] | None:
    if await playbooks.get(tx, name) is None:
        return None
    before = await standings.close(tx, name, datetime.now(UTC), person())
    return before, await standings.read(tx, name)
