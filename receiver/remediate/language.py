"""The playbook language: what a person may write, checked when it is loaded and refused with file and line.

A playbook's *version* names its content: two playbooks with the same version would do the same. The mode is left out of
it, so that what was read in dry run is what goes live.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Annotated, Any, Final, Self

import msgspec

from receiver.model.document import Document, Path, decode, nearest
from receiver.model.duration import Duration, format_duration
from receiver.model.errors import PlaybookError
from receiver.model.matcher import Matcher
from receiver.model.remediation import Mode
from receiver.remediate.expression import Expression
from receiver.remediate.limits import SCHEMAS, Guards

_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class PlaybookName(str):
    """Name of a playbook: up to 63 small letters, digits and inner hyphens (RFC 1123), fit for a label and a URL."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Check the text first."""
        if _NAME.fullmatch(text) is None:
            raise ValueError(f"{text!r} is not a playbook's name: up to 63 of a-z, 0-9 and inner hyphens")
        return super().__new__(cls, text)


class Approval(Enum):
    """Whether a person is asked first."""

    NONE = "none"
    REQUIRED = "required"


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A branch of a playbook."""


class Trigger(_Part, frozen=True, kw_only=True):
    """What a playbook answers to."""

    matchers: Annotated[tuple[Matcher, ...], msgspec.Meta(min_length=1)]
    """Alertmanager's matchers on the alert's labels; all of them must match."""
    for_: Duration = msgspec.field(name="for", default_factory=Duration)
    """How long the alert must have been firing, counted from its start."""


class OnFailure(_Part, frozen=True, kw_only=True):
    """What follows when it did not help."""

    escalate: bool = True
    """Whether people are told by every route. A restart that could not be completed is told in any case."""


class Terminate(_Part, frozen=True, kw_only=True):
    """End the workflow at once, without its exit handlers. Takes no parameters."""


class Resubmit(_Part, frozen=True, kw_only=True):
    """Run the workflow that was ended anew, from its beginning. Takes no parameters."""


class WaitUntil(_Part, frozen=True, kw_only=True):
    """Wait until a condition is true."""

    until: Expression
    timeout: Duration


class Verify(_Part, frozen=True, kw_only=True):
    """Check that it helped: a condition that must be true without a break for `hold`."""

    that: Expression
    hold: Duration = msgspec.field(default_factory=Duration)
    """Choose it longer than any limit on `workflow.idle` in `that`: otherwise the check cannot fail in time."""
    within: Duration


class Approve(_Part, frozen=True, kw_only=True):
    """Ask a person, and go on only when one agrees."""

    timeout: Duration


Action = Terminate | Resubmit | WaitUntil | Verify | Approve

ACTIONS: Final[Mapping[str, type[Action]]] = {
    "workflow.terminate": Terminate,
    "workflow.resubmit": Resubmit,
    "wait": WaitUntil,
    "verify": Verify,
    "approve": Approve,
}
"""Every verb of the language with the parameters that it takes."""


class StepForm(_Part, frozen=True, kw_only=True, omit_defaults=True):
    """One step: exactly one verb with its parameters."""

    terminate: Terminate | msgspec.UnsetType = msgspec.field(name="workflow.terminate", default=msgspec.UNSET)
    resubmit: Resubmit | msgspec.UnsetType = msgspec.field(name="workflow.resubmit", default=msgspec.UNSET)
    wait: WaitUntil | msgspec.UnsetType = msgspec.UNSET
    verify: Verify | msgspec.UnsetType = msgspec.UNSET
    approve: Approve | msgspec.UnsetType = msgspec.UNSET

    @property
    def action(self) -> Action:
        """The one verb that is given."""
        return next(iter(self.given.values()))

    @property
    def verb(self) -> str:
        """Its name in the language."""
        return next(iter(self.given))

    @property
    def given(self) -> dict[str, Action]:
        """All verbs that are given, by name; a valid step has one."""
        values = ((field.encode_name, getattr(self, field.name)) for field in msgspec.structs.fields(type(self)))
        return {verb: value for verb, value in values if value is not msgspec.UNSET}


class Written(_Part, frozen=True, kw_only=True):
    """The keys that a person may write."""

    name: PlaybookName
    mode: Mode = Mode.DRY_RUN
    summary: str
    """What it does and why, in one line for people."""
    on: Trigger
    confirm: Expression
    """What must be true of the live workflow just before the first effect."""
    guards: Guards = msgspec.field(default_factory=Guards)
    approval: Approval = Approval.NONE
    steps: Annotated[tuple[StepForm, ...], msgspec.Meta(min_length=1)]
    hold_notifications: Duration = msgspec.field(default_factory=Duration)
    """How long people are left asleep while it tries, at most; only a live run holds."""
    on_failure: OnFailure = OnFailure()


class Playbook(Written, frozen=True, kw_only=True):
    """A playbook that was checked.

    Attributes:
        version: 12 hex digits over its content without the mode.
        text: What was written, as it was read.
        file: Where it was read from, for messages.
    """

    version: str
    text: str
    file: str


def load(document: Document) -> Playbook:
    """Read one playbook.

    Raises:
        DocumentError: It is not one, with the line and, for an unknown key or verb, the nearest right name.
    """
    _check_parameters(document)
    written = document.decode(Written)
    for index, step in enumerate(written.steps):
        _check_step(document, step, ("steps", index))
    _check_order(document, written.steps)
    fields = {name: getattr(written, name) for name in Written.__struct_fields__}
    return Playbook(**fields, version=_version_of(written), text=document.text, file=document.file)


def _version_of(written: Written) -> str:
    """Name the content of a playbook, independent of its mode, its layout and the order of its keys."""
    content = msgspec.structs.replace(written, mode=Mode.DRY_RUN)
    text = msgspec.json.encode(content, enc_hook=written_as, order="sorted")
    return hashlib.sha256(text).hexdigest()[:12]


def check_names(playbooks: Sequence[Playbook]) -> None:
    """Refuse a set in which one name stands twice.

    Raises:
        PlaybookError: It names both places.
    """
    seen: dict[str, Playbook] = {}
    for playbook in playbooks:
        if (other := seen.get(playbook.name)) is not None:
            raise PlaybookError(f"two playbooks are named {playbook.name!r}: in {other.file} and in {playbook.file}")
        seen[playbook.name] = playbook


def warnings(playbook: Playbook) -> list[str]:
    """Name what is allowed and probably not meant; each is one sentence."""
    return list(_warnings(playbook))


def json_schema() -> dict[str, Any]:
    """Describe the language as JSON Schema, for editors and for the documentation."""
    schema = msgspec.json.schema(Written, schema_hook=_schema_of)
    schema["$defs"]["StepForm"] |= {"minProperties": 1, "maxProperties": 1}
    return schema


def written_as(value: object) -> str:
    """Write a duration, a matcher or a condition as a document has it; for JSON encoders.

    Raises:
        TypeError: It is of another type.
    """
    if isinstance(value, Duration):
        return _exactly(value)
    if isinstance(value, Matcher | str):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no part of a playbook")


def parse_step(compiled: Mapping[str, Any]) -> tuple[str, Action]:
    """Read back one step of a run as `compile_steps` left it.

    Raises:
        DocumentError: It was written by another version of the language.
    """
    verb = str(compiled.get("action"))
    if verb not in ACTIONS:
        raise _STORED.error(f"the run has a step {verb!r} that this version does not know{nearest(verb, ACTIONS)}", ())
    return verb, decode(_STORED, compiled.get("params", {}), ACTIONS[verb])


_STORED: Final = Document("", file="stored step")


def _check_parameters(document: Document) -> None:
    """Decode the parameters of each step at their own place first: a verb with a dot has no path of its own there."""
    value = document.value
    steps = value.get("steps") if isinstance(value, Mapping) else None
    for index, step in enumerate(steps if isinstance(steps, list) else ()):
        for verb, params in step.items() if isinstance(step, Mapping) else ():
            if verb in ACTIONS:
                decode(document, params, ACTIONS[verb], at=("steps", index, verb))


def _check_step(document: Document, step: StepForm, at: Path) -> None:
    given = step.given
    if len(given) != 1:
        found = f"found {' and '.join(given)}" if given else f"found none; known are {', '.join(ACTIONS)}"
        raise document.error(f"a step has exactly one verb, {found}", at)
    match step.action:
        case WaitUntil(timeout=limit) | Approve(timeout=limit) if not limit:
            raise document.error("timeout is 0, so it could only time out", (*at, step.verb, "timeout"))
        case Verify(hold=hold, within=within) if hold >= within:
            reason = f"hold ({format_duration(hold)}) is not shorter than within ({format_duration(within)})"
            raise document.error(f"{reason}, so it could only fail", (*at, step.verb))


def _check_order(document: Document, steps: Sequence[StepForm]) -> None:
    """Refuse what would leave a workflow ended: between its end and its new beginning nothing may stop the run."""
    verbs = [step.verb for step in steps]
    for verb in ("workflow.terminate", "workflow.resubmit"):
        if verbs.count(verb) > 1:
            second = verbs.index(verb, verbs.index(verb) + 1)
            raise document.error(f"{verb} stands twice; one run ends and restarts one workflow once", ("steps", second))
    if "workflow.resubmit" not in verbs:
        return
    restart = verbs.index("workflow.resubmit")
    if "workflow.terminate" not in verbs[:restart]:
        reason = "workflow.resubmit without workflow.terminate before it: only what this run ended is restarted"
        raise document.error(reason, ("steps", restart))
    for index in range(verbs.index("workflow.terminate") + 1, restart):
        if verbs[index] != "wait":
            reason = f"{verbs[index]} between workflow.terminate and workflow.resubmit could leave the workflow ended"
            raise document.error(f"{reason}; only wait may stand there", ("steps", index))


def _warnings(playbook: Playbook) -> Iterator[str]:
    longest = _longest(playbook.on, playbook.steps)
    if playbook.hold_notifications < longest:
        held, needed = format_duration(playbook.hold_notifications), format_duration(longest)
        yield (
            f"{playbook.file}: hold_notifications ({held}) is shorter than `for` with all waits and checks ({needed}), "
            "so people may be told of what is about to be healed"
        )
    verbs = [step.verb for step in playbook.steps]
    if "workflow.terminate" in verbs and "workflow.resubmit" not in verbs:
        yield f"{playbook.file}: workflow.terminate without workflow.resubmit ends the workflow for good"
    if "workflow.terminate" in verbs and "verify" not in verbs:
        yield f"{playbook.file}: without a verify step it succeeds whether or not it helped"


def _longest(trigger: Trigger, steps: Iterable[StepForm]) -> Duration:
    total: Any = trigger.for_
    for step in steps:
        match step.action:
            case WaitUntil(timeout=limit) | Verify(within=limit):
                total += limit
    return Duration(seconds=total.total_seconds())


def _exactly(length: Duration) -> str:
    """Write a duration without loss, largest unit first."""
    rest = round(length.total_seconds() * 1000)
    parts = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _schema_of(kind: type) -> dict[str, Any]:
    if kind is PlaybookName:
        return {"type": "string", "pattern": f"^{_NAME.pattern}$"}
    if kind in SCHEMAS:
        return dict(SCHEMAS[kind])
    if kind is Duration:
        return {"type": "string", "description": "A duration such as 30s, 5m, 1h30m or 7d."}
    if kind is Matcher:
        return {"type": "string", "description": 'A matcher such as severity="critical".'}
    if kind is Expression:
        return {"type": "string", "description": "A condition in CEL."}
    raise TypeError(f"{kind.__name__} has no JSON Schema")
