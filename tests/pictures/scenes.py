"""What the pictures show: invented incidents, told by the code that tells real ones."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from receiver.model.bulletin import Day, Item, Noise
from receiver.model.incident import IncidentState
from receiver.model.message import Act
from receiver.notify import daily, digest
from tests.unit.notify.stories import FINDINGS, HEALED, NOW, USELESS, ago, alert, ask, asking, story

URL = "https://receiver.example.org"
Told = list[tuple[Mapping[str, Any], bool]]


def scenes() -> dict[str, Told]:
    """Give what each picture shows, by its name: messages, each with whether it stands in the thread."""
    return {"incident": _incident(), "approval": _approval(), "quiet": _quiet()}


def _incident() -> Told:
    """A restart that did not help: the card, and its thread."""
    said = ask(story(runs=[USELESS])).drafts
    cards = [(draft.payload, False) for draft in said if draft.act is Act.POST]
    return cards + [(draft.payload, True) for draft in said if draft.act is Act.REPLY]


def _approval() -> Told:
    at_stake = replace(asking(), vars={"loss": "12 finished steps and 3h20m of pod time; last progress 45m ago"})
    told = story(runs=[at_stake], alerts=[alert(severity="warning")], findings=FINDINGS)
    return [(draft.payload, False) for draft in ask(told).drafts if draft.act is Act.POST]


def _quiet() -> Told:
    """What needs nobody: the line about what was healed, the digest of an hour, the summary of a day."""
    healed = [(draft.payload, False) for draft in ask(story(runs=[HEALED])).drafts if draft.act is Act.POST]
    gathered = digest.render(_items(), since=ago(hours=1), now=NOW, public_url=URL)
    return [*healed, (gathered, False), (daily.render(date(2026, 11, 24), _day(), public_url=URL), False)]


def _items() -> list[Item]:
    info = [alert(severity="info")]
    named = [
        ("WorkflowSuspendedTooLong: argo/review-gate", 1, 0),
        ("PVCNearlyFull: claim data-7 is 82% full", 0, 6),
        ("WorkflowFinishedNotArchived: argo/etl-0410", 0, 0),
        ("WorkflowFinishedNotArchived: argo/etl-0411", 0, 0),
    ]
    items = []
    for number, (title, firing, flaps) in enumerate(named, start=41):
        incident = replace(story(alerts=info, title=title, flaps=flaps).incident, id=number, opened_at=ago(minutes=50))
        over = replace(incident, state=IncidentState.CLOSED, quiet_since=ago(minutes=12), closed_at=ago(minutes=7))
        items.append(Item(incident=incident if firing else over, firing=firing))
    return items


def _day() -> Day:
    return Day(
        since=NOW - timedelta(days=1),
        until=NOW,
        opened={"warning": 9, "critical": 4, "info": 3},
        open_still=1,
        closed=15,
        healed=11,
        paged=1,
        cures={"restart-stuck-workflow": 8, "delete-stuck-pod": 3},
        alerts=[
            Noise(alertname="WorkflowStuckDetection", fired=14, incidents=8, acted_on=True),
            Noise(alertname="PVCNearlyFull", fired=7, incidents=1, acted_on=False),
            Noise(alertname="AgentQueueLong", fired=2, incidents=2, acted_on=False),
        ],
    )
