"""Every action that a playbook may use: those that come with Receiver, and those of other packages.

Another package adds an action by an entry point of the group `receiver.actions` that names an object, or a class
without arguments, of the kind `Effect`. It is read once, when the first playbook is; what is wrong with it is said
with the name of its distribution, and no playbook is loaded.
"""

import inspect
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any, Final

import msgspec

from receiver.model.errors import PlaybookError
from receiver.remediate.actions.action import Action, Effect, Params
from receiver.remediate.actions.alertmanager_silence import AlertmanagerSilence
from receiver.remediate.actions.approve import AskApproval
from receiver.remediate.actions.deployment_restart import DeploymentRestart
from receiver.remediate.actions.http_request import HttpRequest
from receiver.remediate.actions.job_run import JobRun
from receiver.remediate.actions.notify import Notify
from receiver.remediate.actions.pod_delete import PodDelete
from receiver.remediate.actions.verify import CheckHelped
from receiver.remediate.actions.wait import AwaitCondition
from receiver.remediate.actions.workflow_archive import WorkflowArchive
from receiver.remediate.actions.workflow_delete import WorkflowDelete
from receiver.remediate.actions.workflow_restart import WorkflowRestart
from receiver.remediate.actions.workflow_resubmit import WorkflowResubmit
from receiver.remediate.actions.workflow_resubmit_memoized import WorkflowResubmitMemoized
from receiver.remediate.actions.workflow_resume import WorkflowResume
from receiver.remediate.actions.workflow_retry import WorkflowRetry
from receiver.remediate.actions.workflow_run import WorkflowRun
from receiver.remediate.actions.workflow_stop import WorkflowStop
from receiver.remediate.actions.workflow_suspend import WorkflowSuspend
from receiver.remediate.actions.workflow_terminate import WorkflowTerminate

GROUP: Final = "receiver.actions"
"""Group of entry points."""

SHIPPED: Final[tuple[Action[Any], ...]] = (
    WorkflowRestart(),
    WorkflowTerminate(),
    WorkflowStop(),
    WorkflowSuspend(),
    WorkflowResume(),
    WorkflowResubmit(),
    WorkflowResubmitMemoized(),
    WorkflowRetry(),
    WorkflowArchive(),
    WorkflowDelete(),
    WorkflowRun(),
    PodDelete(),
    DeploymentRestart(),
    JobRun(),
    AlertmanagerSilence(),
    HttpRequest(),
    Notify(),
    AwaitCondition(),
    CheckHelped(),
    AskApproval(),
)
"""The actions that come with Receiver, in the order in which the documentation has them."""

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(\.[a-z][a-z0-9_]*)?")


@cache
def known() -> Mapping[str, Action[Any]]:
    """Give every action by its name.

    Raises:
        PlaybookError: What another package adds cannot be used; it says which package, and why.
    """
    found = {action.name: action for action in SHIPPED}
    for point in sorted(entry_points(group=GROUP), key=lambda one: (_from(one), one.name)):
        action = _loaded(point)
        if action.name in found:
            raise PlaybookError(
                f"the action {action.name!r} of distribution {_from(point)} is known already; "
                "rename it, or remove the distribution"
            )
        found[action.name] = action
    return MappingProxyType(found)


def effect(name: str) -> Effect[Any] | None:
    """Give an action with an effect by its name; None where it has none, or is not known."""
    action = known().get(name)
    return action if isinstance(action, Effect) else None


def _loaded(point: EntryPoint) -> Effect[Any]:
    origin = f"entry point {point.name!r} of distribution {_from(point)}"
    try:
        found: object = point.load()
        action = found() if inspect.isclass(found) else found
    except (ImportError, AttributeError, NameError, SyntaxError, TypeError) as error:
        raise PlaybookError(f"{origin} cannot be loaded: {error}; repair or remove the distribution") from error
    if not isinstance(action, Effect):
        raise PlaybookError(f"{origin} gives a {type(action).__name__}, which is no receiver.remediate.actions.Effect")
    for fault in _faults(action):
        raise PlaybookError(f"{origin} is no action that can be used: {fault}")
    return action


def _faults(action: Effect[Any]) -> Iterator[str]:
    """Say what is wrong with an action that another package adds."""
    name, params = getattr(action, "name", None), getattr(action, "params", None)
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        yield f"its name is {name!r}; write one such as queue.drain"
    if not (inspect.isclass(params) and issubclass(params, Params)):
        yield "its params is no receiver.remediate.actions.Params"
        return
    if not (params.__doc__ or "").strip():
        yield f"{params.__name__} has no docstring, which the documentation shows"
    if not params.__struct_config__.forbid_unknown_fields:
        yield f"{params.__name__} takes unknown keys, so a mistyped one would go unseen"
    try:
        msgspec.inspect.type_info(params)
    except (TypeError, NameError) as error:
        yield f"the fields of {params.__name__} cannot be read from a document: {error}"
    if not isinstance(getattr(action, "needs", None), frozenset):
        yield "it does not say what it needs"


def _from(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "(unknown)"
