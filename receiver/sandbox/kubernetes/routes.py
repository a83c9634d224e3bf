"""The paths of the API: which request means what, and in which order it is judged (who, then what, then whether)."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from receiver.sandbox.faults import Answerer
from receiver.sandbox.kubernetes import access, page, patch, refusal, selector
from receiver.sandbox.kubernetes.access import Doorkeeper, Identity
from receiver.sandbox.kubernetes.kind import KINDS, POD, Json, Kind
from receiver.sandbox.kubernetes.log import Logs
from receiver.sandbox.kubernetes.registry import Registry
from receiver.sandbox.kubernetes.watch import View, Watches

VERSION = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.0+sandbox",
    "gitCommit": "",
    "gitTreeState": "",
    "buildDate": "",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}

_WRITABLE = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_MERGE = "application/merge-patch+json"
_JSON_PATCH = "application/json-patch+json"
_METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """What a path points at; an empty name means the list."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def locate(raw_path: str) -> Target | None:
    """Return what a path points at, or None where the API has no such path."""
    parts = [unquote(part) for part in raw_path.strip("/").split("/")]
    if parts[0] == "api":
        group, version, rest = "", parts[1:2], parts[2:]
    elif parts[0] == "apis":
        group, version, rest = "".join(parts[1:2]), parts[2:3], parts[3:]
    else:
        return None
    namespace = ""
    if rest[:1] == ["namespaces"] and len(rest) > 2 and rest[2] not in {"status", "finalize"}:  # noqa: PLR2004 (a name and more)
        namespace, rest = rest[1], rest[2:]
    for kind in KINDS:
        if rest and [kind.group, [kind.version], kind.plural] == [group, version, rest[0]]:
            name, subresource = "".join(rest[1:2]), "/".join(rest[2:])
            return Target(kind=kind, namespace=namespace, name=name, subresource=subresource)
    return None


@web.middleware
async def refusals(request: web.Request, handler: Answerer) -> web.StreamResponse:
    """Answer refusals with their Status."""
    try:
        return await handler(request)
    except refusal.Refusal as refused:
        return web.json_response(refused.status(), status=refused.code)


