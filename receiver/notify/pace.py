"""How fast each place may be told, and how long it is left alone when it does not answer: pure."""

import random
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from receiver.model.errors import PagerDutyError, SlackError
from receiver.model.message import Place

PACES: Final[Mapping[Place, timedelta]] = {
    Place.SLACK: timedelta(seconds=1),
    Place.PAGERDUTY: timedelta(milliseconds=500),
    Place.CHANGES: timedelta(seconds=5),
}
"""The least time between two messages to one address. Slack takes one a second for each channel
(https://docs.slack.dev/apis/web-api/rate-limits/), PagerDuty 120 a minute for each key
(https://developer.pagerduty.com/docs/events-api-v2-overview), of which change events take hardly any."""

FIRST_HOLD: Final = timedelta(seconds=2)
LONGEST_HOLD: Final = timedelta(minutes=1)
"""While a place is down one message a minute asks whether it is back; all the others wait for that answer."""


def hold_of(
    error: SlackError | PagerDutyError, failures: int, *, outage: int, jitter: float | None = None
) -> timedelta | None:
    """Say how long nothing goes to an address after it failed; None where only the one message is concerned.

    Args:
        error: Why the last message did not arrive.
        failures: How often in a row the address failed, this time included.
        outage: From how many failures on the place is taken for down.
        jitter: From 0 to 1, so that replicas do not ask at once; drawn at random where it is not given.
    """
    part = random.random() if jitter is None else jitter  # noqa: S311 - it spreads load and keeps no secret
    if error.retry_after is not None:
        return error.retry_after + FIRST_HOLD * part / 2
    if not error.retryable or failures < outage:
        return None
    doublings = min(failures - outage, 16)
    return min(FIRST_HOLD * (1 << doublings), LONGEST_HOLD) * (0.5 + part / 2)
