"""What each source says, without asking anybody."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from receiver.enrich import events, graph, links, log, past, pods, workflow
from receiver.enrich.mask import Mask
from receiver.enrich.past import Past, PastRun
from receiver.model.finding import FindingState
from receiver.model.graph import Graph, graph_of
from receiver.model.incident import Subject
from receiver.model.remediation import Mode, Outcome
from receiver.model.workflow import Container, Node, Phase, Pod, WarningEvent, Workflow

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def ago(**length: float) -> datetime:
    return NOW - timedelta(**length)


def node(name: str, phase: Phase, *, kind: str = "Pod", started: datetime | None = None, message: str = "") -> Node:
    return Node(
        id=name, name=f"w.{name}", display_name=name, type=kind, phase=phase, started_at=started, message=message
    )


def run(
    *nodes: Node, phase: Phase = Phase.RUNNING, finished: datetime | None = None, suspended: bool = False
) -> Workflow:
    return Workflow(
        namespace="argo",
        name="etl",
        uid="u1",
        resource_version="1",
        phase=phase,
        created_at=ago(hours=7, minutes=2),
        started_at=ago(hours=7),
        finished_at=finished,
        progress="1/2",
        labels={"workflows.argoproj.io/workflow-template": "nightly", "team": "a"},
        suspended=suspended,
        nodes=nodes,
    )


def pod(name: str, *, node_id: str = "", phase: str = "Running", containers: Sequence[Container] = ()) -> Pod:
    return Pod(
        namespace="argo",
        name=name,
        uid=name,
        node_id=node_id,
        phase=phase,
        containers=tuple(containers),
        node_name="n1",
    )


STUCK = run(
    node("etl", Phase.RUNNING, kind="DAG", started=ago(hours=7)),
    node("extract", Phase.SUCCEEDED, started=ago(hours=7)),
    node("train", Phase.RUNNING, started=ago(hours=6, minutes=54)),
    node("report", Phase.PENDING),
)
FAILED = run(
    node("etl", Phase.FAILED, kind="DAG", message="child failed"),
    node("train", Phase.FAILED, started=ago(hours=1), message="OOMKilled (exit code 137)"),
    phase=Phase.FAILED,
    finished=ago(minutes=30),
)


def test_a_stuck_workflow_is_said_to_be_stuck_and_where() -> None:
    finding = workflow.describe(STUCK, [], Past(), NOW)

    assert finding.state is FindingState.FOUND
    assert finding.summary == "Running for 7h, no progress for 6h54m, at step train since 6h54m"
    assert finding.detail["template"] == "nightly"
    assert finding.detail["idle"] == "6h54m"
    assert [step["name"] for step in finding.detail["running"]] == ["train", "report"]


def test_a_step_that_waits_since_nobody_knows_when_comes_after_those_that_run() -> None:
    assert [step.display_name for step in workflow.running_nodes(STUCK)] == ["train", "report"]


def test_a_failed_workflow_is_said_to_have_failed_with_the_words_of_the_step() -> None:
    finding = workflow.describe(FAILED, [], Past(), NOW)

    assert finding.summary == "Failed after 6h30m, train failed: OOMKilled (exit code 137)"
    assert [step["message"] for step in finding.detail["failed"]] == ["OOMKilled (exit code 137)"]


def test_a_suspended_workflow_is_not_said_to_be_idle() -> None:
    assert workflow.describe(run(suspended=True), [], Past(), NOW).summary == "Running for 7h, suspended"


def test_a_workflow_whose_steps_cannot_be_read_is_not_said_to_be_idle() -> None:
    unread = Workflow(
        namespace="argo",
        name="etl",
        uid="u1",
        resource_version="1",
        phase=Phase.RUNNING,
        created_at=ago(hours=7),
        nodes=None,
        nodes_unreadable="only Argo Server can read them",
    )

    finding = workflow.describe(unread, [], Past(), NOW)

    assert finding.summary == "Running for 7h, whether it moves is not known: only Argo Server can read them"
    assert finding.detail["idle"] is None


def test_a_restarted_container_is_a_sign_of_life() -> None:
    restarted = pod("p", node_id="train", containers=[Container(name="main", started_at=ago(minutes=5))])

    assert workflow.describe(STUCK, [restarted], Past(), NOW).detail["idle"] == "5m"


def test_pods_that_are_not_well_come_first() -> None:
    well, done = pod("a-well"), pod("b-done", phase="Succeeded")
    killed = pod("c-killed", containers=[Container(name="main", restarts=2, last_termination="OOMKilled")])

    finding = pods.describe([well, done, killed])

    assert finding.summary == ("3 pods; c-killed Running on n1; main restarted 2 times; main last ended: OOMKilled")
    assert [one["name"] for one in finding.detail["pods"]] == ["c-killed", "a-well", "b-done"]


def test_a_pod_that_waits_says_for_what() -> None:
    waiting = Pod(
        namespace="argo",
        name="p",
        uid="p",
        phase="Pending",
        containers=(Container(name="main", waiting="ImagePullBackOff"),),
    )

    assert pods.describe([waiting]).summary == "1 pod; p Pending, on no node yet; main waits: ImagePullBackOff"


def test_more_pods_than_are_told_are_counted() -> None:
    finding = pods.describe([pod(f"p{n}") for n in range(pods.MOST_PODS + 5)])

    assert len(finding.detail["pods"]) == pods.MOST_PODS
    assert finding.detail["left_out"] == 5


def test_a_workflow_without_pods_or_warnings_has_empty_findings() -> None:
    assert pods.describe([]).state is FindingState.EMPTY
    assert events.describe([]).state is FindingState.EMPTY


def test_the_newest_warning_is_the_summary() -> None:
    warning = WarningEvent(reason="BackOff", message="Back-off pulling image", count=8, last_at=NOW, object="Pod/p")

    finding = events.describe([warning])

    assert finding.summary == "1 warning, newest: BackOff of Pod/p: Back-off pulling image"
    assert finding.detail["events"][0]["count"] == 8


@pytest.mark.parametrize(
    ("story", "listed", "chosen"),
    [
        (STUCK, [pod("p-extract", node_id="extract", phase="Succeeded"), pod("p-train", node_id="train")], "p-train"),
        (FAILED, [pod("p-other"), pod("p-train", node_id="train", phase="Failed")], "p-train"),
        (run(), [pod("a", phase="Succeeded"), pod("b", phase="Failed"), pod("c")], "c"),
        (run(), [pod("a", phase="Succeeded"), pod("b", phase="Failed")], "b"),
        (STUCK, [], None),
    ],
)
def test_the_log_is_that_of_the_step_that_matters(story: Workflow, listed: list[Pod], chosen: str | None) -> None:
    picked = log.choose(story, listed)

    assert (picked.name if picked else None) == chosen


def test_the_last_line_is_the_summary_of_a_log() -> None:
    finding = log.describe(pod("p"), ["first", "last", ""], Mask())

    assert finding.summary == "p: last"
    assert finding.detail["lines"] == ["first", "last", ""]


def test_a_line_is_masked_before_it_is_cut() -> None:
    line = "x" * (log.LONGEST_LINE - 20) + " AKIAIOSFODNN7EXAMPLE" + "y" * 5000

    finding = log.describe(pod("p"), [line.replace("EXAMPLEy", "EXAMPLE y")], Mask())

    assert "AKIA" not in finding.summary
    assert len(finding.detail["lines"][0]) <= log.LONGEST_LINE


def test_a_silent_log_is_an_empty_finding() -> None:
    assert log.describe(pod("p"), ["", ""], Mask()).state is FindingState.EMPTY


def past_run(mode: Mode, outcome: Outcome | None) -> PastRun:
    return PastRun(
        id=1, playbook="restart-stuck-workflow", mode=mode, outcome=outcome, reason="it moves again", started_at=NOW
    )


def test_the_past_says_how_often_and_what_was_tried() -> None:
    runs = [past_run(Mode.LIVE, Outcome.SUCCEEDED), past_run(Mode.LIVE, Outcome.FAILED)]

    finding = past.describe(Past(occurrences=3, last_at=ago(days=2), runs=runs), NOW)

    assert finding.summary == (
        "This alert fired 3 times before, last 2d ago; "
        "tried before: 1 succeeded, 1 failed; newest: restart-stuck-workflow, it moves again"
    )
    assert [told["outcome"] for told in finding.detail["runs"]] == ["succeeded", "failed"]


def test_no_past_is_an_empty_finding() -> None:
    finding = past.describe(Past(), NOW)

    assert finding.state is FindingState.EMPTY
    assert finding.summary == "This alert never fired before; nothing was tried before"


@pytest.mark.parametrize(
    ("mode", "outcome", "attempts"),
    [
        (Mode.LIVE, Outcome.SUCCEEDED, 1),
        (Mode.LIVE, None, 1),
        (Mode.PROPOSE, Outcome.FAILED, 1),
        (Mode.PROPOSE, Outcome.REJECTED, 0),
        (Mode.LIVE, Outcome.BLOCKED, 0),
        (Mode.DRY_RUN, Outcome.SIMULATED, 0),
    ],
)
def test_only_what_really_acted_is_an_attempt(mode: Mode, outcome: Outcome | None, attempts: int) -> None:
    assert Past(runs=[past_run(mode, outcome)]).attempts == attempts


ETL = Subject(namespace="argo", workflow="etl")


def test_links_lead_to_argo_the_expression_the_runbook_and_the_dashboard() -> None:
    annotations = {"runbook_url": "https://runbooks.example.org/x", "dashboard_url": "http://grafana/d/1"}

    finding = links.describe(ETL, annotations, "http://prometheus:9090/graph?g0.expr=up", "https://argo.example.org/")

    assert finding.detail == {
        "argo": "https://argo.example.org/workflows/argo/etl",
        "expression": "http://prometheus:9090/graph?g0.expr=up",
        "runbook": "https://runbooks.example.org/x",
        "dashboard": "http://grafana/d/1",
    }


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil.example.org",
        "http://",
        "https://a b",
        "https://a\n.example.org",
        "https://[::1",
        "see the wiki",
        "https://x/" + "y" * links.LONGEST,
    ],
)
def test_what_is_no_web_address_is_no_link(url: str) -> None:
    assert links.describe(ETL, {"runbook_url": url}, url, None).state is FindingState.EMPTY


@pytest.mark.parametrize(
    "subject",
    [
        Subject(),
        Subject(namespace="argo"),
        Subject(namespace="../admin", workflow="etl"),
        Subject(namespace="argo", workflow="etl/../../logout"),
        Subject(namespace="argo", workflow="ETL"),
    ],
)
def test_a_name_that_cannot_be_one_makes_no_link(subject: Subject) -> None:
    assert links.describe(subject, {}, "", "https://argo.example.org").detail == {}


def wide(count: int) -> Workflow:
    """A workflow whose DAG holds very many steps that are done, and one behind the last of them that runs."""
    names = [f"part({number})" for number in range(count)]
    dag = replace(node("etl", Phase.RUNNING, kind="DAG", started=ago(hours=7)), children=tuple(names))
    parts = [
        replace(
            node(name, Phase.SUCCEEDED, started=ago(hours=6)), boundary="etl", children=("train",) * (n == count - 1)
        )
        for n, name in enumerate(names)
    ]
    train = replace(node("train" + "x" * 500, Phase.RUNNING, started=ago(hours=5)), id="train", boundary="etl")
    return run(dag, *parts, train)


def test_the_steps_are_kept_with_what_leads_to_what() -> None:
    kept = graph_of(workflow.describe(wide(3), [], Past(), NOW).detail)

    assert [step.name for step in kept.steps][:4] == ["etl", "part(0)", "part(1)", "part(2)"]
    assert [step.then for step in kept.steps] == [(1, 2, 3), (), (), (4,), ()]
    assert [step.within for step in kept.steps] == [None, 0, 0, 0, 0]
    assert (kept.stuck, len(kept.steps[4].name), kept.left_out) == (4, graph.LONGEST_NAME, {})


def test_of_very_many_steps_those_are_kept_that_tell_something_and_the_way_to_them() -> None:
    kept = graph_of(Mask().finding(workflow.describe(wide(5_000), [], Past(), NOW)).detail)

    assert len(kept.steps) == graph.MOST_STEPS
    assert sum(kept.left_out.values()) == 5_002 - graph.MOST_STEPS
    assert kept.stuck is not None
    assert kept.steps[kept.stuck].phase == "Running"
    assert {"etl", "part(4999)"} <= {step.name for step in kept.steps}
    assert sum(len(step.then) for step in kept.steps) <= graph.MOST_LINKS


def test_a_graph_that_was_never_kept_is_an_empty_one() -> None:
    assert (graph_of({}), graph_of({"graph": {"steps": "x"}})) == (Graph(), Graph())
