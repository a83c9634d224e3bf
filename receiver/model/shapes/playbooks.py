"""Playbooks as the service loaded them."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from receiver.model.remediation import Mode
from receiver.model.shapes.breakers import StandingShape


class PlaybookShape(Struct, frozen=True, kw_only=True):
    """A playbook as it is loaded."""

    name: str
    version: Annotated[str, Meta(description="Changes whenever the text does.")]
    mode: Annotated[Mode, Meta(description="How far it may go.")]
    summary: str
    disabled: Annotated[str, Meta(description="Why it cannot work here; empty when it can.")]
    loaded_at: datetime
    standing: Annotated[StandingShape, Meta(description="What its own results have made of it.")]


class PlaybookTextShape(PlaybookShape, frozen=True, kw_only=True):
    """A playbook with its document."""

    text: Annotated[str, Meta(description="The YAML document.")]


class PlaybookList(Struct, frozen=True, kw_only=True):
    """All playbooks, by name."""

    items: list[PlaybookShape]
