from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

NOW: Final = datetime(2026, 11, 24, 3, 22, 31, 673412, UTC)
HOSTILE: Final = {
    "alertname": "</script><img src=x onerror=alert(1)>",
    "severity": "critical",
    "grüße": "\u202e😀 \u2028 \"'\\ ${jndi} {{7*7}} %s",
    "empty": "",
}


async def test_an_alert_is_told_with_exactly_the_promised_members(site: Any, records: Any) -> None:
    alert = await records.alert(
        labels=HOSTILE,
        annotations={"summary": "<!channel> &amp;"},
        namespace="taskmaster",
        workflow="etl-42",
        group_key="{}:{a}",
        generator_url="javascript:alert(1)",
        incident_id=7,
        deliveries=3,
        last_seen_at=NOW + timedelta(seconds=5),
        status="resolved",
        ends_at=NOW + timedelta(seconds=4),
    )

    one = await site.get(f"/api/v1/alerts/{alert}")
    listed = await site.get("/api/v1/alerts")

    assert one.json() == {
        "id": alert,
        "fingerprint": "c0ffee0000000000",
        "status": "resolved",
        "inferred": False,
        "alertname": HOSTILE["alertname"],
        "severity": "critical",
        "cluster": "",
        "namespace": "taskmaster",
        "workflow": "etl-42",
        "labels": HOSTILE,
        "annotations": {"summary": "<!channel> &amp;"},
        "starts_at": "2026-11-24T03:22:31.673412Z",
        "ends_at": "2026-11-24T03:22:35.673412Z",
        "first_seen_at": "2026-11-24T03:22:31.673412Z",
        "last_seen_at": "2026-11-24T03:22:36.673412Z",
        "deliveries": 3,
        "group_key": "{}:{a}",
        "receiver": "receiver",
        "generator_url": "javascript:alert(1)",
        "incident_id": 7,
    }
    assert listed.json() == {"items": [one.json()], "next": None, "previous": None, "tiers": ["postgres"]}
    assert one.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "query",
    [
        {"status": "firing"},
        {"alertname": "A b"},
        {"severity": "warning"},
        {"namespace": "taskmaster", "workflow": "etl-42"},
        {"fingerprint": "00000000000000aa"},
        {"label": ["path=/srv a,{b}", "severity!=critical"]},
        {"label": ['path=~"/srv.*"']},
        {"label": ["path=~/srv.*", "team!~."]},
        {"since": "2026-11-24T04:00:00+00:00"},
        {"q": "SRV disk"},
    ],
)
async def test_each_filter_of_alerts_finds_what_it_names(site: Any, records: Any, query: dict[str, Any]) -> None:
    await records.alert(status="resolved", labels={"alertname": "B", "severity": "critical", "team": "b"})
    wanted = await records.alert(
        fingerprint="00000000000000aa",
        starts_at=NOW + timedelta(hours=1),
        namespace="taskmaster",
        workflow="etl-42",
        labels={"alertname": "A b", "severity": "warning", "path": "/srv a,{b}"},
        annotations={"summary": "Disk full"},
    )

    answer = await site.get("/api/v1/alerts", params=query)

    assert [one["id"] for one in answer.json()["items"]] == [wanted]


async def test_pages_are_walked_by_their_cursors(site: Any, records: Any) -> None:
    ids = [await records.alert(fingerprint=f"{number:016x}") for number in range(5)]

    seen, cursor = [], None
    while True:
        page = (await site.get("/api/v1/alerts", params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        seen += [one["id"] for one in page["items"]]
        if (cursor := page["next"]) is None:
            break
    back = (await site.get("/api/v1/alerts", params={"limit": 2, "cursor": page["previous"]})).json()

    assert seen == ids[::-1]
    assert [one["id"] for one in back["items"]] == seen[2:4]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("alertnam=A", "did you mean 'alertname'?"),
        ("status=burning", "status"),
        ("limit=501", "limit"),
        ("limit=many", "limit"),
        ("cursor=nonsense", "cursor"),
        ("since=yesterday", "since"),
        ("until=2026-13-01T00:00:00Z", "until"),
        ("since=0001-01-01T00:00:00%2B23:00", "since"),
        ("label=novalue", "label"),
        ("label=a%3D~(", "regular expression"),
        ("label=a%3D~(%3FP%3Cn%3Ez)", "label"),
        ("q=a+b+c+d+e+f+g+h+i", "q"),
    ],
)
async def test_what_is_wrong_with_a_question_is_said(site: Any, query: str, said: str) -> None:
    answer = await site.get(f"/api/v1/alerts?{query}")

    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in answer.json()["detail"]


async def test_hostile_values_are_values(site: Any, records: Any) -> None:
    await records.alert()
    names = ["alertname", "namespace", "workflow", "severity", "q", "label=x", "label=~x", "fingerprint"]
    values = ["%00", "%FF%FE", "%ED%A0%80", "'%3B drop table alerts%3B--", "%F0%9F%98%80" * 300]

    answers = [await site.get(f"/api/v1/alerts?{name}={value}") for name in names for value in values]

    assert {answer.status_code for answer in answers} == {200, 400}
    assert [answer.json()["items"] for answer in answers if answer.status_code == 200] == [[]] * sum(
        answer.status_code == 200 for answer in answers
    )


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/alerts/202611-1",
        "/api/v1/alerts/none",
        "/api/v1/alerts/%00/timeline",
        "/api/v1/incidents/1",
        "/api/v1/incidents/x",
        "/api/v1/incidents/99999999999999999999999999",
        "/api/v1/incidents/1/timeline",
        "/api/v1/remediations/1",
        "/api/v1/playbooks/none",
        "/api/v1/nothing",
        "/nothing",
        "/schema/nothing",
    ],
)
async def test_what_is_not_there_is_404_as_a_problem(site: Any, path: str) -> None:
    answer = await site.get(path)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 404
    assert answer.json()["detail"] not in {"", "Not Found"}


