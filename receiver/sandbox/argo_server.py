"""Argo Server of our own, before the stand-in of the API server: as strict as the real one, with faults on order.

It holds no rights itself: the bearer token of whoever asks is taken to the API server's rules, as in the real one's
mode `client`, its default. Nothing it does is idempotent, and it knows no uid, as the real one.
"""

import base64
import gzip
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from aiohttp import web

from receiver.sandbox import argo_objects as argo, argo_verbs
from receiver.sandbox.kubernetes import POD, WORKFLOW, ApiServer, Identity, Json, Refusal
from receiver.sandbox.kubernetes.access import demand
from receiver.sandbox.loopback import LoopbackServer

_GRPC = {400: 3, 401: 16, 403: 7, 404: 5, 409: 6, 500: 13}
"""Codes that the gateway writes for HTTP's."""
_NODE_ID = "workflows.argoproj.io/node-id"
_KNOWN = {
    "retry": {"name", "namespace", "restartSuccessful", "nodeFieldSelector", "parameters"},
    "resubmit": {"name", "namespace", "memoized", "parameters"},
    "resume": {"name", "namespace", "nodeFieldSelector"},
}
"""What a body may hold; the gateway refuses every other field."""


class ArgoServer(LoopbackServer):
    """Retries, resubmits, resumes and reads the workflows of a stand-in.

    Args:
        api: Whose workflows, and whose tokens.
        release: Argo's; before 4.0 a retried workflow is `Running` at once.
    """

    def __init__(self, api: ApiServer, *, release: tuple[int, int] = (4, 1)) -> None:
        super().__init__(
            [
                web.get("/api/v1/version", self._get_version),
                web.get("/api/v1/workflows/{namespace}/{name}", self._get),
                web.put("/api/v1/workflows/{namespace}/{name}/{verb}", self._put),
                web.get("/api/v1/archived-workflows/{uid}", self._get_archived),
            ]
        )
        self.archive: dict[str, Json] = {}
        """What was archived, by uid."""
        self._api = api
        self._release = release
        self._offloaded: dict[str, Json] = {}

    def offload(self, namespace: str, name: str) -> Json:
        """Move the steps of a workflow to the database, as the controller does when they are many."""
        found = self._api.registry.read(WORKFLOW, namespace, name)
        return self._api.registry.replace(WORKFLOW, namespace, name, self._put_away(found))

    def keep(self, namespace: str, name: str) -> None:
        """Archive a workflow, as the controller does when one has ended."""
        found = self._hydrated(self._api.registry.read(WORKFLOW, namespace, name))
        labels = found["metadata"].get("labels", {}) | {"workflows.argoproj.io/workflow-archiving-status": "Persisted"}
        self.archive[found["metadata"]["uid"]] = found | {"metadata": found["metadata"] | {"labels": labels}}

    async def _get(self, request: web.Request) -> web.Response:
        return self._answered(request, lambda who: self._read(who, request))

    async def _get_version(self, request: web.Request) -> web.Response:
        major, minor = self._release
        return self._answered(request, lambda _: {"version": f"v{major}.{minor}.0", "platform": "linux/amd64"})

    async def _get_archived(self, request: web.Request) -> web.Response:
        return self._answered(request, lambda who: self._read_archived(who, request.match_info["uid"]))

    async def _put(self, request: web.Request) -> web.Response:
        verb = request.match_info["verb"]
        if verb not in _KNOWN:
            return _failure(404, "Not Found")
        try:
            body = json.loads(await request.read())
        except ValueError as wrong:
            return _failure(400, str(wrong))
        unknown = set(body) - _KNOWN[verb]
        if unknown:
            return _failure(400, f'unknown field "{min(unknown)}"')
        do = {"retry": self._retry, "resubmit": self._resubmit, "resume": self._resume}[verb]
        return self._answered(request, lambda who: do(who, self._read(who, request), body))

    def _answered(self, request: web.Request, ask: Callable[[Identity], Json]) -> web.Response:
        said = request.headers.get("Authorization")
        if said is None:
            return _failure(401, "token not valid. see https://argo-workflows.readthedocs.io/en/latest/faq/")
        try:
            return web.json_response(ask(self._api.door.admit(said)))
        except Refusal as refused:
            return _failure(refused.code if refused.code in _GRPC else 500, refused.message)
        except argo_verbs.VerbRefused as refused:
            return _failure(400, str(refused))

    def _read(self, who: Identity, request: web.Request) -> Json:
        """Return a workflow with its steps; where there is none, the archived one of that name."""
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        demand(who, "get", WORKFLOW, namespace=namespace, name=name)
        try:
            return self._hydrated(self._api.registry.read(WORKFLOW, namespace, name))
        except Refusal:
            for kept in self.archive.values():
                if (kept["metadata"]["namespace"], kept["metadata"]["name"]) == (namespace, name):
                    return kept
            raise

    def _read_archived(self, who: Identity, uid: str) -> Json:
        kept = self.archive.get(uid)
        if kept is None:
            raise Refusal(404, "NotFound", "not found")
        demand(who, "get", WORKFLOW, namespace=kept["metadata"]["namespace"], name=kept["metadata"]["name"])
        return kept

    def _retry(self, who: Identity, workflow: Json, body: Json) -> Json:
        phase, namespace = workflow.get("status", {}).get("phase", ""), workflow["metadata"]["namespace"]
        anew = bool(body.get("restartSuccessful")) and bool(body.get("nodeFieldSelector"))
        if phase == "Succeeded" and not (anew and self._release >= (3, 5)):
            words = "To retry a succeeded workflow, set the options restartSuccessful and nodeFieldSelector"
            raise argo_verbs.VerbRefused(words)
        if phase not in {*argo_verbs.FAILED, "Succeeded"}:
            raise argo_verbs.VerbRefused(f"Cannot retry a workflow in phase {phase}")
        selected = _selected(workflow, body["nodeFieldSelector"]) if anew else frozenset[str]()
        written = "Running" if self._release < (4, 0) else ""
        after, gone = argo_verbs.retried(workflow, self._now, selected=selected, phase=written)
        # The pods go first, so that a refusal of what follows leaves the workflow without them, as the real one does.
        for pod in self._api.storage.every(POD, namespace):
            if (pod["metadata"].get("annotations") or {}).get(_NODE_ID) in gone:
                name = pod["metadata"]["name"]
                demand(who, "delete", POD, namespace=namespace, name=name)
                self._api.registry.delete(POD, namespace, name, {})
        return self._update(who, after)

    def _resubmit(self, who: Identity, workflow: Json, body: Json) -> Json:
        memoized, namespace = bool(body.get("memoized")), workflow["metadata"]["namespace"]
        if memoized and workflow.get("status", {}).get("phase") not in argo_verbs.FAILED:
            raise argo_verbs.VerbRefused("workflow must be Failed/Error to resubmit in memoized mode")
        parameters = body.get("parameters") or []
        made = argo_verbs.resubmitted(workflow, self._now, memoized=memoized, parameters=parameters)
        demand(who, "create", WORKFLOW, namespace=namespace, name="")
        return self._api.registry.create(WORKFLOW, namespace, made)

    def _resume(self, who: Identity, workflow: Json, body: Json) -> Json:
        if body.get("nodeFieldSelector"):
            raise argo_verbs.VerbRefused("the stand-in resumes all that waits or nothing")
        after = argo_verbs.resumed(workflow, self._now)
        return workflow if after is None else self._update(who, after)

    def _update(self, who: Identity, after: Json) -> Json:
        """Write a workflow under the version that was read, once, and return it with its steps."""
        namespace, name = after["metadata"]["namespace"], after["metadata"]["name"]
        demand(who, "update", WORKFLOW, namespace=namespace, name=name)
        stored = self._api.registry.read(WORKFLOW, namespace, name)
        status = stored.get("status", {})
        if status.get("offloadNodeStatusVersion"):
            after = self._put_away(after)
        elif status.get("compressedNodes"):
            after = _packed(after)
        return self._hydrated(self._api.registry.replace(WORKFLOW, namespace, name, after))

    def _hydrated(self, workflow: Json) -> Json:
        status = dict(workflow.get("status") or {})
        packed, version = status.pop("compressedNodes", ""), status.pop("offloadNodeStatusVersion", "")
        if packed:
            status["nodes"] = json.loads(gzip.decompress(base64.b64decode(packed)))
        elif version:
            if version not in self._offloaded:
                raise Refusal(500, "", "offload node status is not supported")
            status["nodes"] = self._offloaded[version]
        return workflow | {"status": status} if status else workflow

    def _put_away(self, workflow: Json) -> Json:
        status = dict(workflow.get("status") or {})
        nodes = status.pop("nodes", None) or {}
        version = f"fnv:{argo.digest(workflow['metadata']['uid'] + json.dumps(nodes, sort_keys=True))}"
        self._offloaded[version] = nodes
        return workflow | {"status": status | {"offloadNodeStatusVersion": version}}

    @property
    def _now(self) -> datetime:
        return self._api.clock()


def _selected(workflow: Json, selector: str) -> frozenset[str]:
    """Return the ids of the nodes whose fields are as `field=value,...` says."""
    wanted: list[Any] = [part.partition("=")[::2] for part in selector.split(",")]
    nodes = workflow["status"].get("nodes") or {}
    return frozenset(key for key, node in nodes.items() if all(node.get(field) == value for field, value in wanted))


def _packed(workflow: Json) -> Json:
    status = dict(workflow["status"])
    packed = gzip.compress(json.dumps(status.pop("nodes", None) or {}).encode())
    return workflow | {"status": status | {"compressedNodes": base64.b64encode(packed).decode()}}


def _failure(status: int, message: str) -> web.Response:
    return web.json_response({"code": _GRPC[status], "message": message}, status=status)
