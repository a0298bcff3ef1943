"""Ctrl-C and SIGTERM end a command, whatever it is doing when they come.

DuckDB answers a signal that comes while it works with a `RuntimeError` of its own, as if the query
had failed. So it is noted here which signal came, and what stands for it is raised again, before
anybody takes that error for a fault of a query, a target or the page.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

_came: list[KeyboardInterrupt] = []


class TerminatedError(KeyboardInterrupt):
    """Whoever started the program wants it to end, and it takes the way of Ctrl-C."""


def _raise_what_came(number: int, _: object) -> None:
    _came.append(TerminatedError() if number == signal.SIGTERM else KeyboardInterrupt())
    raise _came[-1]


@contextmanager
def heard() -> Iterator[None]:
    """Raise a `KeyboardInterrupt` for each signal that comes within; the main thread only."""
    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, _raise_what_came)}
    # A shell has what it starts in the background ignore Ctrl-C.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        before[signal.SIGINT] = signal.signal(signal.SIGINT, _raise_what_came)
    try:
        with kept():
            yield
    finally:
        _came.clear()
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def kept() -> Iterator[None]:
    """Let an error that a signal became be that signal's again.

    To stand within every `try` that goes on after any error.

    Raises:
        KeyboardInterrupt: a signal came, and what was being done failed of it.
    """
    try:
        yield
    except Exception as error:
        if _came:
            raise _came[-1] from error
        raise
