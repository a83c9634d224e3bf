"""The typed client against the description that the service gives of itself: every route, parameter and field."""

import inspect
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

import msgspec
import pytest

from receiver.clients.receiver import Happening, ReceiverClient
from receiver.clients.receiver.questions import Questions
from receiver.model.errors import QueryRefused, RemoteError
from receiver.model.shapes.archives import ArchiveWish, RestoreWish
from receiver.model.shapes.incident_requests import SilenceWish, TakingWish
from receiver.model.shapes.pauses import PauseWish
from receiver.model.shapes.playbook_requests import BacktestWish, RunWish
from receiver.model.shapes.timeline import EventShape

METHODS: Final = {
    "listAlerts": "alerts.page",
    "getAlert": "alerts.get",
    "getAlertTimeline": "alerts.timeline",
    "listIncidents": "incidents.page",
    "getIncident": "incidents.get",
    "getIncidentTimeline": "incidents.timeline",
    "exportIncident": "incidents.export",
    "acknowledgeIncident": "incidents.acknowledge",
    "silenceIncident": "incidents.silence",
    "listRemediations": "remediations.page",
    "getRemediation": "remediations.get",
    "approveRemediation": "remediations.approve",
    "rejectRemediation": "remediations.reject",
    "cancelRemediation": "remediations.cancel",
    "listEvidence": "remediations.all_evidence",
    "getEvidence": "remediations.evidence",
    "listPauses": "remediations.pauses",
    "pauseRemediations": "remediations.pause",
    "resumeRemediations": "remediations.resume",
    "listPlaybooks": "playbooks.all",
    "getPlaybook": "playbooks.get",
    "closeBreaker": "playbooks.close",
    "runPlaybook": "playbooks.run",
    "backtestPlaybook": "playbooks.backtest",
    "getBacktest": "playbooks.backtested",
    "listArchives": "archives.page",
    "getArchive": "archives.get",
    "createArchive": "archives.create",
    "restoreArchive": "archives.restore",
    "listMessages": "outbox.page",
    "getMessage": "outbox.get",
    "replayMessage": "outbox.replay",
    "listDeadLetters": "deadletters.page",
    "getDeadLetter": "deadletters.get",
    "replayDeadLetter": "deadletters.replay",
    "discardDeadLetter": "deadletters.discard",
    "listDecisions": "decisions",
    "getRequest": "request",
    "getStats": "stats",
    "streamEvents": "following",
    "getReadiness": "is_ready",
}
"""By the id of each operation: the method that is for it."""

NOT_COVERED: Final = {
    "postAlertmanagerWebhook": "Alertmanager delivers, nobody else",
    "pressButton": "Slack signs what it posts; no token can",
    "getHealth": "asked by whoever keeps the process alive, without a body to read",
    "getMetrics": "read by Prometheus, in its own format",
}
"""Operations without a method, each with the reason."""

WISHES: Final = {
    ArchiveWish: ArchiveWish(namespace="argo", name="etl"),
    BacktestWish: BacktestWish(),
    PauseWish: PauseWish(reason="why", for_="2h"),
    RestoreWish: RestoreWish(),
    RunWish: RunWish(workflow="argo/etl"),
    SilenceWish: SilenceWish(reason="why", for_="1h"),
    TakingWish: TakingWish(),
}
"""One of each of what a method takes as a whole."""

AT: Final = datetime(2026, 11, 24, 3, 22, 31, tzinfo=UTC)


class Heard:
    """What a method asked for."""

    method: str = ""
    path: str = ""
    shape: Any = None
    wanted: Mapping[str, object] = {}
    wish: msgspec.Struct | None = None


