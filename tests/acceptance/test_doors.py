"""Who is let in over HTTP, and what is answered to whoever is not."""

import re
from base64 import b64encode
from collections.abc import AsyncIterator

from yarl import URL

from receiver.sandbox.alertmanager import delivery

from .conftest import WEBHOOK, Service, Stage


async def test_only_the_right_token_opens_the_webhook(stage: Stage) -> None:
    service = await stage.serve()
    body = delivery(stage.alert("rex-implements-login"))

    statuses = {
        "none": await service.post(body, role=None),
        "wrong": await service.post(body, role=None, Authorization="Bearer wrong"),
        "wrong password": await service.post(body, role=None, Authorization=basic("wrong")),
        "viewer": await service.post(body, role="viewer"),
        "operator": await service.post(body, role="operator"),
        "basic": await service.post(body, role=None, Authorization=basic(stage.tokens["ingest"])),
        "admin": await service.post(body, role="admin"),
    }

    assert {who: answer.status for who, answer in statuses.items()} == {
        "none": 401,
        "wrong": 401,
        "wrong password": 401,
        "viewer": 403,
        "operator": 403,
        "basic": 200,
        "admin": 200,
    }
    assert "Bearer" in statuses["none"].headers["WWW-Authenticate"]
    assert await stage.rows("select count(*), max(deliveries) from alerts") == [(1, 2)]
    assert not [token for token in stage.tokens.values() if token in service.said]


async def test_a_token_for_deliveries_reads_nothing_and_a_viewers_token_acts_on_nothing(stage: Stage) -> None:
    service = await stage.serve()

    assert (await service.ask("/api/v1/alerts", role="ingest")).status == 403
    assert (await service.ask("/api/v1/alerts", role=None)).status == 401
    assert (await service.ask("/api/v1/alerts", role="viewer")).status == 200
    assert (await service.ask("/api/v1/remediations/1/cancel", method="POST", role="viewer")).status == 403
    assert (await service.ask("/api/v1/remediations/1/cancel", method="POST", role="operator")).status == 404


async def test_a_body_that_is_no_delivery_is_refused_with_its_place_and_kept(stage: Stage) -> None:
    service = await stage.serve()
    wrong = delivery(stage.alert("rex-implements-login")).replace(
        b'"status": "firing", "labels"', b'"status": 1, "labels"'
    )

    no_json = await service.post(b"\x00 is not JSON")
    no_delivery = await service.post(wrong)

    assert [no_json.status, no_delivery.status] == [400, 400]
    assert no_delivery.headers["Content-Type"] == "application/problem+json"
    assert no_delivery.json["place"] == "alerts[0].status"
    kept = (await service.ask("/api/v1/deadletters")).json["items"]
    assert [letter["id"] for letter in kept] == [no_delivery.json["deadletter_id"], no_json.json["deadletter_id"]]
    assert kept[0]["place"] == "alerts[0].status"
    assert await stage.rows("select body from dead_letters order by id") == [(b"\x00 is not JSON",), (wrong,)]
    assert await stage.rows("select count(*) from alerts") == [(0,)]


async def test_a_body_over_the_limit_is_refused_whether_or_not_it_says_its_length(stage: Stage) -> None:
    service = await stage.serve(server={"body_limit": 10_000})
    fits = delivery(stage.alert("rex-implements-login", padding="x" * 8_000))
    exceeds = delivery(stage.alert("rex-implements-login", padding="x" * 10_000))

    assert (await service.post(fits)).status == 200
    assert (await service.post(exceeds)).status == 413
    assert await posted_in_pieces(service, exceeds) == 413
    assert await posted_in_pieces(service, fits) == 200
    assert await stage.rows("select count(*) from alerts") == [(1,)]


async def posted_in_pieces(service: Service, body: bytes) -> int:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1_000):
            yield body[start : start + 1_000]

    headers = {"Authorization": f"Bearer {service.tokens['ingest']}", "Content-Type": "application/json"}
    async with service.session.post(service.url + WEBHOOK, data=pieces(), headers=headers) as answer:
        return answer.status


async def test_no_spelling_of_the_path_is_answered_with_a_redirect(stage: Stage) -> None:
    """Alertmanager follows a redirect as a GET without a body and takes its 200 for success: an alert lost."""
    service = await stage.serve()
    body = delivery(stage.alert("rex-implements-login"))
    spellings = [
        WEBHOOK,
        f"{WEBHOOK}/",
        f"/{WEBHOOK}",
        WEBHOOK.replace("/webhooks", "//webhooks"),
        f"{WEBHOOK}?cluster=a",
        f"{WEBHOOK}/?",
        f"{WEBHOOK}/more",
        WEBHOOK.upper(),
        WEBHOOK.replace("/webhooks", "/./webhooks"),
        WEBHOOK.replace("/webhooks", "/x/../webhooks"),
        WEBHOOK.replace("alertmanager", "%61lertmanager"),
        "/api/v1/webhooks",
        "/api/v1",
        "/",
    ]
    methods = ("POST", "GET", "HEAD", "PUT", "OPTIONS")

    answered = {
        (method, path): await service.ask(URL(service.url + path, encoded=True), method=method, role="admin", body=body)
        for method in methods
        for path in spellings
    }

    assert answered["POST", WEBHOOK].status == 200
    assert answered["POST", f"{WEBHOOK}?cluster=a"].status == 200
    assert {how: answer.status for how, answer in answered.items() if 300 <= answer.status < 400} == {}
    assert {how: answer.status for how, answer in answered.items() if answer.status >= 500} == {}
    wrong = {path: answer.status for (method, path), answer in answered.items() if (method, path[-1:]) == ("GET", "r")}
    assert wrong[WEBHOOK] == 405


async def test_without_tokens_this_machine_reads_and_delivers_and_nobody_else_does(stage: Stage) -> None:
    service = await stage.serve(auth=None)
    body = delivery(stage.alert("rex-implements-login"))

    assert (await service.ask("/api/v1/alerts", role=None)).status == 200
    assert (await service.post(body, role=None)).status == 200
    for header in ("X-Forwarded-For", "X-Forwarded-Host", "Forwarded"):
        passed = {header: "10.0.0.1"}
        assert (await service.ask("/api/v1/alerts", role=None, body=None, **passed)).status == 403, header
        assert (await service.post(body, role=None, **passed)).status == 403, header
    assert (await service.ask("/api/v1/alerts", role=None, Host="receiver.example.org")).status == 403
    assert (await service.ask("/api/v1/alerts", role=None, Origin="https://evil.example")).status == 403


async def test_without_tokens_acting_needs_the_token_that_was_printed(stage: Stage) -> None:
    service = await stage.serve(auth=None)
    found = re.search(r"log in as the admin of this run: http://\S+/login#(\S+)", service.said)
    assert found, service.said

    cancel = "/api/v1/remediations/1/cancel"
    assert (await service.ask(cancel, method="POST", role=None)).status == 401
    assert (await service.ask(cancel, method="POST", role=None, Authorization="Bearer wrong")).status == 401
    assert (await service.ask(cancel, method="POST", role=None, Authorization=f"Bearer {found[1]}")).status == 404
    assert service.said.count(found[1]) == 1


async def test_health_is_open_to_everybody(stage: Stage) -> None:
    service = await stage.serve()

    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await service.ask(path, role=None)).status == 200, path


def basic(password: str) -> str:
    return f"Basic {b64encode(f'alertmanager:{password}'.encode()).decode()}"
