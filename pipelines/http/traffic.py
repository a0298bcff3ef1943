"""Who a request is counted for: the slice in whose reading it is sent, whatever thread sends it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

_current: ContextVar["Traffic | None"] = ContextVar("traffic", default=None)


@dataclass
class Traffic:
    """Requests sent, retries included; and those of them that repeated a failed one."""

    requests: int = 0
    retries: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)


@contextmanager
def counting(traffic: Traffic) -> Iterator[Traffic]:
    """Count what is sent within, also by threads that run in a copy of this context."""
    before = _current.set(traffic)
    try:
        yield traffic
    finally:
        _current.reset(before)


def count(*, requests: int = 0, retries: int = 0) -> None:
    """Count requests for whoever is counting here."""
    traffic = _current.get()
    if traffic is not None:
        with traffic._lock:
            traffic.requests += requests
            traffic.retries += retries