class Recording(Questions):
    """Writes down what is asked, and answers nothing."""

    def __init__(self) -> None:
        self.url = "http://nowhere"
        self.heard = Heard()

    async def get(self, path: str, shape: Any, **wanted: object) -> Any:
        self.heard.method, self.heard.path, self.heard.shape, self.heard.wanted = "get", path, shape, wanted

    async def read(self, path: str, shape: Any, **wanted: object) -> Any:
        await self.get(path, shape, **wanted)

    async def text(self, path: str) -> Any:
        await self.get(path, str)

    async def post(self, path: str, shape: Any, wish: msgspec.Struct | None = None) -> Any:
        self.heard.method, self.heard.path, self.heard.shape, self.heard.wish = "post", path, shape, wish

    async def order(self, path: str, shape: Any, wish: msgspec.Struct | None = None) -> Any:
        await self.post(path, shape, wish)

    async def peek(self, path: str) -> Any:
        await self.get(path, None)

    @asynccontextmanager
    async def lines(self, path: str, *, after: str = "") -> AsyncIterator[AsyncIterator[tuple[str, bytes]]]:
        assert after == ""
        await self.get(path, EventShape)

        async def nothing() -> AsyncIterator[tuple[str, bytes]]:
            return
            yield "", b""

        yield nothing()


async def heard(name: str) -> Heard:
    """Call a method with something for each of its parameters, and give what it asked for."""
    client = ReceiverClient.__new__(ReceiverClient)
    questions = Recording()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("receiver.clients.receiver.client.Questions", lambda *_: questions)
        client.__init__("http://nowhere")  # type: ignore[misc]
    member: Any = client
    for part in name.split("."):
        member = getattr(member, part)
    hints = get_type_hints(inspect.unwrap(member))
    given = {name: sample(name, hints[name]) for name in inspect.signature(member).parameters}
    called = member(**given)
    if inspect.isawaitable(called):
        await called
    else:
        async with called:
            pass
    return questions.heard


def sample(name: str, hint: Any) -> Any:
    """Make a value for a parameter; what stands in a path is named, so that it is found there."""
    if get_origin(hint) is UnionType:
        (hint,) = [one for one in get_args(hint) if one is not NoneType]
    if hint in WISHES:
        return WISHES[hint]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return next(iter(hint))
    plain = {int: 7, bool: True, datetime: AT, str: f"<{name}>"}
    return plain.get(hint, ["a=b"])


