"""A small web server for figures and health: open to the kubelet and to Prometheus, which have no token."""

import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore, Thread
from typing import Any, ClassVar, Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from receiver.agent.trouble import AgentError

_MOST_AT_ONCE: Final = 32
"""Requests; whoever knocks beyond is turned away, so that nobody can fill a small container with threads."""

_PATIENCE: Final = 10.0
"""Seconds that a client may be silent: as long as Prometheus waits for a scrape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """An answer."""

    status: int
    content_type: str
    body: bytes


Pages = Mapping[str, Callable[[str], Page]]
"""By path, what makes the page, out of what the client accepts."""


def figures(registry: CollectorRegistry) -> Callable[[str], Page]:
    """Give the page of a registry, in the form that the client asks for."""

    def page(accept: str) -> Page:
        encode, content_type = choose_encoder(accept)
        return Page(status=200, content_type=content_type, body=encode(registry))

    return page


@contextmanager
def listening(host: str, port: int, pages: Pages) -> Iterator[int]:
    """Answer for as long as the context lasts, and give the port; at its end what was begun is answered.

    Raises:
        AgentError: The address is not to be had.
    """

    class Answering(_Answering):
        known = pages

    try:
        server = _Server((host, port), Answering)
    except (OSError, OverflowError) as error:
        raise AgentError(f"nothing can listen on {host}:{port}: {error}. Choose another --port") from error
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="listening")
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], answering: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._free: Final = BoundedSemaphore(_MOST_AT_ONCE)
        super().__init__(address, answering)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):  # else a client went away
            super().handle_error(request, client_address)


class _Answering(BaseHTTPRequestHandler):
    known: ClassVar[Pages] = {}
    timeout = _PATIENCE
    server_version = "receiver"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer one request."""
        make = self.known.get(self.path.partition("?")[0])
        if make is None:
            page = Page(status=404, content_type="text/plain; charset=utf-8", body=b"there is /health and /metrics\n")
        else:
            page = make(self.headers.get("Accept", ""))
        self.send_response(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(page.body)))
        self.end_headers()
        self.wfile.write(page.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name and arguments of the library
        """Say nothing of each probe."""
