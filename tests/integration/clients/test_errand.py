"""Requests of playbooks reach the hosts that are named, and nothing else whatever a name leads to."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from ipaddress import ip_address

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import ResolveResult

from receiver.clients import errand
from receiver.clients.errand import Errands, forbidden, read_place
from receiver.model.errors import ErrandError, ErrandRefused, ErrandUnreachable, SettingsError
from receiver.sandbox.loopback import LoopbackServer

SECOND = timedelta(seconds=1)


@pytest.fixture
async def host() -> AsyncIterator[LoopbackServer]:
    async def answer(request: web.Request) -> web.Response:
        match request.path:
            case "/long":
                return web.Response(text="x" * (errand.MOST_BYTES_READ + 1))
            case "/away":
                raise web.HTTPFound("http://169.254.169.254/")
            case "/slow":
                await asyncio.sleep(30)
        return web.json_response({"said": (await request.read()).decode()}, status=201)

    async with LoopbackServer([web.route("*", "/{path:.*}", answer)]) as server:
        yield server


@pytest.fixture
def errands(host: LoopbackServer) -> Errands:
    return Errands([host.origin], timeout=SECOND)


async def test_a_request_is_made_once_with_its_key(host: LoopbackServer, errands: Errands) -> None:
    reply = await errands.request(
        "POST", f"{host.origin}/hook?x=1", body=b"hello", headers={"X-Team": "data"}, operation="run-1:2"
    )

    assert (reply.status, reply.body, reply.cut) == (201, '{"said": "hello"}', False)
    [asked] = host.faults.requests
    assert (asked.query, asked.body) == ({"x": "1"}, b"hello")
    assert (asked.headers["x-team"], asked.headers["idempotency-key"]) == ("data", "run-1:2")


async def test_a_redirect_is_an_answer_and_is_not_followed(host: LoopbackServer, errands: Errands) -> None:
    assert (await errands.request("GET", f"{host.origin}/away", operation="run-1:2")).status == 302


async def test_a_long_answer_is_cut(host: LoopbackServer, errands: Errands) -> None:
    reply = await errands.request("GET", f"{host.origin}/long", operation="run-1:2")

    assert (len(reply.body), reply.cut) == (errand.MOST_BYTES_READ, True)


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_a_lost_answer_is_not_asked_for_again(host: LoopbackServer, errands: Errands, method: str) -> None:
    host.faults.reset_after_effect()

    with pytest.raises(ErrandUnreachable):
        await errands.request(method, f"{host.origin}/hook/s3cret", operation="run-1:2")
    assert len(host.faults.requests) == 1


async def test_a_host_that_does_not_answer_is_unreachable_and_its_path_is_not_told(host: LoopbackServer) -> None:
    errands = Errands([host.origin], timeout=timedelta(milliseconds=200))

    with pytest.raises(ErrandUnreachable, match="did not answer") as slow:
        await errands.request("GET", f"{host.origin}/slow?token=s3cret", operation="run-1:2")
    assert "s3cret" not in str(slow.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example",
        "https://hooks.example.com.evil.example",
        "https://hooks.example.com:444",
        "http://hooks.example.com",
        "https://hooks.example.com@evil.example",
        "https://user:word@hooks.example.com",
        "https://evil.example#@hooks.example.com",
        "https://evil.example\\@hooks.example.com",
        "https://evil.example?@hooks.example.com",
        "//hooks.example.com",
        "file:///etc/passwd",
        "hooks.example.com",
        "https://hooks.example.com\n.evil.example",
        "https://hooks.example.com:port",
        "https://[::1",
        "",
    ],
)
async def test_a_host_that_is_not_named_is_never_asked(url: str) -> None:
    errands = Errands(["hooks.example.com"], timeout=SECOND)

    assert errands.refusal("GET", url)
    with pytest.raises(ErrandRefused, match="was not made"):
        await errands.request("GET", url, operation="run-1:2")


@pytest.mark.parametrize("url", ["https://hooks.example.com", "https://HOOKS.example.com.:443/path?query"])
def test_a_named_host_may_be_asked(url: str) -> None:
    assert Errands(["hooks.example.com"], timeout=SECOND).refusal("GET", url) == ""


@pytest.mark.parametrize(
    ("method", "body", "headers"),
    [
        ("CONNECT", b"", {}),
        ("get", b"", {}),
        ("POST", b"x" * (errand.MOST_BYTES_SENT + 1), {}),
        ("POST", b"", {"Host": "evil.example"}),
        ("POST", b"", {"idempotency-key": "mine"}),
        ("POST", b"", {"Transfer-Encoding": "chunked"}),
        ("POST", b"", {"X\r\nY": "z"}),
        ("POST", b"", {"X": "y\r\nZ: z"}),
        ("POST", b"", {"X": "y" * 5000}),
    ],
)
def test_what_a_request_may_not_be_is_said(method: str, body: bytes, headers: dict[str, str]) -> None:
    assert Errands(["hooks.example.com"], timeout=SECOND).refusal(method, "https://hooks.example.com", body, headers)


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1", "::ffff:169.254.169.254", "fe80::1%eth0"])
async def test_a_named_host_that_leads_to_this_machine_or_to_metadata_is_not_reached(
    host: LoopbackServer, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    async def lie(_: object, name: str, port: int, family: int) -> list[ResolveResult]:
        return [ResolveResult(hostname=name, host=address, port=port, family=family, proto=6, flags=0)]

    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", lie)
    port = host.origin.rpartition(":")[2]
    errands = Errands([f"http://hooks.example.com:{port}"], timeout=SECOND)

    with pytest.raises(ErrandRefused, match=r"hooks\.example\.com leads to"):
        await errands.request("GET", f"http://hooks.example.com:{port}/", operation="run-1:2")
    assert host.faults.requests == []


async def test_a_number_that_the_resolver_takes_for_this_machine_is_not_reached(host: LoopbackServer) -> None:
    port = host.origin.rpartition(":")[2]
    errands = Errands([f"http://127.1:{port}"], timeout=SECOND)

    with pytest.raises(ErrandError):
        await errands.request("GET", f"http://127.1:{port}/", operation="run-1:2")
    assert host.faults.requests == []


async def test_this_machine_is_reached_where_it_is_named_itself(host: LoopbackServer) -> None:
    port = host.origin.rpartition(":")[2]
    errands = Errands([f"http://localhost:{port}"], timeout=SECOND)

    assert (await errands.request("GET", f"http://localhost:{port}/", operation="run-1:2")).status == 201


@pytest.mark.parametrize(
    ("address", "refused"),
    [
        ("10.1.2.3", False),
        ("192.168.1.1", False),
        ("8.8.8.8", False),
        ("2001:db8::1", False),
        ("fd12::1", False),
        ("127.255.0.1", True),
        ("0.0.0.0", True),  # noqa: S104 (an address, and none that is listened on)
        ("224.0.0.1", True),
        ("168.63.129.16", True),
        ("fd00:ec2::254", True),
        ("64:ff9b::a9fe:a9fe", True),
        ("2002:7f00:1::", True),
        ("::", True),
    ],
)
def test_only_the_addresses_of_this_machine_its_link_and_metadata_are_forbidden(address: str, *, refused: bool) -> None:
    assert forbidden(ip_address(address)) is refused


@pytest.mark.parametrize("text", ["", "*", "*.example.com", "https://a/path", "ftp://a", "https://u:p@a", "a b", "a?x"])
def test_an_entry_that_is_no_host_is_a_fault_of_the_settings(text: str) -> None:
    with pytest.raises(SettingsError, match=r"http_action\.allow"):
        read_place(text)
