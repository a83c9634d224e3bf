"""The ground of random histories is no kinder than the world that it stands for."""

from contextlib import AsyncExitStack
from datetime import timedelta

from receiver.clients.kubernetes import Cluster
from receiver.model.errors import ClusterError
from receiver.sandbox.kubernetes import ApiServer

from .conftest import NAMESPACE, WORKFLOW, Clock
from .ground import HangingCluster
from .witness import Witness


async def test_a_hang_that_takes_no_time_is_told_by_our_client_as_one_that_takes_all_of_it() -> None:
    hasty, patient = ApiServer(), ApiServer()
    hasty.faults = Witness(hasty.storage, Clock())
    async with AsyncExitStack() as stack:
        told = []
        for api in (hasty, patient):
            await stack.enter_async_context(api)
            api.faults.hang_after_effect(method="GET")
            tiny = Cluster.at(api.url, api.token, timeout=timedelta(seconds=0.05))
            client = HangingCluster(api.url, api.token) if api is hasty else tiny
            stack.push_async_callback(client.close)
            try:
                await client.get_workflow(NAMESPACE, WORKFLOW)
            except ClusterError as error:
                told.append((type(error), str(error).replace(api.url, "")))

    assert len(told) == 2
    assert told[0] == told[1]
