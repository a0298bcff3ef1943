"""Reads slices ahead of the load, in threads of its own, in a bounded amount of memory.

Slices are begun in the order in which they will be loaded, several at once; their pages go through
one set of threads, those of earlier slices first. What is read and not yet loaded is bounded in
rows: a slice that somebody waits for may always go on, any other only where there is room.

All threads are daemons, and end when `stop` is called: an interrupt must not wait for a vendor.
"""

import heapq
import itertools
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from llm_usage_warehouse.http import StoppedError

T = TypeVar("T")
R = TypeVar("R")

PAGES_PER_THREAD = 2
"""Pages of one slice that may be under way for each thread: one in the making, one done."""

SLICES_AHEAD = 200
"""Slices that may be read and not yet loaded, however small they are."""


@dataclass(eq=False)
class Job(Generic[T]):
    """One slice to be read.

    Attributes:
        run: reads it, given the threads that fetch its pages.
        order: its place among the others.
        outcome: what it returned or raised.
        wanted: whether somebody waits for it, so that it goes on whatever room there is.
        begun: whether a thread has taken it.
        rows: how many rows it has room for.
    """

    run: Callable[["PageThreads"], T]
    order: int
    outcome: Future[T] = field(default_factory=Future)
    wanted: bool = False
    begun: bool = False
    rows: int = 0


class ReadAhead(Generic[T]):
    """Runs jobs in order of their submission, ahead of whoever takes their results.

    Args:
        threads: pages under way at once.
        rows: how many rows may be read and not yet released.
        name: of the threads.
    """

    def __init__(self, threads: int, rows: int, name: str) -> None:
        self.threads = threads
        self._rows = rows
        self._name = name
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._page_work = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._news = threading.Condition(self._lock)
        self._jobs: list[tuple[int, int, Job[T]]] = []
        self._wanted: deque[Job[T]] = deque()
        self._pages: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._held = 0
        self._ahead = 0
        self._stopped = False
        self._job_threads = 0
        self._idle_jobs = 0
        self._page_threads = 0
        self._idle_pages = 0

    def submit(self, run: Callable[["PageThreads"], T], order: int | None = None) -> Job[T]:
        """Read a slice as soon as there is room for it.

        Args:
            run: reads it.
            order: that of another job whose place it takes; else it comes after all others.
        """
        with self._lock:
            number = next(self._numbers)
            job = Job(run, number if order is None else order)
            heapq.heappush(self._jobs, (job.order, number, job))
            # A job mostly waits for its pages: as many as pages keep the threads busy where each
            # has but one.
            if not self._idle_jobs and self._job_threads < self.threads + 2:
                self._job_threads += 1
                self._start(self._run_jobs, f"slice-{self._job_threads}")
            self._work.notify()
        return job

    def wait(self, job: Job[T], seconds: float) -> bool:
        """Say whether a job is done, after waiting for it or any other.

        From then on it may read on, whatever room there is.
        """
        with self._lock:
            if not job.outcome.done():
                if not job.wanted:
                    job.wanted = True
                    self._wanted.append(job)
                    self._work.notify_all()
                    self._room.notify_all()
                self._news.wait(seconds)
            return job.outcome.done()

    def release(self, job: Job[T]) -> None:
        """Make room: what the job brought is on its way into the warehouse."""
        with self._lock:
            self._held -= job.rows
            self._ahead -= 1
            self._work.notify_all()
            self._room.notify_all()

    def drop(self, job: Job[T]) -> None:
        """Do without a job: it is not begun, or makes room as soon as it ends."""
        with self._lock:
            is_running, job.begun = job.begun, True
        if is_running:
            job.outcome.add_done_callback(lambda _: self.release(job))

    def stop(self) -> None:
        """Begin nothing more, and let the threads end."""
        with self._lock:
            self._stopped = True
            for condition in (self._work, self._page_work, self._room, self._news):
                condition.notify_all()

    def reserve(self, job: Job[T], rows: int) -> None:
        """Wait until there is room for the rows of a job, or somebody waits for it."""
        with self._lock:
            more = max(rows - job.rows, 0)
            while not (self._stopped or job.wanted or self._held + more <= self._rows):
                self._room.wait()
            if self._stopped:
                raise StoppedError
            self._held += more
            job.rows += more

    def submit_page(self, job: Job[T], run: Callable[[], R]) -> "Future[R]":
        """Fetch a page, after those of earlier jobs."""
        future: Future[R] = Future()

        def fill() -> None:
            if future.set_running_or_notify_cancel():
                _fill(future, run)

        with self._lock:
            if self._stopped:
                raise StoppedError
            heapq.heappush(self._pages, (job.order, next(self._numbers), fill))
            if self._idle_pages < len(self._pages) and self._page_threads < self.threads:
                self._page_threads += 1
                self._start(self._run_pages, f"page-{self._page_threads}")
            self._page_work.notify()
        return future

    def _start(self, target: Callable[[], None], name: str) -> None:
        threading.Thread(target=target, name=f"{self._name}-{name}", daemon=True).start()

    def _run_jobs(self) -> None:
        while self._run_job():
            pass

    def _run_job(self) -> bool:
        # A function of its own: a thread that waits must not hold what its last job read.
        job = self._next_job()
        if job is None:
            return False
        _fill(job.outcome, lambda: job.run(PageThreads(self, job)))
        with self._lock:
            self._news.notify_all()
        return True

    def _next_job(self) -> Job[T] | None:
        with self._lock:
            while not self._stopped:
                if (job := self._first()) is not None:
                    job.begun = True
                    self._ahead += 1
                    return job
                self._idle_jobs += 1
                self._work.wait()
                self._idle_jobs -= 1
        return None

    def _first(self) -> Job[T] | None:
        while self._wanted:
            if not (job := self._wanted.popleft()).begun:
                return job
        while self._jobs and self._jobs[0][2].begun:
            heapq.heappop(self._jobs)
        has_room = self._held < self._rows and self._ahead < SLICES_AHEAD
        return heapq.heappop(self._jobs)[2] if self._jobs and has_room else None

    def _run_pages(self) -> None:
        while self._run_page():
            pass

    def _run_page(self) -> bool:
        with self._lock:
            while not (self._pages or self._stopped):
                self._idle_pages += 1
                self._page_work.wait()
                self._idle_pages -= 1
            if self._stopped:
                return False
            fill = heapq.heappop(self._pages)[2]
        fill()
        return True


