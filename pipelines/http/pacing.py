"""How fast and how much at once: a pacer that threads share, and an ordered parallel map."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import TypeVar

from pyrate_limiter import Limiter, Rate, SingleBucketFactory, StateBucket, TokenBucket

T = TypeVar("T")
R = TypeVar("R")

READ_AHEAD = 2
"""Results per thread that may wait for the consumer: one in the making, one done."""


class Pacer:
    """Lets threads pass at a set rate, after a burst at most."""

    def __init__(self, per_second: float, burst: int) -> None:
        # Over 1000 seconds, since the library counts whole requests: 0.5 per second is 500.
        rate = Rate(max(1, round(per_second * 1000)), 1_000_000, burst=burst)
        bucket = StateBucket([rate], algorithm=TokenBucket())
        # No leaking: a token bucket keeps no log to trim, and the leaker is a thread.
        self._limiter = Limiter(SingleBucketFactory(bucket, schedule_leak=False), buffer_ms=0)
        self._turn = threading.Lock()

    def wait(self) -> None:
        """Block until the next request may go."""
        # One waiter at a time: the others would wake together only to find the slot taken.
        with self._turn:
            self._limiter.try_acquire()


def map_in_order(
    fn: Callable[[T], R], items: Iterable[T], threads: int
) -> Generator[R, None, None]:
    """Yield `fn(item)` for each item, in order, running up to `threads` at once.

    At most `2 * threads` items are taken ahead of the consumer. After the first error no more work
    begins, the running work ends, and the error is raised. Closing the iterator
    early does the same.
    """
    failed_at: int | None = None

    def run(index: int, item: T) -> R:
        nonlocal failed_at
        # Results are taken in order, so the error is raised before one skipped here is reached.
        if failed_at is not None and index > failed_at:
            raise CancelledError
        try:
            return fn(item)
        except BaseException:
            failed_at = index
            raise

    waiting = enumerate(items)
    window: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="api")
    try:
        while True:
            while len(window) < READ_AHEAD * threads and failed_at is None:
                try:
                    index, item = next(waiting)
                except StopIteration:
                    break
                window.append(pool.submit(run, index, item))
            if not window:
                return
            yield window.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
