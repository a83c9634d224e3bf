"""Where an incident was told of so far, and where it is to be told now: one voice for each address of a place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from receiver.model.message import Act, Draft, Lane, Message, MessageState, Place, Priority, Story
from receiver.notify.places import Configured


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """One place as this incident is told there, or the console in its stead.

    Attributes:
        said: What was planned for it so far, oldest first.
        chosen: Whether the routes lead there now; else it only hears how what it was told goes on.
        template: The file with the words for it; empty where the built-in ones are meant.
    """

    incident_id: int
    place: Place
    address: str
    name: str
    said: tuple[Message, ...]
    chosen: bool
    template: str

    def draft(self, act: Act, key: str, payload: Mapping[str, Any], cause: str, priority: Priority) -> Draft:
        """Make a message by this voice."""
        return Draft(
            place=self.place,
            address=self.address,
            act=act,
            key=f"incident:{self.incident_id}:{self.name}:{key}",
            payload=payload,
            cause=cause,
            priority=priority,
        )

    def of(self, *acts: Act) -> list[Message]:
        """List what was planned for it that does one of these, oldest first."""
        return [message for message in self.said if message.draft.act in acts]


def voices(
    story: Story,
    place: Place,
    places: Configured,
    lanes: Sequence[Lane] = (),
    templates: Mapping[Lane, str] = MappingProxyType({}),
) -> list[Voice]:
    """List where an incident was told of at a place, and where it is to be told now."""
    own = sorted((one for one in story.messages if one.incident_id == story.incident.id), key=lambda one: one.id)
    heard = {one.draft.lane: None for one in own if places.reaches(one.draft.lane, place)}
    # What began in the default channel stays there, whatever the default one is by now.
    began = next((lane for lane in heard if lane.address not in places.named), None)
    wanted = (lane for lane in lanes if lane.place is place)
    chosen = {began if began and not lane.address else places.through(lane): lane for lane in wanted}
    return [
        Voice(
            incident_id=story.incident.id,
            place=lane.place,
            address=lane.address,
            name=_name(lane, shadow=places.shadow),
            said=tuple(one for one in own if one.draft.lane == lane),
            chosen=lane in chosen,
            template=templates.get(chosen.get(lane, lane), ""),
        )
        for lane in {**heard, **chosen}
    ]


def _name(lane: Lane, *, shadow: bool) -> str:
    """Name a voice within the keys of its drafts; what is only recorded takes no key from what is sent later."""
    link = "-" if lane.place is Place.CONSOLE else ":"
    name = f"{lane.place.value}{link}{lane.address}".rstrip(":")
    return f"shadow:{name}" if shadow else name


def spoken(voice: Voice) -> Voice:
    """Leave out what was never said."""
    return replace(voice, said=tuple(one for one in voice.said if one.state is not MessageState.SUPERSEDED))
