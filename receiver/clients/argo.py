"""Argo Server, for what only it can do: read offloaded steps, retry a workflow, resubmit one with memoized steps.

Its verbs are not idempotent and address a workflow by name alone, so each of ours looks first through the Kubernetes
API: at the uid, and for our mark. Argo lets a caller leave none but these:

- A retry keeps annotations, so the mark `receiver/retried-by` is written just before it. It proves that we asked; that
  the retry took effect is proven by the workflow itself, see `was_retried`. Parameters are never sent with a retry:
  since 4.1 they make Argo run groups of steps anew that had succeeded.
- A resubmitted run takes parameters, so the operation and the uid of the old run travel as two that no template uses;
  `Cluster.find_resubmitted` finds the run by them. Annotations would not do: Argo copies them, so that a run which a
  person resubmits later would carry them too.

An answer that was lost leaves open whether the request is still under way. Look for a while before repeating it.

Where a fact about Argo stands here it is of its releases 3.4 to 4.1 (`server/workflow`, `workflow/util`).
"""

import json
import re
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import aiohttp

from receiver.clients.connections import Connections
from receiver.clients.exchange import Answer, AnswerTooLong, exchange
from receiver.clients.kubernetes import Cluster, reading
from receiver.clients.kubernetes.marks import FROM_UID_PARAMETER, OPERATION_PARAMETER
from receiver.clients.kubernetes.names import check_name, check_namespace
from receiver.clients.outward import checked_url, quoted, retry_after
from receiver.model.errors import (
    ClusterBusy,
    ClusterError,
    ClusterUnreachable,
    Conflict,
    Forbidden,
    NotFound,
    PreconditionFailed,
    RequestRefused,
    SettingsError,
    Unauthorized,
)
from receiver.model.workflow import Phase, Workflow

MOST_BYTES: Final = 64 * 1024 * 1024
"""Of one answer: a workflow with all its steps."""

_UID: Final = re.compile(r"[0-9A-Za-z-]{1,63}")
_OK: Final = 200
_REDIRECTED: Final = 300
_REFUSED: Final = 400
_TOO_MANY_REQUESTS: Final = 429
_SERVER_FAILED: Final = 500
_REFUSALS: Final[Mapping[int, tuple[type[ClusterError], str]]] = {
    401: (Unauthorized, "Renew the token of argo.token_file"),
    403: (Forbidden, "Grant that right to the account of argo.token_file, or do without"),
    404: (NotFound, "It was deleted, or never was"),
    409: (Conflict, "Somebody else changed it at the same time: look again"),
}


def was_retried(before: Workflow, now: Workflow, *, operation: str) -> bool:
    """Say whether a workflow has been retried since it was read as *before*, and we asked for that.

    A retry sets the start of a workflow anew; until Argo's controller looks, its phase may be empty.
    """
    begun_anew = now.started_at != before.started_at or (before.finished and not now.finished)
    return now.uid == before.uid and now.retried_by == operation and begun_anew


