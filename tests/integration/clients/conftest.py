from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from receiver.clients.pagerduty import PagerDutyClient
from receiver.sandbox.pagerduty import EXAMPLE_KEY, PagerDutyStandIn

PATIENCE = timedelta(seconds=20)


@pytest.fixture
async def pagerduty() -> AsyncIterator[PagerDutyStandIn]:
    async with PagerDutyStandIn() as stand_in:
        yield stand_in


@pytest.fixture
async def pagerduty_client(pagerduty: PagerDutyStandIn) -> AsyncIterator[PagerDutyClient]:
    async with PagerDutyClient(routing_key=EXAMPLE_KEY, events_url=pagerduty.url, timeout=PATIENCE) as client:
        yield client
