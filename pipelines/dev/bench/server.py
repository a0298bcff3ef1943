"""A gateway's log search over millions of rows, for measuring its readers.

Rows are the simulator's own, with other ids and instants; a page is put together when it is asked
for. `python -m llm_usage_warehouse.dev.bench.server ROWS DAYS` prints its port and serves until
standard input closes. `/stats` tells when each request came, and forgets it.
"""

import argparse
import asyncio
import json
import sys
import threading
import time
from functools import cache

import orjson
import pendulum

from llm_usage_warehouse.simulator import Simulator, World

END = pendulum.datetime(2026, 11, 20)
"""The last row's instant, about; what a load takes for the present is a little later."""

DAY_MS = 86_400_000
VARIETY = 2000
FILLED = {
    "id": b"%d",
    "created_at": b"%d",
    "request_at": b"%d",
    # Text that never repeats, as real ids do not: repeats would be written and sorted for less.
    "request_id": b'"%d"',
    "upstream_id": b'"example-%x"',
}
"""What differs in each row of one shape, and how it is written."""

HEAD = b"HTTP/1.1 %d OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
ADMIN_KEY = "bench-example-key"


class Rows:
    """`count` log rows, evenly over `days` before `END`, none of them stored."""

    def __init__(self, count: int, days: float) -> None:
        self._count = count
        self._first = END.int_timestamp * 1000 - round(days * DAY_MS)
        self._step = days * DAY_MS / count
        self._shapes = _shapes()

    def page(self, start: int, end: int, number: int, size: int) -> bytes:
        """Return a page of the window `[start, end]` in milliseconds, newest first."""
        low, high = self._at_or_after(start), self._at_or_after(end + 1)
        last = high - (number - 1) * size
        rows = (self._row(n) for n in range(last - 1, max(low, last - size) - 1, -1))
        total = max(high - low, 0)
        return b'{"data":{"logs":[%b],"total":%d},"success":true}' % (b",".join(rows), total)

    def _created(self, number: int) -> int:
        return self._first + int(number * self._step)

    def _at_or_after(self, instant: int) -> int:
        number = max(0, int((instant - self._first) / self._step) - 2)
        while number < self._count and self._created(number) < instant:
            number += 1
        return min(number, self._count)

    def _row(self, number: int) -> bytes:
        created = self._created(number)
        values = {
            "id": number + 1,
            "created_at": created,
            "request_at": created - 900,
            "request_id": created * 1000 + number % 1000,
            "upstream_id": number,
        }
        template, names = self._shapes[number % len(self._shapes)]
        return template % tuple(values[name] for name in names)


@cache
def _shapes() -> list[tuple[bytes, list[str]]]:
    world = World(now=END.timestamp, days=3, rows_per_day=4_000)
    rows = Simulator(world, ["aiproxy"])["aiproxy"].data.rows()[:VARIETY]
    return [_shape(row) for row in rows]


def _shape(row: dict[str, object]) -> tuple[bytes, list[str]]:
    """Return a row as a template, and the names of what it is filled with, in order."""
    names = [name for name in row if name in FILLED]
    marked = orjson.dumps({**row, **{name: f"<{name}>" for name in names}}).replace(b"%", b"%%")
    for name in names:
        marked = marked.replace(f'"<{name}>"'.encode(), FILLED[name])
    return marked, names


class Gateway:
    """Answers requests over HTTP/1.1, each as soon as it is `latency` old."""

    def __init__(self, rows: Rows, latency: float) -> None:
        self._rows = rows
        self._latency = latency
        self._arrivals: list[float] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection's requests until it closes."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                status, body = self._answer(head)
                if self._latency:
                    await asyncio.sleep(self._latency)
                writer.write(HEAD % (status, len(body)) + body)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            writer.close()

    def _answer(self, head: bytes) -> tuple[int, bytes]:
        path, _, query = head.split(b" ", 2)[1].decode().partition("?")
        if path == "/stats":
            arrivals, self._arrivals = self._arrivals, []
            return 200, json.dumps(arrivals).encode()
        self._arrivals.append(time.monotonic())
        if ADMIN_KEY.encode() not in head:
            return 401, b'{"message":"unauthorized","success":false}'
        if path == "/api/logs/search":
            asked = dict(part.split("=") for part in query.split("&"))
            numbers = (
                int(asked[name])
                for name in ("start_timestamp", "end_timestamp", "page", "per_page")
            )
            return 200, self._rows.page(*numbers)
        if path == "/api/channels/all":
            return 200, b'{"data":[{"id":1,"name":"one","type":1}],"success":true}'
        # As of a release without the dashboard.
        return 404, b"404 page not found"


async def _main(rows: int, days: float, latency: float) -> None:
    gateway = Gateway(Rows(rows, days), latency)
    server = await asyncio.start_server(gateway.serve, "127.0.0.1", 0, limit=2**20)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - for the parent process
    closed = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(closed.set)

    threading.Thread(target=wait, daemon=True).start()
    await closed.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int)
    parser.add_argument("days", type=float)
    parser.add_argument("--latency", type=float, default=0.0)
    given = parser.parse_args()
    asyncio.run(_main(given.rows, given.days, given.latency))
