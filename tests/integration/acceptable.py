"""What the places, or what they publish, have against anything that was sent to their stand-ins: nothing, always."""

from receiver.sandbox.pagerduty import PagerDutyStandIn
from receiver.sandbox.slack import SlackStandIn
from tests.unit.notify.published import complaints


def objections(slack: SlackStandIn, pagerduty: PagerDutyStandIn) -> list[str]:
    """List them, each with the request that it is about; a refusal that a test had ordered is none."""
    found = list(slack.malformed)
    for seen in slack.faults.seen(path="/(chat|services|actions)[./]") + pagerduty.faults.seen(path="/enqueue$"):
        verb = seen.path.removeprefix("/api/").removeprefix("/v2/")
        if verb in {"chat.postMessage", "chat.update", "enqueue", "change/enqueue"}:
            found += [f"{verb}: {complaint}" for complaint in complaints(verb, seen.json)]
        if seen.effect_status in {400, 413}:
            found.append(f"{verb}: answered {seen.effect_status} to {seen.body[:300]!r}")
    return found
