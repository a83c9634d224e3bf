import pytest

from receiver.remediate.actions import Effect, Means, known
from receiver.remediate.rights import READING, effects_of, missing, role, rules, uses
from tests.unit.remediate.scenes import PLAYBOOK, World, playbook

TEXT = PLAYBOOK.text[: PLAYBOOK.text.index("steps:")] + "steps: [{STEP}]\nhold_notifications: 1h\n"


def allowed(found: list[dict[str, list[str]]]) -> set[tuple[str, str, str]]:
    return {(rule["apiGroups"][0], rule["resources"][0], verb) for rule in found for verb in rule["verbs"]}


def test_without_playbooks_only_reading_is_allowed() -> None:
    verbs = {verb for _, _, verb in allowed(rules([]))}

    assert verbs == {"get", "list", "watch"}
    assert len(rules([])) == len(READING)


def test_a_role_holds_what_its_playbooks_do_and_no_more() -> None:
    added = allowed(rules([PLAYBOOK])) - allowed(rules([]))

    assert added == {("argoproj.io", "workflows", "patch"), ("argoproj.io", "workflows", "create")}


def test_a_step_that_stands_for_others_needs_the_rights_of_all_of_them() -> None:
    restarting = playbook(TEXT.replace("{STEP}", "{workflow.restart: {}}"))

    assert ("", "pods", "delete") in allowed(rules([restarting]))
    assert {effect.name for effect in effects_of(restarting)} >= {"workflow.stop", "workflow.resubmit"}


def test_each_right_names_the_actions_that_need_it() -> None:
    found = uses(effects_of(PLAYBOOK))

    assert found["patch", "argoproj.io", "workflows"] == ["workflow.terminate"]
    assert found["create", "argoproj.io", "workflows"] == ["workflow.resubmit"]
    assert found["get", "argoproj.io", "workflows"] == ["workflow.terminate", "workflow.resubmit"]


def test_a_role_is_bound_to_the_account_of_the_service() -> None:
    _, binding = role([PLAYBOOK], "argo", "monitoring/receiver")

    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "receiver", "namespace": "monitoring"}]
    assert binding["metadata"]["namespace"] == "argo"


@pytest.mark.parametrize(
    ("step", "means", "said"),
    [
        ("{workflow.suspend: {}}", World().means, ""),
        (
            "{workflow.suspend: {}}",
            Means(),
            "workflow.suspend cannot work, since a Kubernetes cluster is not configured",
        ),
        (
            "{workflow.retry: {}}",
            World().means,
            "workflow.retry cannot work, since Argo Server is not configured: set argo",
        ),
        ("{workflow.delete: {}}", World().means, "an archive of finished workflows is not configured"),
        ("{http.request: {url: 'https://a.example'}}", World().means, "name it in http_action.allow"),
        ("{alertmanager.silence: {for: 1h}}", World().means, "set alertmanager.url"),
        ("{notify: {text: hello}}", Means(), ""),
    ],
)
def test_what_is_not_configured_is_named_with_the_setting(step: str, means: Means, said: str) -> None:
    found = missing(playbook(TEXT.replace("{STEP}", step)), means)

    assert (said in found) if said else (found == "")


def test_every_verb_of_every_action_is_one_that_kubernetes_has() -> None:
    verbs = {
        verb
        for action in known().values()
        if isinstance(action, Effect)
        for grant in action.grants
        for verb in grant.verbs
    }

    assert verbs <= {"get", "list", "watch", "create", "update", "patch", "delete"}
