"""Decide what is to be said about an incident now: pure, and nothing is said twice.

It is asked after every look at an incident, with all that was said before. What it answers depends on nothing else, so
that asking again, or twice at once, adds nothing: every draft has a key, and a key is said once.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

from receiver.model.message import Act, Draft, Lane, MessageState, Place, Priority, Story
from receiver.model.remediation import Run
from receiver.notify import pagerduty, slack, thread
from receiver.notify.account import deed_of, headline
from receiver.notify.changes import drafts as change_drafts
from receiver.notify.digest import is_low
from receiver.notify.places import Configured
from receiver.notify.routes import Choice, choose
from receiver.notify.situation import Situation, assess, is_lost
from receiver.notify.templates import BUILT_IN, Loaded, Words, words_in
from receiver.notify.voices import Voice, spoken, voices
from receiver.settings import Owner, Route


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be said now.

    Attributes:
        drafts: In the order in which they are said.
        digests: The addresses whose next digest tells of it.
        speak_at: When to ask again though nothing happens until then; None when there is no such time.
    """

    drafts: tuple[Draft, ...] = ()
    digests: tuple[Lane, ...] = ()
    speak_at: datetime | None = None


class Tone(Enum):
    """How an incident is spoken of."""

    SILENT = "silent"
    """Not at all: people wait for the remediation, another incident tells of it, or it is quiet and not over yet."""
    DIGEST = "digest"
    """Together with others, in the next digest of its channel: nobody has to look up for it."""
    QUIET = "quiet"
    """In one line, for the record: nobody has to do anything."""
    LOUD = "loud"
    """In full."""


_SAYING: Final = frozenset({Act.POST, Act.UPDATE})


def plan(
    story: Story,
    *,
    places: Configured,
    routes: Sequence[Route],
    hold_until: datetime | None,
    now: datetime,
    owners: Sequence[Owner] = (),
    public_url: str | None = None,
    templates: Mapping[str, Loaded] = MappingProxyType({}),
    changes: Collection[str] = (),
) -> Plan:
    """Decide what is to be said.

    Args:
        story: All that is known, with every message that was ever planned for this incident, whatever became of it,
            and with those of incidents that were merged into it.
        places: Which places can be told.
        routes: Who is told what; the first that matches counts.
        hold_until: Until when people wait for the remediation; None when there is none that may act. It counts only
            before anything was said, and not when a run failed, waits for a person, or came to nothing.
        now: The present time.
        owners: To whom what belongs; the first that matches counts.
        public_url: How people reach Receiver, for links.
        templates: Those that the routes name, by file.
        changes: Addresses of PagerDuty that are told of remediations by change events.
    """
    if not places.shadow:
        heard = [one for one in story.messages if one.state is not MessageState.SHADOWED]
        story = replace(story, messages=heard)
    if story.incident.merged_into is not None:
        return Plan(drafts=tuple(_farewell(story, story.incident.merged_into, places, public_url)))
    situation = assess(story, now)
    choice = choose(routes, situation.labels, owners=owners, annotations=situation.annotations, at=now)
    situation = replace(situation, owner=choice.owner)
    tone = tone_of(situation, hold_until, low=is_low(situation.severity, choice.places, places.low))
    tongue = _Tongue(situation=situation, public_url=public_url, templates=templates)
    drafts = (
        *_slack_drafts(tongue, choice, tone, places),
        *_pagerduty_drafts(tongue, choice, tone, places),
        *change_drafts(situation, choice, changes, through=places.through, shadow=places.shadow, public_url=public_url),
    )
    again = (
        hold_until if tone is Tone.SILENT else situation.heal_ends_at,
        choice.speak_at if situation.fires else None,
    )
    lanes = (lane for lane in choice.lanes if tone is Tone.DIGEST and lane.place is Place.SLACK)
    return Plan(
        drafts=drafts,
        digests=tuple(dict.fromkeys(places.through(lane) for lane in lanes)),
        speak_at=min((at for at in again if at is not None and at > now), default=None),
    )


def tone_of(situation: Situation, hold_until: datetime | None, *, low: bool = False) -> Tone:
    """Decide how an incident is spoken of. Once it was spoken of in full, it always is."""
    said = [one.draft for one in situation.story.messages]
    in_full = any(one.act is Act.TRIGGER or (one.act in _SAYING and not slack.is_quiet(one.payload)) for one in said)
    if in_full or situation.failures or situation.asking:
        return Tone.LOUD
    if situation.story.incident.part_of is not None:
        return Tone.SILENT
    held = hold_until is not None and situation.now < hold_until and not said and not _came_to_nothing(situation)
    if low and not (held and situation.fires):
        return Tone.DIGEST
    if situation.healed is not None or situation.closed:
        return Tone.QUIET
    if held or not (situation.fires or situation.unfinished):
        return Tone.SILENT
    return Tone.LOUD


