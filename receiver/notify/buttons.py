"""The buttons beneath an incident's card. Each says what it is about: the incident, and the run and its step.

They are read by `receiver.web.pressing`; what was drawn long ago is still pressed, and then told to be stale.
"""

from typing import Final

from slack_sdk.models.blocks import (
    ActionsBlock,
    ButtonElement,
    InteractiveElement,
    Option,
    PlainTextObject,
    StaticSelectElement,
)

from receiver.notify.situation import Situation

LENGTHS: Final = ("1h", "4h", "1d")
"""For how long an incident can be silenced by a button."""


def buttons(situation: Situation) -> ActionsBlock | None:
    """Make the row of buttons; None once nothing can be done about the incident any more."""
    if situation.closed:
        return None
    incident = situation.story.incident
    elements: list[InteractiveElement] = []
    for run in situation.asking[:1]:
        value = f"{incident.id}:{run.id}:{run.cursor}"
        elements += [
            ButtonElement(text=f"Approve run {run.id}", action_id="approve", value=value, style="primary"),
            ButtonElement(text=f"Reject run {run.id}", action_id="reject", value=value, style="danger"),
        ]
    taking = "Take it over" if incident.acknowledged_by else "Take it on"
    elements.append(ButtonElement(text=taking, action_id="acknowledge", value=str(incident.id)))
    if situation.fires:
        options = [Option(value=f"{incident.id}:{length}", label=f"for {length}") for length in LENGTHS]
        elements.append(
            StaticSelectElement(placeholder=PlainTextObject(text="Silence"), action_id="silence", options=options)
        )
    elements.append(ButtonElement(text="Why?", action_id="why", value=str(incident.id)))
    return ActionsBlock(elements=elements)
