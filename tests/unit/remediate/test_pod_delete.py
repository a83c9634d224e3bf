from dataclasses import replace

import pytest

from receiver.model.workflow import Container, Pod
from receiver.remediate.actions.pod_delete import DeletePod, PodDelete
from tests.unit.remediate.scenes import facts, run, turn

RUNNING = Pod(namespace="argo", name="etl-work-1", uid="u1", phase="Running", containers=(Container(name="main"),))
PULLING = replace(RUNNING, containers=(Container(name="main", waiting="ImagePullBackOff"),))
PENDING = replace(RUNNING, phase="Pending", containers=())


@pytest.mark.parametrize(("pod", "left_alone"), [(RUNNING, True), (PULLING, False), (PENDING, False)])
def test_a_pod_that_has_begun_meanwhile_is_left_alone_where_only_a_waiting_one_is_meant(
    pod: Pod, *, left_alone: bool
) -> None:
    asked = replace(turn(run(), facts(pods=(pod,))), params=DeletePod(only_waiting=True))

    refusal = PodDelete().refusal(asked)

    assert (refusal == "pod etl-work-1 waits for nothing any more") is left_alone
