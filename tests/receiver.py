"""A server on loopback that takes what is sent to a webhook, and keeps it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from llm_usage_warehouse.notify_settings import NotifySettings

SECRET = "/services/T0/B0/sEcReTtOkEn"


@dataclass
class Receiver:
    """What a webhook got, and what it is to answer.

    Attributes:
        got: the path and the JSON of each message.
    """

    port: int = 0
    status: int = 200
    said: bytes = b"ok"
    headers: dict[str, str] = field(default_factory=dict)
    wait: threading.Event | None = None
    got: list[tuple[str, Any]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}{SECRET}"

    @property
    def settings(self) -> NotifySettings:
        return NotifySettings(webhook=self.address)

    def texts(self) -> list[str]:
        return [body["text"] for _, body in self.got]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run the server."""
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found.got.append((self.path, body))
            if found.wait:
                found.wait.wait(10)
            self.send_response(found.status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(found.said)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_port
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
