"""Which places can be told of anything here, and where a message goes that names one which cannot."""

from dataclasses import dataclass
from typing import Final

from receiver.model.message import Lane, Place

INCOMING_WEBHOOK: Final = "incoming webhook"
"""How the channel of Slack's incoming webhook is called: which one it is, only Slack knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """Which places can be told; for one that cannot, the console is told in its stead.

    Attributes:
        slack: Whether Slack is configured.
        pagerduty: Whether PagerDuty is configured.
        channel: The Slack channel for incidents that have no other, by name or ID.
        owners: Names of the owners that have a PagerDuty key of their own.
        named: Channels that routes and owners name, beside the default one.
        shadow: Whether nothing is sent; then what was recorded without being sent counts as said.
        buttons: Whether a press of a button in Slack would be taken.
        in_place: Whether Slack changes what was said and has threads, which an incoming webhook has not.
        low: Severities, in lower case, that wait for a digest.
    """

    slack: bool
    pagerduty: bool
    channel: str
    owners: frozenset[str] = frozenset()
    named: frozenset[str] = frozenset()
    shadow: bool = False
    buttons: bool = False
    in_place: bool = True
    low: frozenset[str] = frozenset()

    def through(self, lane: Lane) -> Lane:
        """Say where messages to a lane of a choice really go: its own address, or the console in its stead."""
        named = lane.address
        if lane.place is Place.SLACK and not (lane.address and self.in_place):
            named = self.channel
        known = self.slack if lane.place is Place.SLACK else lane.address in self.owners or self.pagerduty
        if known:
            has_key = lane.place is Place.SLACK or lane.address in self.owners
            return Lane(lane.place, named if has_key else "")
        return Lane(Place.CONSOLE, f"{lane.place.value} {lane.address}".strip())

    def reaches(self, lane: Lane, place: Place) -> bool:
        """Answer whether a lane is one of a place, as the places are configured now."""
        if lane.place is Place.CONSOLE:
            return lane.address.split(" ")[0] == place.value and self.through(Lane(place, "")).place is Place.CONSOLE
        return lane.place is place and (place is not Place.SLACK or self.slack)
