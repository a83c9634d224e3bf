"""Figures to a Pushgateway, under a key of their own, so that no instance overwrites another."""

from collections.abc import Mapping
from datetime import timedelta
from http.client import HTTPException

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import delete_from_gateway, push_to_gateway

from receiver.agent.run import one_line
from receiver.agent.trouble import AgentError

LIMIT = timedelta(seconds=10)
"""Of one push."""


def push(gateway: str, job: str, key: Mapping[str, str], registry: CollectorRegistry) -> None:
    """Put figures in the place of those that were pushed under the same key.

    Raises:
        AgentError: The gateway does not take them.
    """
    try:
        push_to_gateway(gateway, job, registry, grouping_key=dict(key), timeout=LIMIT.total_seconds())
    except (OSError, HTTPException, ValueError) as error:
        raise _refused(gateway, job, error) from error


def withdraw(gateway: str, job: str, key: Mapping[str, str]) -> None:
    """Take figures back: a gateway keeps them for ever, and whoever has ended has none.

    Raises:
        AgentError: The gateway does not do it.
    """
    try:
        delete_from_gateway(gateway, job, grouping_key=dict(key), timeout=LIMIT.total_seconds())
    except (OSError, HTTPException, ValueError) as error:
        raise _refused(gateway, job, error) from error


def _refused(gateway: str, job: str, error: Exception) -> AgentError:
    reason = one_line(str(error) or type(error).__name__)
    return AgentError(f"the Pushgateway {gateway} did not take what {job} says: {reason}. Is --pushgateway right?")
