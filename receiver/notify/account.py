"""What is to be said of an incident, in plain sentences for somebody who was asleep a minute ago. No place's notation.

Every sentence is clean (see `receiver.notify.words`) but not escaped: each place does that in its own way.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from receiver.model.duration import format_duration
from receiver.model.finding import Finding, FindingState
from receiver.model.remediation import Decision, Entry, EntryState, Outcome, Run, RunState
from receiver.notify.situation import FLAPPING, Situation, is_asking, is_lost, verb_at
from receiver.notify.words import clean, cut, moment

LONGEST_TITLE: Final = 250
LONGEST_REASON: Final = 500
LONGEST_NAME: Final = 80

_DONE: Final[Mapping[str, str]] = {
    "workflow.terminate": "ended the workflow",
    "workflow.stop": "stopped the workflow",
    "workflow.resubmit": "started it anew",
    "wait": "waited",
    "verify": "checked that it helped",
    "approve": "asked a person",
}
"""Verbs of steps, as people say them once they are done."""

_DOING: Final[Mapping[str, str]] = {
    "workflow.terminate": "ending the workflow",
    "workflow.stop": "stopping the workflow",
    "workflow.resubmit": "starting it anew",
    "workflow.resubmit_memoized": "starting it anew with what it had finished",
    "workflow.retry": "letting it go on from its failed steps",
    "workflow.suspend": "suspending the workflow",
    "workflow.resume": "resuming the workflow",
    "workflow.archive": "archiving the workflow",
    "workflow.delete": "deleting the workflow",
    "workflow.run": "running a workflow for it",
    "pod.delete": "deleting its stuck pod",
    "deployment.restart": "having the deployment replace its pods",
    "job.run": "running a Job for it",
    "alertmanager.silence": "silencing its alerts",
    "http.request": "making a request",
    "notify": "telling people",
    "wait": "waiting until it has ended",
    "verify": "checking that it helped",
}

_ENDED: Final[Mapping[Outcome, str]] = {
    Outcome.FAILED: "failed",
    Outcome.BLOCKED: "was blocked",
    Outcome.SKIPPED: "had nothing to do",
    Outcome.REJECTED: "was rejected",
    Outcome.CANCELLED: "was cancelled",
    Outcome.TIMED_OUT: "took too long",
    Outcome.SIMULATED: "was only simulated",
}


def headline(situation: Situation) -> str:
    """Say what it is and where."""
    return cut(clean(situation.story.incident.title), LONGEST_TITLE) or f"Incident {situation.story.incident.id}"


def status(situation: Situation) -> str:
    """Say how bad it is, and since when."""
    incident = situation.story.incident
    severity = cut(clean(situation.severity), 40)
    since = min((alert.starts_at for alert in situation.firing or situation.alerts), default=incident.opened_at)
    ended_at = incident.quiet_since or incident.closed_at
    if not situation.fires and ended_at is not None:
        lasted = format_duration(max(ended_at - since, timedelta()))
        state = f"resolved at {moment(ended_at)} after {lasted}"
    elif situation.fires:
        state = f"firing since {moment(since)}"
    else:
        state = f"began at {moment(since)}"
    parts = [severity, state, _counts(situation)]
    return ", ".join(part for part in parts if part)


def distinct_refusals(situation: Situation) -> dict[str, list[Decision]]:
    """Group the decisions not to act that say the same of many alerts: playbook, outcome, the guard that refused."""
    groups: dict[str, list[Decision]] = {}
    for decision in situation.refusals:
        guard = next((check.guard for check in decision.checks if not check.passed), "")
        outcome = decision.outcome.value if decision.outcome else ""
        groups.setdefault(f"{decision.playbook}:{outcome}:{guard}", []).append(decision)
    return groups


def deed(situation: Situation) -> str:
    """Say what Receiver did, does or did not do."""
    run = situation.run
    if run is not None:
        return deed_of(run)
    if situation.refusals:
        return refusal(situation.refusals[-1])
    return "Receiver has done nothing about it: no playbook has acted on it."


def deed_of(run: Run) -> str:
    """Say what a run came to so far."""
    where, playbook = target_of(run), name(run.playbook)
    if run.state is not RunState.FINISHED:
        if is_asking(run):
            return f"Receiver waits for a person to approve {playbook} on {where} (run {run.id})."
        verb = verb_at(run, run.cursor)
        step = f"step {min(run.cursor + 1, len(run.steps))} of {len(run.steps)}"
        return f"Receiver is at work on {where}: {playbook}, {step}, {_DOING.get(verb, verb or 'about to end')}."
    reason = reason_of(run)
    if is_lost(run):
        return f"RESTART NOT COMPLETED: Receiver ended {where} and could not start it again. {reason}"
    if run.helped:
        return f"Receiver healed it: {playbook} {_feat(run)}."
    if run.outcome is Outcome.SUCCEEDED:
        return f"Receiver acted: {playbook} {_feat(run)}. It has no step that checks whether this helped."
    ended = _ENDED[run.outcome] if run.outcome else "ended"
    return f"Receiver tried {playbook} on {where}; it {ended}. {reason}"


def refusal(decision: Decision) -> str:
    """Say why a playbook did nothing."""
    playbook, reason = name(decision.playbook), cut(clean(decision.reason), LONGEST_REASON)
    match decision.outcome:
        case Outcome.SIMULATED:
            would = cut("; then ".join(clean(step) for step in decision.would), LONGEST_REASON)
            return f"Receiver did nothing: {playbook} is in dry run. Live, it would {would}." if would else reason
        case Outcome.BLOCKED:
            return f"Receiver did nothing: {playbook} was blocked. {reason}"
        case _:
            return f"Receiver did nothing: {playbook} did not apply. {reason}"


def advice(situation: Situation) -> str:
    """Say what a person has to do next; empty where nothing has to be done."""
    run = situation.run
    if run is not None and (run in situation.failures or run in situation.asking):
        return advice_on(run)
    if not situation.fires or situation.unfinished or situation.healed:
        return ""
    subject = situation.story.incident.subject
    where = "/".join(part for part in (subject.namespace, subject.workflow) if part)
    return f"Look at {cut(clean(where), LONGEST_TITLE) or 'what fires'} and decide by hand."


def advice_on(run: Run) -> str:
    """Say what a person has to do about a run."""
    if is_asking(run):
        ahead = [_DOING.get(verb_at(run, cursor), "") for cursor in range(run.cursor + 1, len(run.steps))]
        goes_on = f" Approved, it goes on by {', '.join(step for step in ahead if step)}." if any(ahead) else ""
        return f"Approve or reject run {run.id}; without an answer it does nothing.{goes_on}{_at_stake(run)}"
    where, now_runs = target_of(run), successor_of(run)
    if is_lost(run):
        return (
            f"Look whether {where} runs again. If it does not, start it by hand (argo resubmit), then check that it"
            " makes progress. Nothing else will restart it."
        )
    if now_runs:
        return f"Look at {now_runs}, which was started in place of {where}, and decide whether to end or to keep it."
    if run.outcome is Outcome.TIMED_OUT and not run.journal:
        return f"Nothing was changed. Look at {where} and decide by hand."
    return f"Look at {where}: nothing is tried again by this run. Let it go on, or end and restart it by hand."


def _at_stake(run: Run) -> str:
    """Say what a run would destroy; empty where it destroys nothing."""
    loss = run.vars.get("loss")
    return f" What would be lost: {cut(clean(loss), LONGEST_REASON)}." if isinstance(loss, str) else ""


def lede(situation: Situation) -> str:
    """Say everything that counts in one line: what, where, since when, and what Receiver did."""
    return f"{headline(situation)}: {status(situation)}. {deed(situation)}"


def quiet_line(situation: Situation) -> str:
    """Say in one line that nobody has to do anything."""
    if situation.healed is not None:
        run = situation.healed
        return f"Healed: {headline(situation)}. {name(run.playbook)} {_feat(run)}; nobody was woken."
    over = f"Over: {headline(situation)}: {status(situation)}. It ended before anybody was told."
    acted = next((run for run in reversed(situation.story.runs) if run.outcome is Outcome.SUCCEEDED), None)
    return f"{over} {deed_of(acted)}" if acted is not None else over


def target_of(run: Run) -> str:
    """Name what a run acts on."""
    if run.target is None:
        return "no target"
    return cut(clean(f"{run.target.namespace}/{run.target.name}"), LONGEST_TITLE)


def successor_of(run: Run) -> str:
    """Name the workflow that a run started in place of its target; empty while there is none."""
    found: Any = run.vars.get("workflow")
    if not isinstance(found, Mapping) or run.target is None:
        return ""
    made = clean(f"{found.get('namespace', '')}/{found.get('name', '')}")
    return "" if found.get("uid") == run.target.uid else cut(made, LONGEST_TITLE)


def reason_of(run: Run) -> str:
    """Give a run's reason as one sentence or more."""
    return cut(clean(run.reason), LONGEST_REASON)