async def test_a_wrong_method_is_405_with_the_right_ones(site: Any) -> None:
    answer = await site.ask("DELETE", "/api/v1/alerts", role="admin")

    assert (answer.status_code, answer.headers["content-type"]) == (405, "application/problem+json")
    assert "GET" in answer.headers["allow"]


async def test_an_incident_comes_with_its_story(site: Any, records: Any) -> None:
    number = await records.incident()
    alert = await records.alert(incident_id=number)
    run = await records.run(incident_id=number)
    await records.finding(incident_id=number)
    await records.event(incident_id=number, alert_id=alert)

    listed = (await site.get("/api/v1/incidents?state=open&workflow=etl-42")).json()["items"]
    story = (await site.get(f"/api/v1/incidents/{number}")).json()
    told = (await site.get(f"/api/v1/incidents/{number}/timeline")).json()["items"]
    told_of_alert = (await site.get(f"/api/v1/alerts/{alert}/timeline")).json()["items"]

    assert [one["id"] for one in listed] == [number]
    assert story == listed[0] | {name: story[name] for name in ("alerts", "findings", "remediations")}
    assert [one["id"] for one in story["alerts"]] == [alert]
    assert [one["id"] for one in story["remediations"]] == [run]
    assert story["findings"][0]["took_seconds"] == 0.012
    assert [one["kind"] for one in told] == ["alert.fired"]
    assert told == told_of_alert


async def test_what_was_decided_said_and_not_understood_is_listed(site: Any, records: Any) -> None:
    decision = await records.decision(incident_id=3)
    message = await records.message(incident_id=3)
    letter = await records.dead_letter()
    await records.playbook()

    decisions = (await site.get("/api/v1/decisions?incident=3&outcome=blocked")).json()["items"]
    messages = (await site.get("/api/v1/outbox?state=pending&place=slack&incident=3")).json()["items"]
    letters = (await site.get("/api/v1/deadletters")).json()["items"]
    playbooks = (await site.get("/api/v1/playbooks")).json()["items"]
    playbook = (await site.get("/api/v1/playbooks/restart-stuck-workflow")).json()

    assert [(one["id"], one["checks"][0]["guard"]) for one in decisions] == [(decision, "cooldown")]
    assert [(one["id"], one["payload"]) for one in messages] == [(message, {"text": "x"})]
    assert [(one["id"], one["size"]) for one in letters] == [(letter, 1)]
    assert playbook == playbooks[0] | {"text": "name: restart-stuck-workflow\n"}


async def test_the_description_is_valid_and_names_every_path(site: Any) -> None:
    answers = [await site.get(path) for path in ("/schema", "/schema/openapi.json")]
    document = answers[0].json()

    OpenAPIV31SpecValidator(document).validate()
    paths = set(document["paths"])

    assert document["openapi"].startswith("3.1")
    assert answers[0].content == answers[1].content
    assert paths >= {
        "/api/v1/webhooks/alertmanager",
        "/api/v1/alerts",
        "/api/v1/alerts/{alert_id}",
        "/api/v1/alerts/{alert_id}/timeline",
        "/api/v1/incidents",
        "/api/v1/incidents/{incident_id}",
        "/api/v1/incidents/{incident_id}/timeline",
        "/api/v1/playbooks",
        "/api/v1/playbooks/{name}",
        "/api/v1/playbooks/{name}/runs",
        "/api/v1/playbooks/{name}/backtests",
        "/api/v1/playbooks/{name}/backtests/{request_id}",
        "/api/v1/requests/{request_id}",
        "/api/v1/remediations",
        "/api/v1/remediations/{run_id}",
        "/api/v1/remediations/{run_id}/evidence",
        "/api/v1/remediations/{run_id}/evidence/{step}",
        "/api/v1/remediations/{run_id}/approve",
        "/api/v1/remediations/{run_id}/reject",
        "/api/v1/remediations/{run_id}/cancel",
        "/api/v1/decisions",
        "/api/v1/outbox",
        "/api/v1/deadletters",
        "/api/v1/deadletters/{letter_id}",
        "/api/v1/deadletters/{letter_id}/replay",
        "/api/v1/deadletters/{letter_id}/discard",
        "/api/v1/outbox/{message_id}",
        "/api/v1/outbox/{message_id}/replay",
        "/api/v1/stats",
        "/api/v1/events/stream",
        "/healthz",
        "/readyz",
        "/metrics",
    }


async def test_the_description_words_refusals_as_the_answers_do(site: Any) -> None:
    document = (await site.get("/schema")).json()
    wrong = await site.get("/api/v1/alerts?limit=none")

    refusals = {
        (path, method, status): answer
        for path, item in document["paths"].items()
        for method, operation in item.items()
        for status, answer in operation["responses"].items()
        if status >= "400"
    }

    assert ("/api/v1/alerts", "get", str(wrong.status_code)) in refusals
    assert ("/api/v1/alerts", "get", "401") in refusals
    assert ("/healthz", "get", "401") not in refusals
    assert {media for answer in refusals.values() for media in answer["content"]} == {wrong.headers["content-type"]}
    wanted = document["paths"]["/api/v1/alerts"]["get"]["responses"]["400"]["content"][wrong.headers["content-type"]]
    assert set(wanted["schema"]["required"]) <= wrong.json().keys()


async def test_without_a_database_questions_are_503_and_may_be_asked_again(site_without_database: Any) -> None:
    answer = await site_without_database.get("/api/v1/alerts")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "nowhere" not in answer.text
