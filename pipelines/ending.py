"""How a command ends: what went wrong in one line on standard error, and an exit code."""

import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from llm_usage_warehouse.errors import RunError, UsageError, in_a_line, next_step
from llm_usage_warehouse.interrupts import TerminatedError, heard
from llm_usage_warehouse.telling import say

console = Console()
errors = Console(stderr=True, soft_wrap=True)

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = {signal.SIGINT: 130, signal.SIGTERM: 143}
"""As a shell tells what ended by one of these signals."""

state = {"verbose": False}


@contextmanager
def ending_told() -> Iterator[None]:
    """Turn what goes wrong into one line on standard error and an exit code."""
    try:
        with heard():
            yield
    except UsageError as error:
        for problem in error.problems:
            # DuckDB points at the place in a query, on a line of its own.
            for line in problem.splitlines():
                say(errors, line)
        _fail(error, EXIT_USAGE)
    except RunError as error:
        say(errors, str(error))
        _fail(error, EXIT_FAILED)
    except KeyboardInterrupt as error:
        _end_at_once(error)
    except (typer.Exit, typer.Abort):
        raise
    except BrokenPipeError:
        # `| head` has seen enough. What is still buffered must not fail at the interpreter's end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        say(errors, f"{in_a_line(error)}; {next_step(error)}")
        _fail(error, EXIT_FAILED)


def _end_at_once(error: KeyboardInterrupt) -> None:
    ended = "terminated" if isinstance(error, TerminatedError) else "interrupted"
    say(errors, f"{ended}{how_far(error)}; nothing is half-written: run it again to go on")
    sys.stderr.flush()
    by = signal.SIGTERM if isinstance(error, TerminatedError) else signal.SIGINT
    # Threads that wait for a vendor would keep a plain exit waiting with them.
    os._exit(EXIT_INTERRUPTED[by])


def how_far(error: KeyboardInterrupt) -> str:
    """Return what a night had loaded when it was ended, to be put behind a word."""
    return "".join(f" after {note}" for note in getattr(error, "__notes__", ()))


def _fail(error: Exception, code: int) -> None:
    if state["verbose"]:
        traceback.print_exception(error)
    raise typer.Exit(code) from None
