"""Logging in at a provider, against one with real keys that can go wrong."""

import html
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from receiver.clients import provider as room
from receiver.clients.provider import Provider
from receiver.settings import Hidden
from receiver.settings.entering import Oidc
from receiver.store.database import Database
from receiver.web.people import People
from tests.integration.provider import CLIENT, SECRET, StandIn

BROWSER = {"accept": "text/html"}
ROLES: dict[str, Any] = {"sre": "operator", "lead": "admin", "all": "viewer"}


@dataclass
class Office:
    """A service with a provider beside it."""

    site: Any
    provider: StandIn

    async def led(self, path: str = "/login/oidc") -> httpx.Response:
        """Ask to log in."""
        answer: httpx.Response = await self.site.client.get(path, headers=BROWSER)
        return answer

    async def back(self, led: httpx.Response, change: Callable[[str], str] = str) -> httpx.Response:
        """Log in at the provider, and come back from there."""
        address = urlsplit(change(self.provider.log_in(led.headers["location"])))
        answer: httpx.Response = await self.site.client.get(f"{address.path}?{address.query}", headers=BROWSER)
        return answer

    async def logged_in(self) -> httpx.Response:
        """Do both."""
        return await self.back(await self.led())


def client(oidc: Oidc) -> Provider:
    return Provider(oidc.issuer, client_id=oidc.client_id, secret=oidc.secret.reveal, timeout=timedelta(seconds=60))


@pytest.fixture
async def office(database: Database, serving: Any) -> AsyncIterator[Office]:
    async with StandIn() as stand_in:
        oidc = Oidc(issuer=stand_in.origin, client_id=CLIENT, client_secret=Hidden(SECRET), roles=ROLES)
        async with client(oidc) as provider:
            people = People(oidc, provider, public_url="http://127.0.0.1")
            async with serving(database, people=people) as site:
                yield Office(site, stand_in)


def said(answer: httpx.Response) -> str:
    return html.unescape(answer.text)


async def test_somebody_logs_in_acts_by_his_role_under_his_name_and_logs_out(office: Office) -> None:
    asks = await office.led("/login?next=/history")
    led = await office.led("/login/oidc?next=/history%3Fq%3Dx")
    back = await office.back(led)
    page = await office.site.client.get("/", headers=BROWSER)
    pause = await office.site.client.post(
        "/api/v1/remediations/pause",
        json={"reason": "x"},
        headers={"origin": str(office.site.client.base_url).rstrip("/")},
    )
    elsewhere = await office.site.client.post("/logout", headers={"origin": "https://evil.example"})
    out = await office.site.client.post("/logout", headers={"origin": str(office.site.client.base_url).rstrip("/")})
    after = await office.site.client.get("/", headers=BROWSER)

    assert "Log in at 127.0.0.1" in asks.text
    assert (back.status_code, back.headers["location"]) == (303, "/history?q=x")
    assert "ann@example.org" in page.text
    assert (pause.status_code, "role admin, which ann@example.org does not have" in pause.text) == (403, True)
    assert (elsewhere.status_code, out.status_code) == (403, 303)
    assert (after.status_code, after.headers["location"]) == (303, "/login?next=%2F")


async def test_what_browsers_keep_tells_nothing_and_is_sent_to_nobody_else(office: Office) -> None:
    led = await office.led()
    asked = {name: values[0] for name, values in parse_qs(urlsplit(led.headers["location"]).query).items()}
    back = await office.back(led)

    begun, (session, gone) = led.headers["set-cookie"], back.headers.get_list("set-cookie")
    assert all("httponly" in one.lower() and "samesite=lax" in one.lower() for one in (begun, session, gone))
    assert all(secret not in begun for secret in (asked["state"], asked["nonce"], asked["code_challenge"]))
    assert gone.startswith('receiver-login=""')
    assert "Max-Age=600" in begun
    assert SECRET not in led.headers["location"]


async def test_nobody_is_led_away_by_logging_in(office: Office) -> None:
    for goal in ("//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"):
        back = await office.back(await office.led(f"/login/oidc?next={goal}"))
        assert back.headers["location"] == "/", goal


LIES: dict[str, tuple[dict[str, Any], str]] = {
    "another nonce": ({"change": {"nonce": "of another attempt"}}, "belongs to another attempt"),
    "no nonce": ({"change": {"nonce": None}}, "does not say nonce"),
    "a list of nonces": ({"change": {"nonce": []}}, "belongs to another attempt"),
    "expired": ({"change": {"exp": 1_700_000_000}}, "is over already"),
    "never over": ({"change": {"exp": None}}, "does not say exp"),
    "no time": ({"change": {"exp": "tomorrow"}}, "its claim exp is none"),
    "from the future": ({"change": {"iat": 4_000_000_000}}, "lies in the future"),
    "a foreign audience": ({"change": {"aud": "another"}}, "is meant for another service"),
    "a foreign party": ({"change": {"aud": [CLIENT, "another"], "azp": "another"}}, "is meant for another service"),
    "two audiences and no party": ({"change": {"aud": [CLIENT, "another"]}}, "is meant for another service"),
    "another issuer": ({"change": {"iss": "https://evil.example"}}, "another provider made it"),
    "nobody": ({"change": {"sub": ""}}, "its claim sub is none"),
    "not signed": ({"algorithm": "none"}, "signed by 'none'"),
    "signed with the published key": ({"algorithm": "HS256"}, "signed by 'HS256'"),
    "an algorithm that is not allowed": ({"algorithm": "RS512"}, "allows RS256"),
    "an unknown key": ({"signs": "two"}, "a key that the provider does not publish"),
    "a forged key": ({"signs": "two", "header": {"kid": "one"}}, "the signature of the provider's token is wrong"),
    "a critical header": ({"header": {"crit": ["odd"], "odd": 1}}, "is refused"),
    "another provider leads back": ({"returns": {"iss": "https://evil.example"}}, "another provider led here"),
    "refused there": ({"returns": {"error": "access_denied", "code": ""}}, "the provider says that you may not"),
    "a hostile error": ({"returns": {"error": "<script>x", "code": ""}}, "answered scriptx: log in once more"),
    "no code": ({"returns": {"code": ""}}, "without a code"),
    "a foreign code": ({"returns": {"code": "stolen"}}, "refused the code"),
    "no role": ({"person": {"email": "eve@example.org", "groups": ["guests"]}}, "it says guests. Ask whoever runs"),
    "no groups": ({"person": {"email": "eve@example.org"}}, "auth.oidc.roles"),
}


