"""The peers of the contract suite: the stand-in, and the real API server that RECEIVER_TEST_KUBECONFIG may name."""

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from kubernetes import client

from receiver.clients.kubernetes import Cluster
from receiver.sandbox.kubernetes import ADMIN, ApiServer, holder
from receiver.sandbox.workloads import WorkloadController
from tests.contract.peer import ROLES, TIMEOUT, Peer, at, raw, role
from tests.contract.real import KUBECONFIG, RealServer, opened


@asynccontextmanager
async def stand_in() -> AsyncIterator[Peer]:
    namespace = f"contract-{secrets.token_hex(4)}"
    people = {
        "token-of-the-admin": ADMIN,
    } | {
        f"token-of-the-{name}": holder(f"system:serviceaccount:{namespace}:{name}", role(namespace, name))
        for name in ROLES
    }
    async with ApiServer(identities=people) as server:
        api = at(server.url, server.token)
        await raw(client.CoreV1Api(api).create_namespace, {"metadata": {"name": namespace}})
        clusters = [Cluster.at(server.url, token, timeout=TIMEOUT) for token in people]
        yield Peer(
            name="stand-in",
            namespace=namespace,
            api=api,
            admin=clusters[0],
            operator=clusters[1],
            reader=clusters[2],
            forget=server.storage.compact,
            controllers=False,
            move=WorkloadController(server).advance,
        )
        for cluster in clusters:
            await cluster.close()
        api.close()  # type: ignore[no-untyped-call]  # the library's


@pytest.fixture(scope="session")
def real_server() -> Iterator[RealServer]:
    """The real API server, for the session."""
    with opened() as server:
        yield server


@pytest.fixture(params=["stand-in", *(["real"] if KUBECONFIG else [])])
async def peer(request: pytest.FixtureRequest) -> AsyncIterator[Peer]:
    async with stand_in() if request.param == "stand-in" else request.getfixturevalue("real_server").peer() as met:
        yield met
