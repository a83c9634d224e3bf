"""The settings of what is asked of Alertmanager, and of what always fires."""

from receiver.model.duration import Duration
from receiver.model.matcher import Matcher, Operator
from receiver.settings.part import Hidden, Part, Secret


class Alertmanager(Part, frozen=True):
    """Who is asked what still fires, what a truncated message left out, and whether a late firing is true."""

    url: str | tuple[str, ...] | None = None
    """Where it answers, such as `http://alertmanager:9093`; a list names each peer of a pair. Name every Alertmanager
    that posts here: what none of them has is taken for over. Null means that nobody is asked."""
    token: Hidden | None = None
    """A bearer token, where a proxy before it asks for one; then the address must be https."""
    token_file: str | None = None
    timeout: Duration = Duration(seconds=10)
    """Of one question."""
    interval: Duration = Duration(minutes=1)
    """Between two rounds of asking for everything."""
    group_interval: Duration = Duration(minutes=5)
    """The longest `group_interval` of the routes that lead here: so long the resolve itself may take to come, so that
    nothing is concluded before. The default is Alertmanager's own."""
    matchers: tuple[Matcher, ...] = ()
    """Which alerts come from the peers that are named, where others post here too; none means all."""

    @property
    def urls(self) -> tuple[str, ...]:
        """All peers."""
        if self.url is None:
            return ()
        return (self.url,) if isinstance(self.url, str) else self.url

    @property
    def secret(self) -> Secret:
        """The bearer token."""
        return Secret(self.token, self.token_file, name="alertmanager.token")


class Watchdog(Part, frozen=True):
    """The alert that always fires: it is never told itself, and where this is configured, its silence is."""

    matchers: tuple[Matcher, ...] = (Matcher.parse('alertname="Watchdog"'),)
    """What it looks like. One of them must ask for a label's very value, so that it can be found among all others."""
    interval: Duration = Duration(minutes=5)
    """How long it may be silent. Its route in Alertmanager must repeat it more often, and that is not the default."""

    def __post_init__(self) -> None:
        """Refuse what could not be found, or would never be silent."""
        if not any(one.operator is Operator.EQUAL and one.value for one in self.matchers):
            raise ValueError('watchdog.matchers needs one such as alertname="Watchdog"')
        if not self.interval:
            raise ValueError("watchdog.interval must be longer than nothing")
