"""What all personalities share: the clock, seed and size of the traffic, faults, a request log."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Fault:
    """A response that the server gives instead of the contract's, for the next `times` requests.

    Attributes:
        kind: `status` (an error status with a plain body), `html` (200 with a web page),
            `truncated` (the right body, cut in half), `empty` (a 200 with no body), `drop` (the
            connection closed with no response) or `delay` (the right response, late).
        path: substring that a request's path or body must hold for the fault to apply.
        times: how many requests it applies to.
        status: for `status`, the HTTP status.
        headers: for `status`, extra response headers, such as Retry-After.
        body: for `status`, the body.
        skip: how many matching requests pass untouched first.
        seconds: for `delay`, how long.
    """

    kind: str
    path: str = ""
    times: int = 1
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    skip: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Request:
    """One request as the server saw it: when it arrived (monotonic seconds) and what it asked."""

    at: float
    method: str
    path: str
    query: str
    body: bytes
    headers: dict[str, str]


@dataclass
class World:
    """The state behind one simulated vendor account.

    Attributes:
        seed: the traffic is a pure function of it and of the hour of a call.
        now: the vendor's clock, in Unix seconds; a test freezes it with `world.now = lambda: 1e9`.
        days: how many days of history exist before `now` was first asked.
        rows_per_day: about how many calls a day holds.
        latency: seconds added to every response, to stand for a network.
    """

    seed: int = 1
    now: Callable[[], float] = time.time
    days: int = 14
    rows_per_day: int = 3600
    latency: float = 0.0
    faults: list[Fault] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    in_flight: int = 0
    peak_in_flight: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def random_for(self, *key: object) -> random.Random:
        """Return a generator that depends on the seed and `key` alone, in every process alike."""
        return random.Random(":".join(map(str, (self.seed, *key))))

    def take_fault(self, path: str, body: bytes) -> Fault | None:
        """Return the first fault that applies to a request, counting it off."""
        with self._lock:
            for fault in self.faults:
                if fault.times > 0 and (fault.path in path or fault.path.encode() in body):
                    if fault.skip > 0:
                        fault.skip -= 1
                        continue
                    fault.times -= 1
                    return fault
        return None

    def enter(self, request: Request) -> None:
        """Count a request in."""
        with self._lock:
            self.requests.append(request)
            self.in_flight += 1
            self.peak_in_flight = max(self.peak_in_flight, self.in_flight)

    def leave(self) -> None:
        """Count a request out."""
        with self._lock:
            self.in_flight -= 1
