"""Serves personalities over real HTTP on loopback, one free port each, with faults on request."""

import asyncio
import importlib
import pkgutil
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from llm_usage_warehouse.simulator.world import Fault, Request, World

NOT_PERSONALITIES = {"server", "world", "__main__", "central_bank"}
"""The central bank can be played, and is no vendor: it plays only where it is named."""


@dataclass
class Personality:
    """One simulated vendor.

    Attributes:
        app: speaks the vendor's API.
        world: its clock, seed and faults.
        settings: what `.dlt/config.toml` and `secrets.toml` would hold under `[sources.<name>]`
            for this account, with `{url}` standing for `http://127.0.0.1:<port>`, and a pace that a
            server on loopback bears.
        data: whatever a test or the reconciliation of a demo may ask of the vendor's own books.
    """

    app: ASGIApp
    world: World
    settings: dict[str, Any]
    data: Any = None
    url: str = field(default="", init=False)


class FaultLayer:
    """Logs each request and, where a fault is due, answers in the vendor's stead."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self.app = app
        self.world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = await _read_body(receive)
        request = Request(
            time.monotonic(),
            scope["method"],
            scope["path"],
            scope["query_string"].decode("latin-1"),
            body,
            {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]},
        )
        self.world.enter(request)
        try:
            if self.world.latency:
                await asyncio.sleep(self.world.latency)
            fault = self.world.take_fault(f"{request.path}?{request.query}", body)
            await self._answer(fault, scope, _replay(body), send)
        finally:
            self.world.leave()

    async def _answer(
        self, fault: Fault | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        match fault.kind if fault else "none":
            case "none":
                await self.app(scope, receive, send)
            case "delay":
                await asyncio.sleep(fault.seconds if fault else 0)
                await self.app(scope, receive, send)
            case "status":
                assert fault
                await _respond(send, fault.status, "text/plain", fault.body.encode(), fault.headers)
            case "html":
                await _respond(send, 200, "text/html", b"<!doctype html><title>console</title>")
            case "empty":
                await _respond(send, 200, "application/json", b"")
            case "truncated":
                await self._truncated(scope, receive, send)
            case "drop":
                # uvicorn closes the connection of a response that ends before its length is up.
                start = {"type": "http.response.start", "status": 200}
                await send(start | {"headers": [(b"content-length", b"1000")]})
                await send({"type": "http.response.body", "body": b"{", "more_body": True})
            case kind:
                raise ValueError(f"unknown fault kind {kind!r}")

    async def _truncated(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""

        async def keep(message: Message) -> None:
            nonlocal body
            body += message.get("body", b"")

        await self.app(scope, receive, keep)
        await _respond(send, 200, "application/json", body[: len(body) // 2])


async def _read_body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body


def _replay(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _respond(
    send: Send, status: int, content_type: str, body: bytes, headers: dict[str, str] | None = None
) -> None:
    pairs = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    pairs += [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


def personality_names() -> list[str]:
    """Return the vendors that this package can play."""
    return sorted(
        module.name
        for module in pkgutil.iter_modules(
            importlib.import_module("llm_usage_warehouse.simulator").__path__
        )
        if module.name not in NOT_PERSONALITIES and not module.name.startswith("_")
    )


class Simulator:
    """Runs personalities in threads of this process.

    Use as a context manager; `simulator["aiproxy"]` is a running `Personality`.

    Args:
        world: clock, seed and size of the traffic.
        names: which personalities; all by default.
        ports: the port of a personality, where it must have the address it had before; else any
            free one.

    Raises:
        OSError: on entering, where a port is taken.
    """

    def __init__(
        self,
        world: World | None = None,
        names: list[str] | None = None,
        ports: Mapping[str, int] | None = None,
    ) -> None:
        self._ports = ports or {}
        base = world or World()
        self.personalities: dict[str, Personality] = {}
        for name in names or personality_names():
            module = importlib.import_module(f"llm_usage_warehouse.simulator.{name}")
            # Each vendor has faults and a request log of its own, over the same clock and seed.
            own = replace(base, faults=[], requests=[], _lock=threading.Lock())
            self.personalities[name] = module.create(own)
        self._servers: list[tuple[uvicorn.Server, threading.Thread]] = []

    def __getitem__(self, name: str) -> Personality:
        return self.personalities[name]

    def __enter__(self) -> Self:
        for name, personality in self.personalities.items():
            # Named as TCP, or asyncio leaves Nagle's delay of 40 ms on every answer.
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", self._ports.get(name, 0)))
            personality.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            personality.settings = _fill(personality.settings, personality.url)
            config = uvicorn.Config(
                FaultLayer(personality.app, personality.world),
                log_level="critical",
                lifespan="off",
                # The vendor's clock is the world's, and a personality says so itself.
                date_header=False,
                # A test that breaks a connection on purpose must not wait for it to drain.
                timeout_graceful_shutdown=1,
            )
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
            thread.start()
            self._servers.append((server, thread))
        while not all(server.started for server, _ in self._servers):
            time.sleep(0.01)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for server, _ in self._servers:
            server.should_exit = True
        for _, thread in self._servers:
            thread.join(timeout=5)

    def settings(self) -> dict[str, dict[str, Any]]:
        """Return the settings of every personality by source name."""
        return {name: one.settings for name, one in self.personalities.items()}


def _fill(value: Any, url: str) -> Any:
    if isinstance(value, dict):
        return {key: _fill(item, url) for key, item in value.items()}
    return value.replace("{url}", url) if isinstance(value, str) else value
