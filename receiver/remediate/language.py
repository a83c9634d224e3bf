"""The playbook language: what a person may write, checked when it is loaded and refused with file and line.

A playbook's *version* names its content: two playbooks with the same version would do the same. The mode is left out of
it, so that what was read in dry run is what goes live.
"""

import hashlib
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Annotated, Any, Final, Self

import msgspec

from receiver.model.document import Document, Path, decode, nearest
from receiver.model.duration import Duration, format_duration
from receiver.model.errors import PlaybookError
from receiver.model.matcher import Matcher
from receiver.model.remediation import Mode
from receiver.remediate.actions import Action, Effect, Params, known
from receiver.remediate.actions.deployment_restart import RestartDeployment
from receiver.remediate.aim import Aim
from receiver.remediate.expression import Expression
from receiver.remediate.limits import Guards
from receiver.remediate.loss import MaxLoss
from receiver.remediate.vocabulary import RESOLVES

NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class PlaybookName(str):
    """Name of a playbook: up to 63 small letters, digits and inner hyphens (RFC 1123), fit for a label and a URL."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Check the text first."""
        if NAME.fullmatch(text) is None:
            raise ValueError(f"{text!r} is not a playbook's name: up to 63 of a-z, 0-9 and inner hyphens")
        return super().__new__(cls, text)


class Approval(Enum):
    """Whether a person is asked first."""

    NONE = "none"
    REQUIRED = "required"


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A branch of a playbook."""


class ApprovalIf(_Part, frozen=True, kw_only=True):
    """Ask a person under a condition, which is looked at when the playbook decides."""

    required_if: Expression
    """What cannot be evaluated asks too."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class StepForm:
    """One step: exactly one verb with its parameters."""

    verb: str
    params: Params

    @property
    def action(self) -> Action[Any]:
        """What the verb means."""
        return known()[self.verb]

    @property
    def effects(self) -> list[Effect[Any]]:
        """The effects that it may come to."""
        named = (known()[name] for name in self.action.unfolds)
        return [action for action in (self.action, *named) if isinstance(action, Effect)]

    @property
    def written(self) -> dict[str, Params]:
        """The step as a document has it."""
        return {self.verb: self.params}


class Keys(_Part, frozen=True, kw_only=True):
    """The keys that a person may write, but for the steps."""

    name: PlaybookName
    """Up to 63 small letters, digits and inner hyphens."""
    mode: Mode = Mode.DRY_RUN
    """`dry_run` decides and records; `propose` asks a person each time; `live` acts."""
    summary: str
    """What it does and why, in one line for people."""
    on: Trigger
    target: Aim | None = None
    """What it acts on, in the namespace of the alert; null means the workflow that the alert is about."""
    confirm: Expression
    """What must be true of the live workflow just before the first effect."""
    guards: Guards = msgspec.field(default_factory=Guards)
    approval: Approval | ApprovalIf = Approval.NONE
    """`none`, `required`, or `{required_if: CONDITION}`."""
    approvals: Annotated[int, msgspec.Meta(ge=1, le=10)] = 1
    """How many different people have to agree, where anybody is asked."""
    approval_timeout: Duration = msgspec.field(default_factory=lambda: Duration(hours=1))
    """How long they have: as long as the alert is likely to be still about this."""
    max_loss: MaxLoss | None = None
    """What it may destroy without asking anybody; null means that it never asks because of that."""
    hold_notifications: Duration = msgspec.field(default_factory=Duration)
    """How long people are left asleep while it tries, at most; only a live run holds."""
    on_failure: OnFailure = OnFailure()


class Written(Keys, frozen=True, kw_only=True):
    """All keys, with the steps as they were read."""

    steps: Annotated[tuple[dict[str, Any], ...], msgspec.Meta(min_length=1)]
    """The actions in order; each step is one of those below with its keys."""


class Playbook(Keys, frozen=True, kw_only=True):
    """A playbook that was checked.

    Attributes:
        steps: In the order in which they are taken.
        version: 12 hex digits over its content without the mode.
        text: What was written, as it was read.
        file: Where it was read from, for messages.
    """

    steps: tuple[StepForm, ...]
    version: str
    text: str
    file: str


