"""What is told of many incidents at once: the digest of a channel."""

from dataclasses import dataclass

from receiver.model.incident import Incident


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One incident of a digest, as it stands when the digest is written.

    Attributes:
        firing: How many of its alerts fire.
        healed_by: Playbook of the newest live run on it that succeeded; empty where none did.
    """

    incident: Incident
    firing: int
    healed_by: str = ""