class ArgoServer(Connections):
    """One Argo Server, as one account.

    Args:
        url: Where it answers, with its base path where it has one: `https://argo-server.argo:2746`.
        token: Gives the bearer token, each time anew: a mounted one changes every hour.
        cluster: The same cluster through the Kubernetes API, for looking before and after.
        timeout: Of one question.
        ca_file: Certificates by which Argo Server is known; null means those of the system. Its own are self-signed.

    Raises:
        SettingsError: The URL or the certificates cannot be used.
    """

    def __init__(
        self,
        url: str,
        token: Callable[[], str],
        *,
        cluster: Cluster,
        timeout: timedelta = timedelta(seconds=30),
        ca_file: str | None = None,
    ) -> None:
        checked_url(url, setting="argo.server_url")
        self.url: Final = url.rstrip("/")
        self._token = token
        self._cluster = cluster
        try:
            self._certificates = ssl.create_default_context(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(f"argo.ca_file: {ca_file} cannot be used: {error}") from error
        super().__init__(timeout=timeout)

    async def version(self) -> str:
        """Return what Argo Server calls its version, such as `v3.7.1`. It answers whoever may come in at all.

        Raises:
            ClusterError: It does not answer, or does not accept the token.
        """
        answer = await self._ask("read the version of Argo Server", "GET", "version", part="version")
        return str(answer["version"])

    async def get_workflow(self, namespace: str, name: str) -> Workflow:
        """Read a workflow with all its steps; where the cluster has none of that name, the archived one.

        Raises:
            NotFound: There is none of that name.
            ClusterError: It could not be read.
        """
        return reading.workflow(await self.raw_workflow(namespace, name))

    async def raw_workflow(self, namespace: str, name: str) -> dict[str, Any]:
        """Read a workflow as Argo Server returns it, with all its steps, to be kept whole.

        Raises:
            NotFound: There is none of that name.
            ClusterError: It could not be read.
        """
        check_namespace(namespace)
        check_name("workflow", name)
        action = f"read workflow {namespace}/{name} with its steps"
        return await self._ask(action, "GET", f"workflows/{namespace}/{name}")

    async def holds(self, workflow: Workflow) -> str:
        """Read the copy of exactly this run in Argo's archive, and compare it with the run as it is.

        Returns:
            Where the copy is; empty where there is none, where it is of another state, such as before a retry, or
            where the run has changed since it was read.

        Raises:
            ClusterError: One of them could not be read.
        """
        if not _UID.fullmatch(workflow.uid):
            raise RequestRefused(f"{workflow.uid[:80]!r} cannot be a uid: nothing was asked.")
        path = f"archived-workflows/{workflow.uid}"
        action = f"read workflow {workflow.namespace}/{workflow.name} from Argo's archive"
        try:
            kept = await self._ask(action, "GET", path)
        except NotFound:
            return ""
        present = await self.raw_workflow(workflow.namespace, workflow.name)
        whole = reading.workflow(present)
        same = (
            whole.finished
            and whole.resource_version == workflow.resource_version
            and kept.get("spec") == present.get("spec")
            and _as_it_ended(reading.workflow(kept)) == _as_it_ended(whole)
        )
        return f"{self.url}/api/v1/{path}" if same else ""

    async def hydrated(self, workflow: Workflow) -> Workflow:
        """Return a workflow with its steps: itself where they are known, else as Argo Server knows it.

        Raises:
            PreconditionFailed: The name belongs to another run now.
            ClusterError: It could not be read.
        """
        if workflow.nodes is not None:
            return workflow
        return await self._meant(f"read the steps of workflow {workflow.namespace}/{workflow.name}", workflow)

    async def retry(
        self, workflow: Workflow, *, operation: str, restart_successful: bool = False, nodes: str = ""
    ) -> Workflow:
        """Let a workflow that failed go on from its failed steps, under its name and uid; their pods are deleted.

        Logs of the failed steps are gone afterwards. Where the mark says that *operation* has asked before, and the
        workflow has begun anew since, nothing is asked.

        Args:
            workflow: Which run, as it was when it was read.
            operation: Who asks.
            restart_successful: Whether steps that succeeded and match *nodes* run anew too.
            nodes: Field selector of such steps, such as `templateName=train`.

        Raises:
            PreconditionFailed: The name belongs to another run now.
            Conflict: It has changed since it was read, or changed meanwhile.
            RequestRefused: It cannot be retried in its phase.
            ClusterError: It could not be asked; after `ClusterUnreachable` or `ClusterBusy` it may have been retried.
        """
        marked = await self._cluster.mark_retry(workflow, operation=operation)
        if was_retried(workflow, marked, operation=operation):
            return marked
        body = {"restartSuccessful": restart_successful, "nodeFieldSelector": nodes}
        action = f"retry workflow {workflow.namespace}/{workflow.name}"
        return await self._tell(action, workflow, "retry", body)

    async def resubmit(self, workflow: Workflow, *, operation: str, memoized: bool) -> Workflow:
        """Create a new run like *workflow*; with *memoized*, steps that succeeded in it do not run again.

        Where the run that *operation* has made is there already, that one is returned and nothing is asked.

        Args:
            workflow: Which run is repeated; it is left as it is.
            operation: Who asks.
            memoized: Whether what succeeded is kept; *workflow* must have failed then.

        Raises:
            PreconditionFailed: The name belongs to another run now.
            RequestRefused: It cannot be resubmitted so.
            ClusterError: It could not be asked; after `ClusterUnreachable` or `ClusterBusy` there may be a new run.
        """
        action = f"resubmit workflow {workflow.namespace}/{workflow.name}"
        made = await self._cluster.find_resubmitted(workflow, operation=operation)
        if made is not None:
            return made
        current = await self._meant(action, workflow)
        if memoized and current.phase not in {Phase.FAILED, Phase.ERROR}:
            said = current.phase.value or "no phase yet"
            raise RequestRefused(f"Could not {action}: only a failed one keeps its steps, and it is {said}.")
        marks = [f"{OPERATION_PARAMETER}={operation}", f"{FROM_UID_PARAMETER}={workflow.uid}"]
        body = {"memoized": memoized, "parameters": marks}
        return await self._tell(action, workflow, "resubmit", body)

    async def resume(self, workflow: Workflow) -> Workflow:
        """Let a workflow go on: as a whole, and past the suspend steps at which it waits. Repeating it is safe.

        Raises:
            PreconditionFailed: The name belongs to another run now.
            ClusterError: It could not be asked; after `ClusterUnreachable` the request may have arrived.
        """
        action = f"resume workflow {workflow.namespace}/{workflow.name}"
        await self._meant(action, workflow)
        return await self._tell(action, workflow, "resume", {"nodeFieldSelector": ""})

    async def _meant(self, action: str, workflow: Workflow) -> Workflow:
        current = await self.get_workflow(workflow.namespace, workflow.name)
        if current.uid != workflow.uid:
            raise PreconditionFailed(f"Could not {action}: another run has that name now. Nothing was changed.")
        return current

    async def _tell(self, action: str, workflow: Workflow, verb: str, body: Mapping[str, Any]) -> Workflow:
        names = {"namespace": workflow.namespace, "name": workflow.name}
        path = f"workflows/{workflow.namespace}/{workflow.name}/{verb}"
        return reading.workflow(await self._ask(action, "PUT", path, json=names | dict(body)))

    async def _ask(
        self, action: str, method: str, path: str, *, part: str = "metadata", **options: Any
    ) -> dict[str, Any]:
        """Ask once; an answer without *part* is not Argo Server's."""
        token = self._credentials(action)
        options |= {"headers": {"Authorization": f"Bearer {token}"}, "ssl": self._certificates}
        url = f"{self.url}/api/v1/{path}"
        try:
            answer = await exchange(self._opened(), method, url, most_bytes=MOST_BYTES, **options)
        except (aiohttp.ClientError, OSError) as lost:
            said = quoted(str(lost) or type(lost).__name__, without=token)
            unknown = isinstance(lost, aiohttp.ClientSSLError)
            advice = "Name its certificates in argo.ca_file" if unknown else "Check that it can be reached from here"
            raise ClusterUnreachable(
                f"Could not {action}: Argo Server at {self.url} gave no answer ({said}). {advice}."
            ) from lost
        except AnswerTooLong as long:
            raise RequestRefused(f"Could not {action}: Argo Server answers more than {MOST_BYTES} bytes.") from long
        return _accepted(action, answer, part, without=token)

    def _credentials(self, action: str) -> str:
        try:
            return self._token()
        except SettingsError as unreadable:
            raise Unauthorized(f"Could not {action}: {unreadable}.") from unreadable


def _as_it_ended(workflow: Workflow) -> tuple[object, ...]:
    """Return what an archived copy must have in common with the run: all that is known of how it went."""
    nodes = None if workflow.nodes is None else frozenset(workflow.nodes)
    return workflow.uid, workflow.phase, workflow.message, workflow.started_at, workflow.finished_at, nodes


def _accepted(action: str, answer: Answer, part: str, *, without: str) -> dict[str, Any]:
    if answer.status != _OK:
        raise _refusal(action, answer, without=without)
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not found.get(part):
        raise ClusterUnreachable(
            f"Could not {action}: what answered is not Argo Server. Check argo.server_url and any proxy before it."
        )
    return found


def _refusal(action: str, answer: Answer, *, without: str) -> ClusterError:
    said = quoted(_message(answer.body), without=without)
    if answer.status >= _SERVER_FAILED or answer.status == _TOO_MANY_REQUESTS:
        return ClusterBusy(
            f"Could not {action}: Argo Server failed ({answer.status}: {said}). Look whether it was done all the same.",
            retry_after=retry_after(answer.headers, now=datetime.now(UTC)),
        )
    if _REDIRECTED <= answer.status < _REFUSED:
        return RequestRefused(f"Could not {action}: argo.server_url leads elsewhere. Set it to where Argo Server is.")
    kind, advice = _REFUSALS.get(answer.status, (RequestRefused, "Repeating it will not help"))
    return kind(f"Could not {action}: {said}. {advice}.")


def _message(body: bytes) -> str:
    """Return the words of a refusal, which the gateway before Argo Server writes as `{"code", "message"}`."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return body[:1000].decode(errors="replace") or "no reason given"
    return reading.text(said, "message") if isinstance(said, dict) else "no reason given"