def load(document: Document) -> Playbook:
    """Read one playbook.

    Raises:
        DocumentError: It is not one, with the line and, for an unknown key or verb, the nearest right name.
    """
    _check_verbs(document)
    written = document.decode(Written)
    steps = tuple(_read_step(document, step, ("steps", index)) for index, step in enumerate(written.steps))
    _check_order(document, steps)
    _check_target(document, written, steps)
    keys = {name: getattr(written, name) for name in Keys.__struct_fields__}
    return Playbook(**keys, steps=steps, version=_version_of(keys, steps), text=document.text, file=document.file)


def _version_of(keys: Mapping[str, Any], steps: Sequence[StepForm]) -> str:
    """Name the content of a playbook, independent of its mode, its layout and the order of its keys."""
    content = {name: value for name, value in keys.items() if name != "mode"} | {
        "steps": [step.written for step in steps]
    }
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


def written_as(value: object) -> str:
    """Write a duration, a matcher or a condition as a document has it; for encoders.

    Raises:
        TypeError: It is of another type.
    """
    if isinstance(value, Duration):
        return _exactly(value)
    if isinstance(value, Matcher | str):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no part of a playbook")


def parse_step(compiled: Mapping[str, Any]) -> tuple[str, Params]:
    """Read back one step of a run as `compile_steps` left it.

    Raises:
        DocumentError: It was written by another version of the language.
    """
    verb, actions = str(compiled.get("action")), known()
    if verb not in actions:
        raise _STORED.error(f"the run has a step {verb!r} that this version does not know{nearest(verb, actions)}", ())
    return verb, decode(_STORED, compiled.get("params", {}), actions[verb].params)


_RESTART: Final = "workflow.resubmit"
_STORED: Final = Document("", file="stored step")


def _check_verbs(document: Document) -> None:
    """Refuse unknown verbs before all else: whoever mistypes one hears of it first, whatever else is missing."""
    value, actions = document.value, known()
    steps = value.get("steps") if isinstance(value, Mapping) else None
    for index, step in enumerate(steps if isinstance(steps, list) else ()):
        for verb in step if isinstance(step, Mapping) else ():
            if verb not in actions:
                raise document.error(f"unknown key {verb!r}{nearest(str(verb), actions)}", ("steps", index, verb))


def _read_step(document: Document, step: Mapping[str, Any], at: Path) -> StepForm:
    """Read one step, its parameters at their own place: a verb with a dot has no path of its own."""
    actions = known()
    if len(step) != 1:
        found = f"found {' and '.join(step)}" if step else f"found none; known are {', '.join(actions)}"
        raise document.error(f"a step has exactly one verb, {found}", at)
    ((verb, given),) = step.items()
    params = decode(document, given, actions[verb].params, at=(*at, verb))
    complaint = actions[verb].complain(params)
    if complaint is not None:
        place = (*at, verb, complaint.key) if complaint.key else (*at, verb)
        raise document.error(complaint.reason, place)
    return StepForm(verb=verb, params=params)


def _check_order(document: Document, steps: Sequence[StepForm]) -> None:
    """Refuse what would leave a workflow ended: between its end and its new beginning nothing may stop the run."""
    places = [(verb, index) for index, step in enumerate(steps) for verb in step.action.unfolds or (step.verb,)]
    verbs = [verb for verb, _ in places]
    restoring = {effect.name: effect.made_good_by for step in steps for effect in step.effects}
    for restore in {_RESTART, *filter(None, restoring.values())}:
        ending = {verb for verb, by in restoring.items() if by == restore}
        for verb in sorted({*ending, restore}):
            if verbs.count(verb) > 1:
                second = verbs.index(verb, verbs.index(verb) + 1)
                reason = f"{verb} stands twice; one run ends and restarts one workflow once"
                raise document.error(reason, ("steps", places[second][1]))
        if restore in verbs:
            _check_restart(document, places, ending, restore)


