"""What an Alertmanager that is asked is to us, and what it last showed of an occurrence."""

from dataclasses import dataclass
from datetime import datetime

from receiver.model.alert import Fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One Alertmanager that is asked.

    Attributes:
        url: Where it answers.
        version: Its release; empty until it answered once.
        started_at: When it started, by its own clock; tells only whether it was restarted.
        noticed_at: When we first heard of that start, by our clock; never before the start itself.
        asked_at: When it was last asked.
        answers: How often it answered in a row since that start, without a failure in between.
        error: Why it did not answer; empty when it did.
    """

    url: str
    version: str
    started_at: datetime | None
    noticed_at: datetime | None
    asked_at: datetime
    answers: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A firing occurrence that came from an Alertmanager, so that its absence there would mean something.

    Attributes:
        id: Public id.
        last_seen_at: Receipt of the newest telling.
        firings: How often it began to fire.
        lineage: Which workflow its incident is about, by its root uid; empty where none was bound.
    """

    id: str
    number: int
    fingerprint: Fingerprint
    starts_at: datetime
    alertname: str
    labels: dict[str, str]
    namespace: str
    workflow: str
    last_seen_at: datetime
    firings: int
    incident_id: int | None
    lineage: str = ""

    @property
    def key(self) -> tuple[str, datetime]:
        """The occurrence: fingerprint and start."""
        return self.fingerprint, self.starts_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What is remarkable about a firing occurrence, as all peers together see it.

    Attributes:
        missed: In how many rounds in a row no peer had it.
        missing_since: When the first of them was; None while it is there.
        suppressed_by: Silences and inhibiting alerts that keep it from being told; empty while it is told.
    """

    missed: int = 0
    missing_since: datetime | None = None
    suppressed_by: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing to remember."""
        return not self.missed and not self.suppressed_by
