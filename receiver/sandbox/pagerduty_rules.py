"""What PagerDuty refuses in an event, told in the manner of its own `errors`: pure, one rule a line.

From https://developer.pagerduty.com/docs/send-alert-event, .../docs/pd-cef and .../docs/send-change-event.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

Rule = Callable[[Any], str]
"""Says what is wrong with a value, or an empty string."""


def event_faults(event: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with an alert event; nothing for one that is accepted."""
    faults = _judge(event, _EVENT, required=("routing_key", "event_action"), within="")
    if event.get("event_action") == "trigger":
        faults += _missing(event, ("payload",), within="")
    else:
        faults += _missing(event, ("dedup_key",), within="")
    payload = event.get("payload")
    if isinstance(payload, Mapping):
        faults += _judge(payload, _PAYLOAD, required=("summary", "source", "severity"), within="payload.")
    return faults


def change_faults(event: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a change event; nothing for one that is accepted."""
    faults = _judge(event, _CHANGE, required=("routing_key", "payload"), within="")
    payload = event.get("payload")
    if isinstance(payload, Mapping):
        faults += _judge(payload, _CHANGE_PAYLOAD, required=("summary",), within="payload.")
    return faults


def _judge(part: Mapping[str, Any], rules: Mapping[str, Rule], *, required: tuple[str, ...], within: str) -> list[str]:
    faults = _missing(part, required, within=within)
    for name, value in part.items():
        rule = rules.get(name)
        if rule is None:
            faults.append(f"'{within}{name}' is not a known field")
        elif (fault := rule(value)) and f"'{within}{name}' is missing or blank" not in faults:
            faults.append(f"'{within}{name}' {fault}")
    return faults


def _missing(part: Mapping[str, Any], required: tuple[str, ...], *, within: str) -> list[str]:
    return [f"'{within}{name}' is missing or blank" for name in required if part.get(name) in (None, "")]


def _text(longest: int | None = None) -> Rule:
    def rule(value: Any) -> str:
        if not isinstance(value, str):
            return "is not a string"
        return f"is longer than {longest} characters" if longest is not None and len(value) > longest else ""

    return rule


def _one_of(*values: str) -> Rule:
    return lambda value: "" if value in values else f"is not one of {', '.join(values)}"


def _key(value: Any) -> str:
    if not isinstance(value, str) or len(value) != 32:  # noqa: PLR2004 - the length is the rule
        return "has the wrong length (should be 32 characters)"
    return "" if value.isascii() and value.isalnum() else "has characters that are neither letters nor digits"


def _object(value: Any) -> str:
    return "" if isinstance(value, Mapping) else "is not an object"


def _time(value: Any) -> str:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return "is not an ISO 8601 time"
    return "" if moment.tzinfo is not None else "has no time zone"


def _list_of(rules: Mapping[str, Rule], required: str) -> Rule:
    def rule(value: Any) -> str:
        if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
            return "is not a list of objects"
        faults = [fault for item in value for fault in _judge(item, rules, required=(required,), within="")]
        return "; ".join(faults)

    return rule


def _https(value: Any) -> str:
    return "" if isinstance(value, str) and value.startswith("https://") else "is not an https URL"


_LINKS = _list_of({"href": _text(), "text": _text()}, "href")
_IMAGES = _list_of({"src": _https, "href": _text(), "alt": _text()}, "src")
_EVENT: Mapping[str, Rule] = {
    "routing_key": _key,
    "event_action": _one_of("trigger", "acknowledge", "resolve"),
    "dedup_key": _text(255),
    "payload": _object,
    "client": _text(),
    "client_url": _text(),
    "links": _LINKS,
    "images": _IMAGES,
}
_CHANGE: Mapping[str, Rule] = {"routing_key": _key, "payload": _object, "links": _LINKS, "images": _IMAGES}
_CHANGE_PAYLOAD: Mapping[str, Rule] = {
    "summary": _text(1024),
    "timestamp": _time,
    "source": _text(),
    "custom_details": _object,
}
_PAYLOAD: Mapping[str, Rule] = {
    **_CHANGE_PAYLOAD,
    "severity": _one_of("critical", "error", "warning", "info"),
    "component": _text(),
    "group": _text(),
    "class": _text(),
}
