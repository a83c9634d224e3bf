from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from receiver.clients.pagerduty import PagerDutyClient
from receiver.clients.slack import SlackClient
from receiver.sandbox.pagerduty import EXAMPLE_KEY, PagerDutyStandIn
from receiver.sandbox.slack import SlackStandIn

PATIENCE = timedelta(seconds=20)


@pytest.fixture
async def pagerduty() -> AsyncIterator[PagerDutyStandIn]:
    async with PagerDutyStandIn() as stand_in:
        yield stand_in


@pytest.fixture
async def pagerduty_client(pagerduty: PagerDutyStandIn) -> AsyncIterator[PagerDutyClient]:
    async with PagerDutyClient(routing_key=EXAMPLE_KEY, events_url=pagerduty.url, timeout=PATIENCE) as client:
        yield client


@pytest.fixture
async def slack() -> AsyncIterator[SlackStandIn]:
    async with SlackStandIn() as stand_in:
        yield stand_in


@pytest.fixture
async def slack_client(slack: SlackStandIn) -> AsyncIterator[SlackClient]:
    async with SlackClient(token=slack.token, api_url=slack.url, timeout=PATIENCE) as client:
        yield client