def _came_to_nothing(situation: Situation) -> bool:
    """Answer whether there is no remediation to wait for any more."""
    return bool(situation.story.runs) and not situation.unfinished


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tongue:
    """An incident, and the words for it."""

    situation: Situation
    public_url: str | None
    templates: Mapping[str, Loaded]

    def words(self, voice: Voice) -> Words:
        loaded = self.templates.get(voice.template)
        return BUILT_IN if loaded is None else words_in(loaded, self.situation, self.public_url)


def _farewell(story: Story, into: int, places: Configured, public_url: str | None) -> Iterator[Draft]:
    """End what a merged incident has said: its message points to the older one, and nobody is called for it any more.

    What it had not begun to say was taken back when it was merged; the older incident says it, where it is still true.
    """
    cause = f"it goes on as incident {into}"
    for chat in map(spoken, voices(story, Place.SLACK, places)):
        content = slack.pointer(story.incident.id, into, public_url)
        pointer = chat.draft(Act.UPDATE, f"merged:{into}", content, cause, Priority.OVER)
        if chat.of(Act.POST) and pointer.key not in {message.draft.key for message in chat.said}:
            yield pointer
    for pager in map(spoken, voices(story, Place.PAGERDUTY, places)):
        if _is_open(pager):
            event = pagerduty.resolve(story.incident.id)
            yield pager.draft(Act.RESOLVE, "resolve:merged", event, cause, Priority.OVER)


def _slack_drafts(tongue: _Tongue, choice: Choice, tone: Tone, places: Configured) -> Iterator[Draft]:
    situation = tongue.situation
    if tone in {Tone.SILENT, Tone.DIGEST}:
        return
    told = voices(situation.story, Place.SLACK, places, choice.lanes, choice.templates)
    if not told and (situation.paging or situation.asking):
        told = voices(situation.story, Place.SLACK, places, choice.home)
    for voice in told:
        if tone is Tone.LOUD:
            words = tongue.words(voice)
            content = slack.card(situation, public_url=tongue.public_url, pressed=places.buttons, words=words)
            tell = _tell if places.in_place else _tell_anew
            yield from tell(situation, voice, choice, content)
        elif not voice.said:
            cause = "healed" if situation.healed else "over before anybody was told"
            yield voice.draft(Act.POST, "post", slack.line(situation), cause, Priority.OVER)


def _tell(situation: Situation, voice: Voice, choice: Choice, content: Mapping[str, Any]) -> Iterator[Draft]:
    """Say in full how an incident stands, and what has been added to its story."""
    yield from _say(voice, content, choice, _urgency(situation, choice))
    known = {message.draft.key for message in voice.said}
    for line in thread.lines(situation):
        payload = slack.reply(line.text, broadcast=line.broadcast)
        priority = Priority.FIRING if line.broadcast else Priority.STORY
        draft = voice.draft(Act.REPLY, f"reply:{line.key}", payload, line.cause, priority)
        if draft.key not in known:
            yield draft


def _tell_anew(situation: Situation, voice: Voice, choice: Choice, content: Mapping[str, Any]) -> Iterator[Draft]:
    """Do the same where nothing can be changed or replied to: the whole once, then what is news, each by itself."""
    news = [line for line in thread.lines(situation) if line.news]
    posted = voice.of(Act.POST)
    if not posted:
        covers = [line.key for line in news]
        yield from _say(voice, {**content, "covers": covers}, choice, _urgency(situation, choice))
        return
    known = {key for post in posted for key in (post.draft.key, *post.draft.payload.get("covers", ()))}
    for line in news:
        payload = slack.reply(f"{headline(situation)}: {line.text}", broadcast=False)
        priority = Priority.FIRING if line.broadcast or situation.asking else Priority.OVER
        draft = voice.draft(Act.POST, f"reply:{line.key}", payload, line.cause, priority)
        if not known & {draft.key, line.key}:
            yield draft


def _urgency(situation: Situation, choice: Choice) -> Priority:
    """Say how soon an incident's one message must be seen, compared with all others in its channel."""
    if situation.paging or (situation.fires and Place.PAGERDUTY in choice.places):
        return Priority.URGENT
    return Priority.FIRING if situation.fires or situation.failures or situation.asking else Priority.OVER


def _say(voice: Voice, content: Mapping[str, Any], choice: Choice, priority: Priority) -> Iterator[Draft]:
    """Say the incident's one message, if it does not stand there already."""
    spoken = voice.of(Act.POST, Act.UPDATE)
    if not spoken:
        yield voice.draft(Act.POST, "post", content, choice.reason, priority)
    elif _digest(spoken[-1].draft.payload) != _digest(content):
        # The same words may come back later, so the key also names what they replace.
        key = f"update:{spoken[-1].id}:{_digest(content)}"
        yield voice.draft(Act.UPDATE, key, content, "what it says has changed", priority)


