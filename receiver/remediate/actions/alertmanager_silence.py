"""Silence alerts in Alertmanager for a while: those about the target, or those that the playbook names."""

from collections.abc import Sequence
from typing import ClassVar, Final

import msgspec

from receiver.clients.alertmanager import AlertmanagerClient, Silence
from receiver.model.duration import Duration, format_duration
from receiver.model.errors import ActionError, AlertmanagerError
from receiver.model.matcher import Matcher, Operator
from receiver.remediate.actions.action import Complaint, Effect, Params, Performed, Turn
from receiver.remediate.actions.means import Means, Need

CREATOR: Final = "receiver"


class MakeSilence(Params, frozen=True, kw_only=True):
    """Let nobody be told about some alerts for a while. Receiver goes on recording what Alertmanager tells it."""

    for_: Duration = msgspec.field(name="for")
    """How long."""
    matchers: tuple[Matcher, ...] = ()
    """Which alerts; without any, those of the same name about the same workflow as the alert of the run."""
    comment: str = ""
    """Why, for people."""


class AlertmanagerSilence(Effect[MakeSilence]):
    """The verb `alertmanager.silence`."""

    name: ClassVar[str] = "alertmanager.silence"
    params = MakeSilence
    needs: ClassVar[frozenset[Need]] = frozenset({Need.ALERTMANAGER})
    on_target: ClassVar[bool] = False

    def say(self, params: MakeSilence, target: str) -> str:
        """Say what is silenced."""
        which = ", ".join(map(str, params.matchers)) or f"this alert about {target}"
        return f"silence {which} for {format_duration(params.for_)}"

    def complain(self, params: MakeSilence) -> Complaint | None:
        """Refuse a silence of no time, and one of everything."""
        if not params.for_:
            return Complaint(key="for", reason="for is 0, so nothing would be silenced")
        if params.matchers and all(matcher.matches({}) for matcher in params.matchers):
            return Complaint(key="matchers", reason="every matcher also matches an alert without any labels")
        return None

    async def look(self, means: Means, turn: Turn[MakeSilence]) -> Silence | None:
        """Look for a silence with the mark of this step, at the first peer that answers."""
        mark = f"[{turn.operation}]"
        for peer in means.alertmanagers:
            try:
                found = await peer.silences()
            except AlertmanagerError:
                # Whoever else answers knows the same; that none does is said by the attempt itself.
                continue
            return next((one for one in found if one.creator == CREATOR and one.comment.endswith(mark)), None)
        return None

    def recover(self, turn: Turn[MakeSilence]) -> Performed | None:
        """See whether this step made it, also where somebody has ended it since."""
        return _done(turn, turn.facts.seen) if isinstance(turn.facts.seen, Silence) else None

    def refusal(self, turn: Turn[MakeSilence]) -> str:
        """Say whether the alert has no labels to tell it by."""
        return "" if _matchers(turn) else "the alert has no labels by which it could be silenced"

    async def perform(self, means: Means, turn: Turn[MakeSilence]) -> Performed:
        """Make it at the first peer that answers; it tells the others."""
        refused: list[AlertmanagerError] = []
        for peer in means.alertmanagers:
            try:
                return _done(turn, await _silence(peer, turn))
            except AlertmanagerError as error:
                refused.append(error)
        said = "; ".join(str(error) for error in refused)
        raise ActionError(f"No Alertmanager took the silence: {said}", retryable=any(one.retryable for one in refused))


async def _silence(peer: AlertmanagerClient, turn: Turn[MakeSilence]) -> Silence:
    comment = turn.params.comment or f"{turn.run.playbook} works on {turn.target.namespace}/{turn.target.name}"
    return await peer.silence(
        _matchers(turn),
        comment=comment,
        creator=CREATOR,
        ends_at=turn.facts.now + turn.params.for_,
        operation=turn.operation,
    )


def _matchers(turn: Turn[MakeSilence]) -> Sequence[Matcher]:
    if turn.params.matchers:
        return turn.params.matchers
    # Each label of the alert that says what it is and about which workflow; no more, so that its like is silenced too.
    labels = turn.facts.alert.labels
    subject = turn.facts.alert.subject
    told = {"alertname": labels.get("alertname", "")}
    told |= {name: value for name, value in labels.items() if value in {subject.namespace, subject.workflow}}
    return [Matcher(name=name, operator=Operator.EQUAL, value=value) for name, value in told.items() if value]


def _done(turn: Turn[MakeSilence], silence: Silence) -> Performed:
    text = f"Silence {silence.id} holds until {silence.ends_at.isoformat(timespec='seconds')}."
    return Performed(text=text, vars=turn.kept, result={"silence": silence.id})
