import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from receiver.clients.s3 import S3, Credentials
from receiver.model.errors import S3Damaged, S3Error, S3Exists, S3Forbidden, S3Missing, S3Unreachable
from receiver.settings import Hidden

KIND = "application/octet-stream"
BODY = b"a month of alerts " * 1000


@pytest.fixture
async def s3(weed: Any) -> AsyncIterator[S3]:
    client = weed.client(weed.new_bucket())
    yield client
    await client.close()


@asynccontextmanager
async def peer(answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[str]:
    """A server that answers each connection as a test wishes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def at(url: str, *, timeout: timedelta = timedelta(seconds=20)) -> S3:
    keys = Credentials(access_key="A", secret_key=Hidden("B"))
    return S3(bucket="b", region="us-west-2", endpoint_url=url, credentials=keys, timeout=timeout)


async def test_what_is_put_comes_back_byte_for_byte(s3: S3, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(BODY)

    written = await s3.put("history/a ü/1.parquet", source, kind=KIND)
    await s3.put("history/a ü/0.json", b"{}", kind="application/json")
    await s3.fetch("history/a ü/1.parquet", tmp_path / "target")
    stored = await s3.head("history/a ü/1.parquet")
    listed = await s3.listed("history/")

    assert written == hashlib.sha256(BODY).hexdigest()
    assert (tmp_path / "target").read_bytes() == await s3.get("history/a ü/1.parquet") == BODY
    assert stored is not None
    assert (stored.size, stored.sha256) == (len(BODY), written)
    assert [(one.key, one.size) for one in listed] == [("history/a ü/0.json", 2), ("history/a ü/1.parquet", len(BODY))]
    assert await s3.head("history/none") is None
    assert await s3.listed("other/") == []


async def test_bytes_that_do_not_have_their_hash_are_refused_by_the_store(s3: S3) -> None:
    with pytest.raises(S3Damaged) as refusal:
        await s3.put("k", BODY, sha256=hashlib.sha256(b"other").hexdigest(), kind=KIND)

    assert refusal.value.retryable
    assert await s3.head("k") is None


async def test_an_object_is_replaced_only_where_that_is_meant(s3: S3) -> None:
    await s3.put("k", b"1", kind=KIND)

    with pytest.raises(S3Exists):
        await s3.put("k", b"2", kind=KIND)
    before = await s3.get("k")
    await s3.put("k", b"3", fresh=False, kind=KIND)

    assert before == b"1"
    assert await s3.get("k") == b"3"


async def test_what_is_not_there_is_named(weed: Any, s3: S3, tmp_path: Path) -> None:
    nowhere = weed.client("no-such-bucket")

    with pytest.raises(S3Missing, match=r"no-such-bucket.*archive\.bucket"):
        await nowhere.check()
    with pytest.raises(S3Missing, match="no-such-key"):
        await s3.fetch("no-such-key", tmp_path / "target")
    await s3.check()
    await nowhere.close()

    assert list(tmp_path.iterdir()) == []


async def test_wrong_keys_are_said_so_and_not_shown(weed: Any) -> None:
    keys = Credentials(access_key=weed.access_key, secret_key=Hidden("hunter2"))
    stranger = weed.client(weed.new_bucket(), credentials=keys)

    with pytest.raises(S3Forbidden, match="credentials") as refusal:
        await stranger.put("k", b"1", kind=KIND)
    with pytest.raises(S3Forbidden):
        await stranger.check()
    await stranger.close()

    assert "hunter2" not in str(refusal.value) + repr(keys)


async def test_without_any_credentials_boto3s_own_chain_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    client = S3(bucket="b", region="us-west-2", endpoint_url="http://127.0.0.1:1")

    with pytest.raises(S3Forbidden, match="no credentials"):
        await client.get("k")

    await client.close()


async def test_a_store_that_is_away_or_silent_is_unreachable() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del writer
        await reader.read()

    async with peer(silent) as url:
        for client in (at("http://127.0.0.1:1"), at(url, timeout=timedelta(seconds=0.5))):
            with pytest.raises(S3Unreachable, match="does not answer") as refusal:
                await client.put("k", b"1", kind=KIND)
            await client.close()

            assert refusal.value.retryable


async def test_an_answer_that_is_cut_or_changed_leaves_no_file(tmp_path: Path) -> None:
    checksum = "x-amz-checksum-sha256: LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="  # of "hello"
    answers = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\nconnection: close\r\n\r\nhello",
        f"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n{checksum}\r\nconnection: close\r\n\r\nhallo".encode(),
    ]

    for said in answers:

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, said: bytes = said) -> None:
            del reader
            writer.write(said)
            await writer.drain()

        async with peer(answer) as url:
            client = at(url)
            with pytest.raises(S3Damaged, match="did not arrive whole"):
                await client.fetch("k", tmp_path / "target")
            await client.close()

        assert list(tmp_path.iterdir()) == []


async def test_a_server_that_fails_is_asked_once_and_may_be_asked_again() -> None:
    asked = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        asked.append(1)
        writer.write(b"HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()

    async with peer(answer) as url:
        client = at(url)
        with pytest.raises(S3Error) as refusal:
            await client.get("k")
        await client.close()

    assert (refusal.value.retryable, len(asked)) == (True, 1)


async def test_an_object_that_comes_too_slowly_is_given_up(s3: S3, tmp_path: Path) -> None:
    await s3.put("k", BODY, kind=KIND)

    with pytest.raises(S3Unreachable, match="in time"):
        await s3.fetch("k", tmp_path / "target", within=timedelta(0))

    assert list(tmp_path.iterdir()) == []
