"""Make the case of a playbook: with the workflow that was found, or with the Deployment that it acts on instead."""

from dataclasses import replace

from receiver.clients.kubernetes import Cluster
from receiver.model.errors import ClusterError, NotFound
from receiver.model.workload import Deployment
from receiver.pipeline.guarding import Case
from receiver.pipeline.rooms import Rooms
from receiver.remediate.aim import name_of


async def aimed(rooms: Rooms, case: Case) -> Case:
    """Give the case as it is where the playbook acts on a workflow, else with its Deployment in the workflow's place.

    Its lineage is its own uid. Where none is found the case has no target, and guards refuse.
    """
    playbook, alert = case.pair.playbook, case.pair.alert
    if playbook.target is None:
        return case
    bare = replace(case, survey=replace(case.survey, workflow=None, pods=()), lineage=None, workflows=None)
    name, namespace = name_of(playbook.target, alert), alert.subject.namespace
    if rooms.cluster is None or not name or not namespace:
        return bare
    found = await _read(rooms.cluster, namespace, name)
    if isinstance(found, str):
        return replace(bare, unread=found)
    return replace(bare, deployment=found, lineage=found.uid) if found is not None else bare


async def _read(cluster: Cluster, namespace: str, name: str) -> Deployment | str | None:
    """Read a Deployment; None where there is none, or in words why it could not be read."""
    try:
        return await cluster.get_deployment(namespace, name)
    except NotFound:
        return None
    except ClusterError as error:
        return str(error)
