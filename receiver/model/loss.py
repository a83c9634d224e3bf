"""What acting on a workflow would destroy: work that is done and would have to be done again."""

from dataclasses import dataclass
from datetime import timedelta

from receiver.model.duration import format_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What is lost if an action is taken; None is not known, which is never the same as nothing.

    Attributes:
        finished_nodes: Steps that ended well and would run again.
        pod_time: Time that pods have spent on those, and on the steps that still run, summed over all pods.
        idle: Age of the last sign of progress; nothing is lost by it, but it tells whether the work still went on.
    """

    finished_nodes: int | None
    pod_time: timedelta | None
    idle: timedelta | None

    @property
    def shown(self) -> str:
        """The loss in words, such as `12 finished steps and 3h20m of pod time; last progress 45m ago`."""
        if self.finished_nodes is None or self.pod_time is None:
            lost = "not known, since the steps of the workflow could not be read"
        else:
            steps = "1 finished step" if self.finished_nodes == 1 else f"{self.finished_nodes} finished steps"
            lost = f"{steps} and {format_duration(self.pod_time)} of pod time"
        return lost if self.idle is None else f"{lost}; last progress {format_duration(self.idle)} ago"
