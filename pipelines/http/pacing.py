"""How fast requests go: a pace that is never exceeded, and a brake that the vendor can press."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable

MARGIN = 0.025
"""Seconds that a full second's requests are spread beyond it: as much as their way to the vendor
may differ."""

EVENNESS = 0.9
"""How near to evenly spaced requests are, at least: what is late may be caught up by the rest."""

RECOVERY = 0.05
"""By which share of the pace a brake is released in each second."""

Sleep = Callable[[float], None]


class StoppedError(Exception):
    """The client was closed: nobody waits for its answers any more."""


class Pacer:
    """Lets threads pass one by one, never more than a pace in any second.

    Args:
        per_second: the pace; fractions are fine.
        sleep: waits; raises to end the waiting.
    """

    def __init__(self, per_second: float, sleep: Sleep) -> None:
        self._sleep = sleep
        # In any window of this length go this many: a second's, or one request's where a second
        # has less than one.
        count = max(1, int(per_second))
        self._window = count / per_second + MARGIN
        self._gap = EVENNESS / per_second
        self._passed: deque[float] = deque(maxlen=count)
        self._turn = threading.Lock()

    def wait(self) -> None:
        """Block until the next request may go."""
        with self._turn:
            now = time.monotonic()
            ready = now
            if self._passed:
                ready = max(ready, self._passed[-1] + self._gap)
            if len(self._passed) == self._passed.maxlen:
                ready = max(ready, self._passed[0] + self._window)
            # No clock sleeps as short as the gap of a thousand requests a second.
            if ready - now > 0.001:
                self._sleep(ready - now)
                now = time.monotonic()
            self._passed.append(now)


class Brake:
    """Slows everyone who asks one thing of one host, once the vendor says that it is too much.

    Pressed, it stops them all for a while, and halves the pace of each; from then on the pace
    recovers by a twentieth of itself in every second, until it is pressed again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._presses = 0
        self._until = 0.0
        self._share = 1.0
        self._halved_at = -math.inf
        self._last = 0.0

    def press(self, seconds: float, sent_at: float) -> None:
        """Let nobody pass for some seconds, and then at half the pace.

        Args:
            seconds: as long as the vendor asks.
            sent_at: when the request was sent that it refused, by the monotonic clock. The pace is
                halved by requests that were sent at the pace of now, not by those from before.
        """
        with self._lock:
            now = time.monotonic()
            if sent_at > self._halved_at:
                self._share = max(self._share_at(now) / 2, RECOVERY)
                self._halved_at = now
            self._until = max(self._until, now + seconds)
            self._presses += 1
            self._last = 0.0

    def wait(self, per_second: float, sleep: Sleep) -> None:
        """Block until a request of a source with this pace may go."""
        presses = 0
        # Again, where the brake was pressed meanwhile: what was waited for no longer counts.
        while presses != self._presses:
            with self._lock:
                presses = self._presses
                now = time.monotonic()
                slot = max(now, self._until)
                share = self._share_at(slot)
                if share < 1:
                    slot = max(slot, self._last + 1 / (per_second * share))
                    self._last = slot
            if slot > now:
                sleep(slot - now)

    def _share_at(self, now: float) -> float:
        return min(1.0, self._share + RECOVERY * max(0.0, now - self._until))


_brakes: dict[tuple[str, str], Brake] = {}
_brakes_lock = threading.Lock()


def brake_of(host: str, action: str) -> Brake:
    """Return the brake that all sources of this process share for an action of a host."""
    with _brakes_lock:
        return _brakes.setdefault((host, action), Brake())