class Api:
    """Answers requests."""

    def __init__(
        self, registry: Registry, logs: Logs, watches: Watches, door: Doorkeeper, clock: Callable[[], datetime]
    ) -> None:
        self._registry = registry
        self._logs = logs
        self._watches = watches
        self._door = door
        self._clock = clock

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer any request."""
        who = self._door.admit(request.headers.get("Authorization"))
        said = _discovery(request.path)
        if said is not None and request.method == "GET":
            return said
        if request.path == _REVIEWS and request.method == "POST" and who is not access.ANONYMOUS:
            return web.json_response(access.review(who, await _object(request)), status=201)
        target = locate(request.rel_url.raw_path)
        if target is None:
            return web.Response(status=404, text="404 page not found\n")
        watching = request.query.get("watch") in {"true", "1"}
        _admit(who, target, request.method, watching=watching)
        if request.method != "GET":
            return await self._change(request, target)
        if target.name:
            return self._one(target, request.query)
        return await self._many(request, target, watching=watching)

    async def _many(self, request: web.Request, target: Target, *, watching: bool) -> web.StreamResponse:
        query = request.query
        picked = selector.parse(target.kind, query.get("labelSelector", ""), query.get("fieldSelector", ""))
        if watching:
            view = View(kind=target.kind, namespace=target.namespace, selector=picked)
            return await self._watches.stream(request, view, query)
        found = page.cut(self._registry.storage, target.kind, target.namespace, picked, query)
        if _METADATA_ONLY in request.headers.get("Accept", "").replace(" ", ""):
            found = page.bare(found)
        return web.json_response(found)

    def _one(self, target: Target, query: Mapping[str, str]) -> web.Response:
        _check_subresource(target, {"log", "status"})
        found = self._registry.read(target.kind, target.namespace, target.name)
        if target.subresource == "log":
            return web.Response(text=self._logs.read(found, query, self._clock()))
        return web.json_response(found)

    async def _change(self, request: web.Request, target: Target) -> web.Response:
        match request.method, bool(target.name):
            case "POST", False:
                return await self._create(request, target)
            case "PUT", True:
                return await self._replace(request, target)
            case "PATCH", True:
                return await self._patch(request, target)
            case "DELETE", True:
                return await self._delete(request, target)
        raise refusal.method_not_allowed()

    async def _create(self, request: web.Request, target: Target) -> web.Response:
        if target.kind.namespaced and not target.namespace:
            raise refusal.method_not_allowed()
        body = await _object(request)
        made = self._registry.create(target.kind, target.namespace, body, dry_run=_dry_run(request.query))
        return web.json_response(made, status=201)

    async def _replace(self, request: web.Request, target: Target) -> web.Response:
        _check_subresource(target, {"status"})
        body = await _object(request)
        return web.json_response(
            self._registry.replace(
                target.kind,
                target.namespace,
                target.name,
                body,
                subresource=target.subresource,
                dry_run=_dry_run(request.query),
            )
        )

    async def _patch(self, request: web.Request, target: Target) -> web.Response:
        _check_subresource(target, {"status"})
        change = await _patch_of(request)
        return web.json_response(
            self._registry.patch(
                target.kind,
                target.namespace,
                target.name,
                change,
                subresource=target.subresource,
                dry_run=_dry_run(request.query),
            )
        )

    async def _delete(self, request: web.Request, target: Target) -> web.Response:
        _check_subresource(target, set())
        options = await _object(request) if await request.read() else {}
        asked = request.query
        if "propagationPolicy" in asked:
            options["propagationPolicy"] = asked["propagationPolicy"]
        if "gracePeriodSeconds" in asked:
            options["gracePeriodSeconds"] = int(asked["gracePeriodSeconds"])
        dry_run = _dry_run(asked) or "All" in (options.get("dryRun") or [])
        return web.json_response(
            self._registry.delete(target.kind, target.namespace, target.name, options, dry_run=dry_run)
        )


def _admit(who: Identity, target: Target, method: str, *, watching: bool) -> None:
    verb = _VERBS.get(method, "watch" if watching else "get" if target.name else "list")
    if verb == "delete" and not target.name:
        verb = "deletecollection"
    access.demand(who, verb, target.kind, namespace=target.namespace, name=target.name, subresource=target.subresource)


def _check_subresource(target: Target, known: set[str]) -> None:
    if not target.subresource:
        return
    own = {"log", "status"} if target.kind is POD else {"status"} if target.kind.status_apart else set()
    if target.subresource in known & own:
        return
    raise refusal.not_found(target.kind, target.name)


async def _json(request: web.Request) -> Any:
    try:
        return json.loads(await request.read())
    except ValueError as wrong:
        raise refusal.bad_request(f"couldn't get version/kind; json parse error: {wrong}") from wrong


async def _object(request: web.Request) -> Json:
    if request.content_type not in {"application/json", "application/octet-stream"}:
        raise refusal.unsupported_media(_WRITABLE)
    body = await _json(request)
    if not isinstance(body, dict):
        raise refusal.bad_request("couldn't get version/kind; json parse error: the body is not an object")
    return body


async def _patch_of(request: web.Request) -> Callable[[Json], Json]:
    # Of the real server's four types these two are spoken here; the others are refused rather than guessed at.
    if request.content_type not in {_MERGE, _JSON_PATCH}:
        raise refusal.unsupported_media(f"{_JSON_PATCH}, {_MERGE}, application/apply-patch+yaml")
    body = await _json(request)
    wanted = dict if request.content_type == _MERGE else list
    if not isinstance(body, wanted):
        raise refusal.bad_request(
            f"error decoding patch: json: cannot unmarshal into Go value of type {wanted.__name__}"
        )
    if isinstance(body, dict):
        return lambda before: patch.merge(before, body)
    return lambda before: patch.apply(before, body)


def _dry_run(query: Mapping[str, str]) -> bool:
    said = query.get("dryRun", "")
    if said not in {"", "All"}:
        raise refusal.unprocessable(
            f'Options.meta.k8s.io "" is invalid: dryRun: Unsupported value: "{said}": supported values: "All"'
        )
    return said == "All"


def _discovery(path: str) -> web.Response | None:
    """Answer the paths by which a client finds out what the server can; these need no rights."""
    path = path.rstrip("/")
    if path in {"/healthz", "/livez", "/readyz"}:
        return web.Response(text="ok")
    if path == "/version":
        return web.json_response(VERSION)
    if path == "/api":
        return web.json_response({"kind": "APIVersions", "versions": ["v1"]})
    groups = sorted({(kind.group, kind.version) for kind in KINDS if kind.group})
    if path == "/apis":
        listed = [
            {"name": group, "versions": [{"groupVersion": f"{group}/{version}", "version": version}]}
            for group, version in groups
        ]
        return web.json_response({"kind": "APIGroupList", "apiVersion": "v1", "groups": listed})
    for group, version in [("", "v1"), *groups]:
        if path == (f"/apis/{group}/{version}" if group else f"/api/{version}"):
            return web.json_response(_resources(group, version))
    return None


def _resources(group: str, version: str) -> Json:
    verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
    listed = [
        {"name": kind.plural, "kind": kind.kind, "namespaced": kind.namespaced, "singularName": "", "verbs": verbs}
        for kind in KINDS
        if (kind.group, kind.version) == (group, version)
    ]
    over = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": over, "resources": listed}
