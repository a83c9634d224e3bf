"""The actions of the playbook language, one module each: what they take, what they need, how they are done.

An action never decides whether it is its turn, keeps no record and does not try again: `progress` decides, the
pipeline keeps the record, and an effect is taken only for a step that was written down. Those that change nothing
(`wait`, `verify`, `approve`) say here what they take; they are decided where the run is.

`action` is the contract, also for other packages; `means` is what an action may work with; `registry` knows them all.
"""

from receiver.remediate.actions.action import (
    Action,
    Complaint,
    Effect,
    Failed,
    Grant,
    Params,
    Performed,
    Turn,
)
from receiver.remediate.actions.means import Means, Need
from receiver.remediate.actions.registry import effect, known

__all__ = [
    "Action",
    "Complaint",
    "Effect",
    "Failed",
    "Grant",
    "Means",
    "Need",
    "Params",
    "Performed",
    "Turn",
    "effect",
    "known",
]