def _check_target(document: Document, written: Written, steps: Sequence[StepForm]) -> None:
    """Refuse what needs a workflow where the playbook acts on something else, and a restart of nobody knows what."""
    for index, step in enumerate(steps):
        named = isinstance(step.params, RestartDeployment) and bool(step.params.name)
        if isinstance(step.params, RestartDeployment) and named is (written.target is not None):
            reason = "the target is restarted, so name is left out" if named else "it needs name, or the key target"
            raise document.error(f"deployment.restart: {reason}", ("steps", index, step.verb))
        if written.target is not None and any(effect.on_target for effect in step.effects):
            reason = f"{step.verb} acts on a workflow, and the target is a deployment"
            raise document.error(reason, ("steps", index, step.verb))
    if written.target is None:
        return
    if written.guards.blast_radius is not None:
        raise document.error("blast_radius counts workflows, and the target is a deployment", ("guards",))
    conditions = [written.confirm, *(condition for step in steps for condition in _conditions(step))]
    if isinstance(written.approval, ApprovalIf):
        conditions.append(written.approval.required_if)
    for condition in conditions:
        for name in condition.names:
            if name.startswith(("workflow.", "pods.")):
                raise document.error(f"{name} cannot be known, since the target is a deployment", ())


def _check_restart(document: Document, places: Sequence[tuple[str, int]], ending: Container[str], restore: str) -> None:
    verbs = [verb for verb, _ in places]
    last = verbs.index(restore)
    first = next((index for index in range(last) if verbs[index] in ending), None)
    if first is None:
        enders = " or ".join(
            name for name, one in known().items() if isinstance(one, Effect) and one.made_good_by == restore
        )
        reason = f"{restore} without {enders} before it: only what this run ended is restarted"
        raise document.error(reason, ("steps", places[last][1]))
    for index in range(first + 1, last):
        if verbs[index] != "wait" and verbs[index] not in ending:
            reason = f"{verbs[index]} between {verbs[first]} and {restore} could leave the workflow ended"
            raise document.error(f"{reason}; only wait may stand there", ("steps", places[index][1]))


def _warnings(playbook: Playbook) -> Iterator[str]:
    longest = _longest(playbook.on, playbook.steps)
    if playbook.hold_notifications < longest:
        held, needed = format_duration(playbook.hold_notifications), format_duration(longest)
        yield (
            f"{playbook.file}: hold_notifications ({held}) is shorter than `for` with all waits and checks ({needed}), "
            "so people may be told of what is about to be healed"
        )
    effects = [effect for step in playbook.steps for effect in step.effects]
    verbs = {*(step.verb for step in playbook.steps), *(effect.name for effect in effects)}
    for effect in effects:
        if effect.made_good_by and effect.made_good_by not in verbs:
            yield f"{playbook.file}: {effect.name} without {effect.made_good_by} ends the workflow for good"
    if any(effect.on_target and not effect.removes for effect in effects) and "verify" not in verbs:
        yield f"{playbook.file}: without a verify step it succeeds whether or not it helped"
    yield from _unprovable(playbook)


def _unprovable(playbook: Playbook) -> Iterator[str]:
    """Name the conditions on a resolve that stand after the end of what the alert is about: they never become true."""
    ended_by = ""
    for step in playbook.steps:
        for condition in _conditions(step):
            for name in (name for name in condition.names if ended_by and name in RESOLVES):
                yield (
                    f"{playbook.file}: {step.verb} reads {name} after {ended_by}, which ends what the alert is about: "
                    "its resolve proves nothing then, so the condition cannot become true; ask about the workflow"
                )
        ending = (effect.name for effect in step.effects if effect.made_good_by)
        ended_by = ended_by or next(ending, "")


def _conditions(step: StepForm) -> list[Expression]:
    found = (getattr(step.params, key, None) for key in ("until", "that"))
    return [condition for condition in found if isinstance(condition, Expression)]


def _longest(trigger: Trigger, steps: Iterable[StepForm]) -> timedelta:
    return sum((step.action.longest(step.params) for step in steps), timedelta(0)) + trigger.for_


def _exactly(length: Duration) -> str:
    """Write a duration without loss, largest unit first."""
    rest = round(length.total_seconds() * 1000)
    parts = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