@dataclass(frozen=True)
class PageThreads:
    """The threads that fetch pages, as one job sees them."""

    ahead: ReadAhead[Any]
    job: Job[Any]

    def map(
        self, fn: Callable[[T], R], items: Iterable[T], rows: int = 0
    ) -> Generator[R, None, None]:
        """Yield `fn(item)` in order, several at once, once there is room for `rows` rows.

        The first error ends it: what is under way then ends unseen, and nothing more begins.
        """
        self.ahead.reserve(self.job, rows)
        context = copy_context()
        waiting = iter(items)
        window: deque[Future[R]] = deque()
        try:
            while True:
                room = PAGES_PER_THREAD * self.ahead.threads - len(window)
                for item in itertools.islice(waiting, room):
                    # A context can be entered by one thread at a time.
                    fetch = copy_context_run(context, fn, item)
                    window.append(self.ahead.submit_page(self.job, fetch))
                if not window:
                    return
                yield window.popleft().result()
        finally:
            for future in window:
                future.cancel()


def copy_context_run(context: Any, fn: Callable[[T], R], item: T) -> Callable[[], R]:
    """Return a call of `fn(item)` in a copy of `context`."""
    own = context.copy()
    return lambda: own.run(fn, item)


def _fill(future: "Future[R]", run: Callable[[], R]) -> None:
    try:
        result = run()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
