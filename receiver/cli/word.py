"""A person's word about a remediation: given here or to a service elsewhere, acted upon, and waited for."""

from typing import Final

import typer

from receiver.cli.desk import desk_at, ended
from receiver.cli.reading import Where, absent
from receiver.cli.tables import say
from receiver.model.remediation import Outcome
from receiver.model.request import Kind

_WANTED: Final = {Kind.APPROVE: Outcome.SUCCEEDED, Kind.REJECT: Outcome.REJECTED, Kind.CANCEL: Outcome.CANCELLED}
"""The end that somebody who asks hopes for."""


async def give_word(where: Where, kind: Kind, number: int, note: str, *, wait: bool) -> None:
    """Give a word about a remediation, and wait for its end unless told otherwise; exits with 1 for another end.

    Raises:
        StoreError: There is no such remediation, or it has ended.
        RemoteError: The service refuses, or does not answer.
    """
    async with desk_at(where) as desk:
        asked = await desk.ask(kind, number, note)
        if asked is None:
            raise absent(f"remediation {number}", "remediations list")
        say(f"request {asked} is written down: {kind.value} remediation {number}")
        if not wait:
            return
        end = await ended(desk, number)
    outcome = end.outcome.value if end.outcome else "finished"
    say(f"remediation {number} ended: {outcome}. {end.reason}")
    if end.outcome is not _WANTED[kind]:
        raise typer.Exit(1)
