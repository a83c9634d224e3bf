"""Take a press of a button, however it came: believed once, about a message of ours, and then what follows from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from receiver.model.errors import SettingsError
from receiver.model.request import Kind
from receiver.model.timeline import Event, Kind as Happened
from receiver.settings import Secret, SlackUser
from receiver.store import presses, requests, timeline
from receiver.store.database import Database, Transaction
from receiver.store.history import incidents
from receiver.web.api.asking import Wake
from receiver.web.pressing import Press, Wanted, weigh
from receiver.webhook.signature import Fault

FOREIGN: Final = "foreign"
"""Verdict on a press in a message that is none of ours."""
REPLAYED: Final = "replayed"
"""Verdict on a press that was taken before."""
MALFORMED: Final = "malformed"
"""Verdict on what is no press of a button that Receiver makes."""

VERDICTS: Final = (presses.TAKEN, presses.DECLINED, *(fault.value for fault in Fault), REPLAYED, FOREIGN, MALFORMED)
"""All that can become of one."""

_log = structlog.get_logger(__name__)


class Buttons:
    """Whose presses count.

    Args:
        secret: The app's signing secret; one that is not given means that nobody's do.
        users: Who may press.

    Raises:
        SettingsError: The secret is given and cannot be read, or somebody is named twice.
    """

    def __init__(self, secret: Secret, users: Sequence[SlackUser]) -> None:
        self._secret = secret
        self._known = secret.reveal() if secret.given else ""
        self.users: Mapping[str, SlackUser] = {user.id: user for user in users}
        ids = [user.id for user in users]
        twice = next((one for one in ids if ids.count(one) > 1), None)
        if twice is not None:
            raise SettingsError(f"slack.users: {twice} is there twice, so that its name and role are not certain")

    def secret(self) -> str:
        """Give the signing secret as it is now; one that cannot be read any more stays. Empty where none is given."""
        if self._secret.given:
            try:
                self._known = self._secret.reveal()
            except SettingsError as error:
                _log.error("secret_unreadable", reason=str(error), consequence="its last known value stays valid")
        return self._known


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of a press.

    Attributes:
        verdict: `taken`, `declined` where nothing follows from it, else why it is not believed.
        said: What the person is told; empty where nobody is.
    """

    verdict: str
    said: str = ""

    @property
    def believed(self) -> bool:
        """Whether it was a press of a person in a message of ours."""
        return self.verdict in {presses.TAKEN, presses.DECLINED}


async def take(database: Database, wake: Wake, buttons: Buttons, press: Press, *, mark: str, now: datetime) -> Taken:
    """Take a press that Slack vouches for, once.

    Args:
        database: Where it is written down, with what follows from it.
        wake: Wakes whoever acts on that.
        buttons: Who may press.
        press: As it was read.
        mark: By which the same press is known again: the signature of its request, or the number of its envelope.
        now: The present time.

    Raises:
        StoreError: It could not be written down, and nothing follows from it.
    """
    what = f"{press.action} of incident {press.incident} by {press.user}"
    async with database.transaction() as tx:
        number = await presses.take(tx, mark, at=now)
        if number is not None:
            if await presses.is_ours(tx, press.incident, press.channel, press.ts):
                taken = await _follow(tx, wake, press, buttons.users.get(press.user), now)
                await presses.note(tx, number, pressed_by=press.user, said=taken.said, verdict=taken.verdict)
                return taken
            await presses.note(tx, number, pressed_by=press.user, said=what, verdict=FOREIGN)
    if number is None:
        await refuse(database, REPLAYED, what, now)
        return Taken(verdict=REPLAYED)
    _log.warning("press_refused", verdict=FOREIGN, said=what)
    return Taken(verdict=FOREIGN)


async def refuse(database: Database, verdict: str, said: str, now: datetime) -> None:
    """Keep a request that is not believed."""
    _log.warning("press_refused", verdict=verdict, said=said)
    async with database.transaction() as tx:
        await presses.refuse(tx, verdict, said=said, at=now)


async def _follow(tx: Transaction, wake: Wake, press: Press, user: SlackUser | None, now: datetime) -> Taken:
    """Write down what follows from a press."""
    wanted = await weigh(tx, press, user, now)
    by = user.name if user else press.user
    if isinstance(wanted, str):
        await _tell_story(tx, press, by, wanted, now)
        taken = Taken(verdict=presses.DECLINED, said=wanted)
    else:
        taken = Taken(verdict=presses.TAKEN, said=wanted.said)
        if await _ask(tx, wake, wanted, by):
            return taken
    # Slack shows nothing of an answer to a press but that it came; the pipeline tells the person.
    detail = {"text": taken.said, "response_url": press.response_url}
    await requests.ask(tx, Kind.EXPLAIN, None, asked_by=by, detail=detail)
    await wake(tx, None)
    return taken


async def _ask(tx: Transaction, wake: Wake, wanted: Wanted, by: str) -> bool:
    """Ask the pipeline for what is wanted; says whether what comes of that is what the person is told."""
    if wanted.kind is Kind.EXPLAIN:
        return False
    await requests.ask(tx, wanted.kind, wanted.run_id, asked_by=by, detail=wanted.detail)
    await wake(tx, wanted.run_id)
    # The same in advance would only be noise.
    return wanted.run_id is None


async def _tell_story(tx: Transaction, press: Press, by: str, why: str, now: datetime) -> None:
    """Let the incident tell that somebody pressed in vain, and why."""
    if await incidents.get(tx, press.incident) is not None:
        text = f"{by} pressed {press.action} in Slack, and nothing follows from it: {why}"
        event = Event(at=now, kind=Happened.PRESS_DECLINED, text=text, incident_id=press.incident)
        await timeline.add(tx, event)