def operations(document: Any) -> dict[str, tuple[str, str, Any]]:
    """All operations by id: method, path, description."""
    return {
        operation["operationId"]: (method, path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if isinstance(operation, dict) and "operationId" in operation
    }


def plain(schema: Mapping[str, Any], components: Any) -> Any:
    """Reduce a schema to what decides how JSON is read: members, which of them always come, and kinds of values."""
    if "$ref" in schema:
        return plain(components[schema["$ref"].rpartition("/")[2]], components)
    kinds = schema.get("type")
    several = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if isinstance(kinds, list):
        several = [{**schema, "type": kind} for kind in kinds]
    if several:
        found = {str(one): one for one in (plain(one, components) for one in several)}
        return next(iter(found.values())) if len(found) == 1 else [found[key] for key in sorted(found)]
    return single(schema, components)


def single(schema: Mapping[str, Any], components: Any) -> Any:
    """Reduce a schema of one kind of value."""
    if "enum" in schema:
        return {"enum": sorted(map(str, schema["enum"]))}
    if schema.get("type") == "array":
        return {"list": plain(schema.get("items", {}), components)}
    if "properties" in schema:
        members = {name: plain(one, components) for name, one in schema["properties"].items()}
        return {"members": members, "always": sorted(schema.get("required", ()))}
    if schema.get("type") == "object":
        return {"map": plain(schema.get("additionalProperties") or {}, components)}
    return {"kind": schema.get("type")}


def differences(ours: Any, theirs: Any, place: str = "") -> Iterator[str]:
    """Say where two reduced schemas differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() == theirs.keys():
        for name in ours:
            yield from differences(ours[name], theirs[name], f"{place}.{name}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for one, other in zip(ours, theirs, strict=True):
            yield from differences(one, other, place)
    elif ours != theirs:
        yield f"{place}: read as {ours}, described as {theirs}"


def read_by(shape: Any) -> Any:
    """Reduce a type in the same way, as msgspec reads it."""
    (schema,), components = msgspec.json.schema_components([shape])
    return plain(schema, components)


def answer_of(operation: Any) -> Any:
    """Give the description of what is answered when all is well."""
    (status,) = [code for code in operation["responses"] if code.startswith("2")]
    (content,) = operation["responses"][status]["content"].values()
    return content["schema"]


def disagreements(method: str, path: str, operation: Any, asked: Heard, components: Any) -> Iterator[str]:
    """Say in what a method and the description of its route disagree."""
    parameters = operation.get("parameters", ())
    named = [part for part in path.split("/") if part.startswith("{")]
    pattern = re.escape(path)
    for part in named:
        pattern = pattern.replace(re.escape(part), "[^/]+")
    if asked.method != method or not re.fullmatch(pattern, asked.path):
        yield f"asks {asked.method} {asked.path}"
    in_query = {one["name"] for one in parameters if one["in"] == "query"}
    if set(asked.wanted) != in_query:
        yield f"{set(asked.wanted) ^ in_query} are known to one of both only"
    if asked.shape is not None and answer_of(operation).get("type") != "string":
        yield from differences(read_by(asked.shape), plain(answer_of(operation), components))
    body = operation.get("requestBody")
    if body is None:
        if asked.wish is not None:
            yield "takes no body"
        return
    (content,) = body["content"].values()
    wanted = plain(content["schema"], components)
    if isinstance(wanted, list):  # the body may be left out
        (wanted,) = [one for one in wanted if "members" in one]
    yield from differences(read_by(type(asked.wish)), wanted, "body")


@pytest.fixture
async def document(site: Any) -> Any:
    """The description as the service gives it."""
    return (await site.get("/schema")).json()


async def test_the_client_has_a_method_for_every_route_with_its_path_its_parameters_and_its_fields(
    document: Any,
) -> None:
    components, found = document["components"]["schemas"], operations(document)

    troubles = [
        f"{name}: {trouble}"
        for name, described in found.items()
        if name not in NOT_COVERED
        for trouble in disagreements(*described, await heard(METHODS[name]), components)
    ]

    assert set(found) == METHODS.keys() | NOT_COVERED.keys()
    assert troubles == []


def test_what_the_stream_tells_is_read_whole() -> None:
    described, understood = read_by(EventShape)["members"], read_by(Happening)["members"]

    assert understood.keys() == described.keys()


async def test_what_is_not_there_is_none_and_what_is_wrong_is_an_error(site: Any) -> None:
    url = str(site.client.base_url)
    async with ReceiverClient(url, "viewer-token") as service:
        assert await service.alerts.get("202611-9/../..") is None
        assert await service.incidents.export(9) is None
        assert (await service.playbooks.all()).items == []
        with pytest.raises(QueryRefused, match="cursor"):
            await service.alerts.page(cursor="x")
        with pytest.raises(RemoteError, match="no role"):
            await service.remediations.approve(9)
    async with ReceiverClient(f"{url}/elsewhere", "viewer-token") as service:
        with pytest.raises(RemoteError, match="another version"):
            await service.alerts.page()


async def test_one_incident_is_followed_from_the_list_to_its_export(site: Any, records: Any) -> None:
    incident = await records.incident()
    await records.alert(incident_id=incident, labels={"alertname": "Disk", "team": "a b&c"})
    await records.event(incident_id=incident)

    async with ReceiverClient(str(site.client.base_url), "operator-token") as service:
        (alert,) = (await service.alerts.page(label=["team=a b&c"], since=AT.replace(day=1))).items
        story = await service.incidents.get(alert.incident_id or 0)
        told = await service.incidents.timeline(incident, limit=5)
        text = await service.incidents.export(incident)
        asked = await service.incidents.acknowledge(incident, TakingWish(note="mine"))
        request = await service.request(asked.request_id if asked else 0)

    assert story is not None
    assert [one.id for one in story.alerts] == [alert.id]
    assert told is not None
    assert [one.text for one in told.items] == ["WorkflowStuck fires"]
    assert text is not None
    assert text.startswith("# ")
    assert request is not None
    assert (request.asked_by, request.answered_at) == ("operators", None)
