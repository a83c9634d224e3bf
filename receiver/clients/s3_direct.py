"""Small objects put and read by a bare signed request, without boto3's machinery around it.

boto3 spends most of the time of a small request on itself: validation, endpoint rules, hooks, parsing. Signing and
sending are its own here too, and so are its errors. Whatever is answered otherwise than with success is asked once more
through boto3, which knows all the store's ways; where that succeeds, the bare way is not the store's, and is left.
"""

import socket
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

MOST: Final = 8 * 1024 * 1024
"""Bytes of an object that is held to be small."""

_VERBS: Final = {"PUT": "PutObject", "GET": "GetObject"}
_SOME_KEY: Final = "key"
_WRITTEN: Final = 200
_READ: Final = 206
_CONNECTIONS: Final = 16
_AT_ONCE: Final = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
"""Head and body are sent apart; else the body would wait until the store has acknowledged the head, for 40 ms."""


class Direct:
    """One bucket, as far as small objects go.

    Args:
        session: boto3's, which finds and renews the credentials.
        client: boto3's, which knows where the bucket is.
        bucket: Its name.
        connect: How long a connection may take.
        read: Longest silence of the store within a request.
    """

    def __init__(self, session: Any, client: Any, bucket: str, *, connect: timedelta, read: timedelta) -> None:
        self._session = session
        self._client = client
        self._bucket = bucket
        self._timeout = (connect.total_seconds(), read.total_seconds())
        self._http: Any = None
        self._url = ""
        self._works = True

    def put(self, key: str, body: bytes, headers: Mapping[str, str]) -> bool:
        """Write an object; says whether that is sure. Where it is not, boto3 is to be asked."""
        answer = self._ask("PUT", key, headers, body)
        return answer is not None and answer.status_code == _WRITTEN

    def get(self, key: str) -> bytes | None:
        """Read an object whole; None where boto3 is to be asked, such as for a large one."""
        answer = self._ask("GET", key, {"Range": f"bytes=0-{MOST - 1}"}, b"")
        if answer is None or answer.status_code != _READ:
            return None
        found = bytes(answer.content)
        return found if answer.headers.get("Content-Range") == f"bytes 0-{len(found) - 1}/{len(found)}" else None

    def give_up(self) -> None:
        """Ask this way no more: boto3 could do what was refused here."""
        self._works = False

    def close(self) -> None:
        """Give the connections back."""
        if self._http is not None:
            self._http.close()

    def _ask(self, method: str, key: str, headers: Mapping[str, str], body: bytes) -> Any:
        credentials = self._session.get_credentials() if self._works else None
        if credentials is None:
            return None
        if self._http is None:
            self._open()
        request: Any = AWSRequest(
            method=method, url=self._url + quote(key, safe="/~"), headers=dict(headers), data=body
        )
        region = self._client.meta.region_name
        S3SigV4Auth(credentials.get_frozen_credentials(), "s3", region).add_auth(request)
        ready = request.prepare()
        # Whoever hooks into what boto3 sends sees this too.
        _, hooked = self._client.meta.events.emit_until_response(f"before-send.s3.{_VERBS[method]}", request=ready)
        return self._http.send(ready) if hooked is None else hooked

    def _open(self) -> None:
        """Learn from boto3 where the bucket is, and connect as it does."""
        asked = {"Bucket": self._bucket, "Key": _SOME_KEY}
        signed = self._client.generate_presigned_url("get_object", Params=asked)
        self._url = signed.partition("?")[0].removesuffix(_SOME_KEY)
        core: Any = self._session._session  # noqa: SLF001 - the only way to the configured bundle of certificates
        self._http = URLLib3Session(
            verify=core.get_config_variable("ca_bundle") or True,
            proxies=get_environ_proxies(self._url),
            timeout=self._timeout,
            max_pool_connections=_CONNECTIONS,
            socket_options=_AT_ONCE,
        )