async def test_what_does_not_prove_who_somebody_is_lets_nobody_in_and_says_why(office: Office) -> None:
    right = {
        name: getattr(office.provider, name) for name in ("change", "algorithm", "signs", "header", "returns", "person")
    }
    answers = {}
    for lie, (wrong, _) in LIES.items():
        for name, value in {**right, **wrong}.items():
            setattr(office.provider, name, value)
        answers[lie] = await office.logged_in()

    assert {lie: answer.status_code for lie, answer in answers.items()} == dict.fromkeys(LIES, 403)
    assert [lie for lie, (_, why) in LIES.items() if why not in said(answers[lie])] == []
    assert all("set-cookie" not in answer.headers for answer in answers.values())


async def test_only_the_browser_that_began_comes_back_and_only_in_time_and_with_what_it_began(office: Office) -> None:
    led = await office.led()
    address = office.provider.log_in(led.headers["location"])
    way = f"{urlsplit(address).path}?{urlsplit(address).query}"
    other = httpx.AsyncClient(base_url=office.site.client.base_url)

    of_another = await other.get(way, headers=BROWSER)
    with_a_forged_cookie = await other.get(way, headers={**BROWSER, "cookie": "receiver-login=WzQ.AAAA"})
    with_another_state = await office.back(led, lambda back: back.replace("state=", "state=x"))
    in_time = await office.site.client.get(way, headers=BROWSER)
    again = await office.site.client.get(way, headers=BROWSER)
    await other.aclose()

    refused = [of_another, with_a_forged_cookie, with_another_state, again]
    assert [answer.status_code for answer in refused] == [403] * 4
    assert all("log in once more" in answer.text for answer in refused)
    assert in_time.status_code == 303


async def test_a_change_of_keys_and_headers_of_the_future_need_nothing(office: Office) -> None:
    before = await office.logged_in()
    office.provider.signs, office.provider.published = "two", ("one", "two")
    office.provider.header = {"of_the_future": 1}
    after = await office.logged_in()
    office.provider.header = {"kid": None}
    nameless = await office.logged_in()

    assert [answer.status_code for answer in (before, after, nameless)] == [303] * 3


async def test_the_highest_of_several_roles_counts(office: Office) -> None:
    office.provider.person = {"email": "ann@example.org", "groups": ["all", "lead", "sre", 7]}
    await office.logged_in()

    pause = await office.site.client.post(
        "/api/v1/remediations/pause",
        json={"reason": "x"},
        headers={"origin": str(office.site.client.base_url).rstrip("/")},
    )

    assert pause.status_code == 200


async def test_a_provider_that_is_down_is_not_asked_by_each_who_opens_the_page(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.provider.faults.reset_before_effect(times=None)
    first, second = await office.led(), await office.led()
    asked = office.provider.faults.seen()
    by_token = await office.site.get("/api/v1/alerts")

    office.provider.faults.clear()
    monkeypatch.setattr(room, "DOWN_FOR", timedelta())
    up = await office.logged_in()
    office.provider.faults.answer(503, path="/token")
    down_again = await office.logged_in()

    assert [answer.status_code for answer in (first, second, up, down_again)] == [503, 503, 303, 503]
    assert "or log in with a token" in said(first)
    assert len(asked) == 1
    assert by_token.status_code == 200


async def test_a_provider_that_is_set_up_wrongly_is_told_from_one_that_is_down(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "DOWN_FOR", timedelta())
    reasons: dict[str, dict[str, Any]] = {
        "they must be the same to the letter": {"issuer": "https://other.example"},
        "names an address that cannot be used": {"token_endpoint": "http://provider.example/token"},
        "does not answer as OpenID Connect wants it": {"jwks_uri": 7},
    }
    for why, wrong in reasons.items():
        office.provider.discovery = wrong
        answer = await office.led()
        assert answer.status_code == 403, why
        assert why in said(answer)


async def test_a_provider_that_wants_the_secret_in_the_form_gets_it_there(office: Office) -> None:
    office.provider.discovery = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}

    assert (await office.logged_in()).status_code == 303


async def test_without_a_provider_the_way_to_it_is_absent(site: Any) -> None:
    answers = [await site.client.get(path, headers=BROWSER) for path in ("/login/oidc", "/login/oidc/callback?code=x")]

    assert [answer.status_code for answer in answers] == [404, 404]