def _digest(content: Mapping[str, Any]) -> str:
    said = [content.get("text"), content.get("blocks")]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def _pagerduty_drafts(tongue: _Tongue, choice: Choice, tone: Tone, places: Configured) -> Iterator[Draft]:
    situation, public_url = tongue.situation, tongue.public_url
    told = voices(situation.story, Place.PAGERDUTY, places, choice.lanes, choice.templates)
    if not any(voice.chosen for voice in told) and situation.paging:
        told = voices(situation.story, Place.PAGERDUTY, places, choice.home)
    for voice in told:
        call = _call(situation, choice, tone, voice)
        if call is not None:
            words = tongue.words(voice)
            event = pagerduty.trigger(situation, urgent=call.urgent, why=call.why, public_url=public_url, words=words)
            mapped = choice.severities.get(situation.severity)
            if mapped is not None and not call.urgent:
                event["severity"] = mapped
            if _is_acknowledged(voice):
                # While a page is acknowledged, PagerDuty wakes nobody under its key.
                again = pagerduty.resolve(situation.story.incident.id)
                yield voice.draft(Act.RESOLVE, f"resolve:{call.key}", again, "somebody is woken anew", Priority.PAGE)
            yield voice.draft(Act.TRIGGER, call.key, event, call.why, Priority.PAGE)
        elif _is_over(situation, voice):
            key = f"resolve:{len(voice.of(Act.RESOLVE))}"
            event = pagerduty.resolve(situation.story.incident.id)
            yield voice.draft(Act.RESOLVE, key, event, "the incident is closed", Priority.OVER)
        elif _is_to_acknowledge(situation, voice):
            key = f"acknowledge:{voice.of(Act.TRIGGER)[-1].id}"
            event = pagerduty.acknowledge(situation.story.incident.id)
            yield voice.draft(Act.ACKNOWLEDGE, key, event, "somebody has taken it on", Priority.PAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    key: str
    why: str
    urgent: bool


def _call(situation: Situation, choice: Choice, tone: Tone, voice: Voice) -> _Call | None:
    """Decide whether somebody is woken now, and why."""
    for run in reversed(situation.paging if voice.chosen or voice.said else ()):
        key = f"trigger:run:{run.id}"
        if not _is_told(run, voice, key):
            return _Call(key=key, why=deed_of(run), urgent=True)
    routed = voice.chosen and Place.PAGERDUTY in choice.places
    if tone is not Tone.LOUD or not routed or not situation.fires or situation.healed:
        return None
    if _is_open(voice) or _is_in_hand(situation):
        return None
    return _Call(key=f"trigger:{len(voice.of(Act.RESOLVE))}", why=choice.reason, urgent=False)


def _is_told(run: Run, voice: Voice, key: str) -> bool:
    """Answer whether somebody was woken for a failed run.

    A trigger that was open already counts, except where a workflow was ended and not brought back: if somebody closed
    that alert meanwhile, thinking that it is over, this wakes him again.
    """
    if any(message.draft.key.endswith(f":{key}") for message in voice.said):
        return True
    ended_at = run.finished_at or run.entered_at
    over_since = any(message.created_at > ended_at for message in voice.of(Act.RESOLVE))
    return not is_lost(run) and (_is_open(voice) or over_since)


def _is_open(voice: Voice) -> bool:
    events = voice.of(Act.TRIGGER, Act.RESOLVE)
    return bool(events) and events[-1].draft.act is Act.TRIGGER


def _is_in_hand(situation: Situation) -> bool:
    """Answer whether somebody has taken on all that fires: every series of it had been heard of by then."""
    taken_at = situation.story.incident.acknowledged_at
    if taken_at is None:
        return False
    known = {alert.fingerprint for alert in situation.alerts if alert.first_seen_at <= taken_at}
    return all(alert.fingerprint in known for alert in situation.firing)


def _is_acknowledged(voice: Voice) -> bool:
    events = voice.of(Act.TRIGGER, Act.ACKNOWLEDGE, Act.RESOLVE)
    return bool(events) and events[-1].draft.act is Act.ACKNOWLEDGE


def _is_to_acknowledge(situation: Situation, voice: Voice) -> bool:
    """Answer whether PagerDuty is to hear that somebody has it: of a page that had been sent when he took it on."""
    taken_at = situation.story.incident.acknowledged_at
    if taken_at is None or not _is_open(voice) or _is_acknowledged(voice):
        return False
    return voice.of(Act.TRIGGER)[-1].created_at <= taken_at


def _is_over(situation: Situation, voice: Voice) -> bool:
    """Answer whether PagerDuty may hear that it is over.

    Not while a workflow that was ended has not come back: its alerts are resolved only because it is gone. And not
    where somebody was woken only after the incident had closed: that is for a person to close.
    """
    closed_at = situation.story.incident.closed_at
    if not situation.closed or situation.lost or not _is_open(voice):
        return False
    triggered_at = voice.of(Act.TRIGGER)[-1].created_at
    return closed_at is None or triggered_at < closed_at
