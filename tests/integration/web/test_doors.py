from typing import Any

import pytest
from litestar.handlers import BaseRouteHandler

from receiver.web.access import needed
from receiver.webhook.access import HELD, Role

OPEN = {"/healthz", "/readyz", "/metrics"}
CONSOLE_OPEN = {"/login", "/login/oidc", "/login/oidc/callback", "/logout", "/assets/1/1"}
"""What is needed to log in, and to log out."""
WEBHOOK = "/api/v1/webhooks/alertmanager"
SIGNED = "/api/v1/slack/interactions"
"""Looks at its callers itself, by Slack's signature."""


def routes(app: Any) -> list[tuple[str, str, BaseRouteHandler]]:
    """List method, path and handler of everything that the application answers."""
    found: list[tuple[str, str, BaseRouteHandler]] = []
    for route in app.routes:
        path = route.path
        for component in route.path_components:
            if not isinstance(component, str):
                path = path.replace(f"{{{component.full}}}", "1")
        if hasattr(route, "route_handler_map"):
            found += [(method, path, entry[0]) for method, entry in route.route_handler_map.items()]
        else:
            found.append(("POST", path, route.route_handler))
    return found


async def test_nobody_gets_anything_without_a_token_but_what_is_open(site: Any) -> None:
    every = [(method, path, handler) for method, path, handler in routes(site.app) if path not in {WEBHOOK, SIGNED}]

    answers = {
        (method, path): (await site.ask(method, path, role=None))
        for method, path, _ in every
        if path not in OPEN | CONSOLE_OPEN
    }
    opened = [(await site.get(path, role=None)).status_code for path in sorted(OPEN)]

    assert len(answers) > 20
    assert {answer.status_code for answer in answers.values()} == {401}
    assert {answer.headers["content-type"] for answer in answers.values()} == {"application/problem+json"}
    assert all("Bearer" in answer.headers["www-authenticate"] for answer in answers.values())
    assert {path for _, path, handler in every if needed(handler) is None} == OPEN | CONSOLE_OPEN
    assert opened == [200, 200, 200]


async def test_each_role_gets_what_it_may_and_nothing_else(site: Any) -> None:
    for method, path, handler in routes(site.app):
        role = needed(handler)
        if role is None or path in {"/api/v1/events/stream", "/live"}:
            continue
        for held in Role:
            answer = await site.ask(method, path, role=held.value)
            allowed = role in HELD[held]
            assert (answer.status_code != 403) is allowed, (method, path, held)


async def test_a_wrong_token_is_nobody_and_a_password_is_a_token(site: Any) -> None:
    wrong = await site.client.get("/api/v1/alerts", headers={"authorization": "Bearer wrong"})
    basic = await site.client.get("/api/v1/alerts", auth=("anyone", "viewer-token"))

    assert (wrong.status_code, basic.status_code) == (401, 200)


@pytest.mark.parametrize(
    "path", [WEBHOOK, f"{WEBHOOK}/", "//api/v1//webhooks/alertmanager", f"{WEBHOOK}//", f"/{WEBHOOK}"]
)
async def test_no_spelling_of_the_webhook_is_redirected(site: Any, path: str) -> None:
    url = site.client.base_url.copy_with(raw_path=path.encode())

    answers = [await site.client.request(method, url, content=b"{}") for method in ("POST", "GET", "PUT")]

    assert [answer.text for answer in answers] == ["POST at the door", "GET at the door", "PUT at the door"]


@pytest.mark.parametrize(
    "path", ["/api/v1/webhooks", "/api/v1/webhooks/alertmanager/x", "/api/v1/webhooks/Alertmanager"]
)
async def test_what_is_not_the_webhook_is_404_and_no_redirect(site: Any, path: str) -> None:
    answer = await site.ask("POST", path, role="ingest")

    assert answer.status_code == 404


async def test_every_answer_forbids_guessing_keeping_and_loading(site: Any) -> None:
    paths = ["/", "/api/v1/alerts", "/nothing", "/healthz", "/schema", WEBHOOK]

    answers = [await site.get(path) for path in paths] + [await site.get("/api/v1/alerts", role=None)]

    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_an_error_of_ours_tells_nothing_of_our_insides(site: Any, records: Any) -> None:
    await records.decision(mode="no such mode")

    answer = await site.get("/api/v1/decisions")

    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "mode" not in answer.text
    assert "Traceback" not in answer.text