def steps_of(run: Run) -> list[str]:
    """Say what a run has tried, attempt by attempt, oldest first."""
    return [f"{moment(entry.finished_at or entry.started_at)} {_attempted(entry)}" for entry in run.journal]


def done(entry: Entry) -> str:
    """Say that a step was taken: as people say it, else as its action told it."""
    if entry.action in _DONE:
        return f"Receiver {_DONE[entry.action]}."
    told = entry.result.get("text")
    return cut(clean(told), 500) if isinstance(told, str) else f"Receiver took the step {name(entry.action)}."


def gaps(situation: Situation) -> list[str]:
    """Name the sources that could not be asked, each with its reason."""
    missing = {FindingState.DISABLED: "not asked", FindingState.FAILED: "no answer"}
    return [
        f"{name(finding.source)}: {missing[finding.state]} ({cut(clean(finding.summary), 120)})"
        for finding in newest_findings(situation).values()
        if finding.state in missing
    ]


def newest_findings(situation: Situation) -> dict[str, Finding]:
    """Give the last answer of each source, in the order in which the sources were first heard of."""
    return {finding.source: finding for finding in situation.story.findings}


def name(text: str) -> str:
    """Bring the name of a playbook, a verb or a source to a length that leaves room for what is said of it."""
    return cut(clean(text), LONGEST_NAME)


def _attempted(entry: Entry) -> str:
    match entry.state:
        case EntryState.DONE:
            return _DONE.get(entry.action) or done(entry)
        case EntryState.FAILED:
            return f"{name(entry.action)} failed: {cut(clean(entry.error), 300)}"
        case EntryState.INTENDED:
            return f"{name(entry.action)} was begun; whether it took effect is being looked at"


def _feat(run: Run) -> str:
    successor = successor_of(run)
    return f"restarted {target_of(run)} as {successor}" if successor else f"acted on {target_of(run)}"


def _counts(situation: Situation) -> str:
    total, firing, flaps = len(situation.alerts), len(situation.firing), situation.story.incident.flaps
    parts = []
    if total > 1:
        parts.append(f"{firing} of {total} alerts firing" if situation.fires else f"{total} alerts")
    if flaps:
        times = "fired again once" if flaps == 1 else f"fired again {flaps} times"
        parts.append(f"flapping: {times}" if flaps >= FLAPPING else times)
    return ", ".join(parts)
