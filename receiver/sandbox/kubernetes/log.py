"""The logs of containers, and the rules by which the API server gives them out."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from receiver.sandbox.kubernetes import refusal
from receiver.sandbox.kubernetes.kind import POD, Json

_PULLING = frozenset({"ImagePullBackOff", "ErrImagePull"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One line of a log and when it was written."""

    at: datetime
    text: str


class Logs:
    """What all containers have written, kept by pod uid: a pod that comes later under the same name starts anew."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str, bool], list[Line]] = defaultdict(list)

    def write(self, pod: Json, container: str, lines: Iterable[Line], *, previous: bool = False) -> None:
        """Append to the log of a container of a stored pod: of its present run, or of the one before its restart."""
        self._lines[pod["metadata"]["uid"], container, previous] += lines

    def read(self, pod: Json, query: Mapping[str, str], now: datetime) -> str:
        """Answer a request for a log; *query* is that of the request. `follow` is answered with what there is.

        Raises:
            Refusal: 400; no or no such container is named, it has not started, or has no previous run.
        """
        container = _container(pod, query.get("container", ""))
        _check_options(query)
        if not pod["spec"].get("nodeName"):
            return ""
        previous = query.get("previous") in {"true", "1"}
        lines = self._lines.get((pod["metadata"]["uid"], container, previous), [])
        if previous and not lines:
            name = pod["metadata"]["name"]
            raise refusal.bad_request(f'previous terminated container "{container}" in pod "{name}" not found')
        if not previous:
            _check_started(pod, container)
        if "sinceSeconds" in query:
            since = now - timedelta(seconds=int(query["sinceSeconds"]))
            lines = [line for line in lines if line.at >= since]
        if "tailLines" in query:
            lines = lines[max(0, len(lines) - int(query["tailLines"])) :]
        stamped = query.get("timestamps") in {"true", "1"}
        text = "".join(
            f"{line.at.strftime('%Y-%m-%dT%H:%M:%S.%f000Z ') if stamped else ''}{line.text}\n" for line in lines
        )
        return text[: int(query["limitBytes"])] if "limitBytes" in query else text


def _container(pod: Json, asked: str) -> str:
    name = pod["metadata"]["name"]
    regular = [container["name"] for container in pod["spec"]["containers"]]
    initial = [container["name"] for container in pod["spec"].get("initContainers") or []]
    if asked in {*regular, *initial}:
        return asked
    if asked:
        raise refusal.bad_request(f"container {asked} is not valid for pod {name}")
    if len(regular) > 1 or initial:
        also = f" or one of the init containers: [{' '.join(initial)}]" if initial else ""
        raise refusal.bad_request(
            f"a container name must be specified for pod {name}, choose one of: [{' '.join(regular)}]{also}"
        )
    return str(regular[0])


def _check_options(query: Mapping[str, str]) -> None:
    for option, least in (("tailLines", 0), ("sinceSeconds", 1), ("limitBytes", 1)):
        value = query.get(option)
        if value is None:
            continue
        if not value.lstrip("-").isdecimal():
            raise refusal.bad_request(f'unable to parse {option}: strconv.ParseInt: parsing "{value}": invalid syntax')
        if int(value) < least:
            raise refusal.invalid(
                POD, "", (option, f"Invalid value: {value}: must be greater than or equal to {least}")
            )


def _check_started(pod: Json, container: str) -> None:
    name = pod["metadata"]["name"]
    status = pod.get("status", {})
    statuses = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    found: Json = next((one for one in statuses if one["name"] == container), {})
    reason = found.get("state", {}).get("waiting", {}).get("reason", "" if found else "ContainerCreating")
    if reason:
        why = "trying and failing to pull image" if reason in _PULLING else reason
        raise refusal.bad_request(f'container "{container}" in pod "{name}" is waiting to start: {why}')
