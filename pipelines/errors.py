"""What a person or a scheduler is told when a run cannot go on."""

import errno
import traceback
from pathlib import Path

import duckdb

OF_THE_MACHINE = {
    errno.EACCES,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.EMFILE,
    errno.ENOSPC,
    errno.EROFS,
}
"""Errors of the operating system for which no file of ours is to blame."""

REPAIR = "`llm-usage repair` says what can be done, and does it when told so"

NOTHING_LOADED = "nothing is loaded yet: llm-usage nightly"

DAMAGE = ("could not read enough bytes", "checksum", "corrupt")
"""How DuckDB speaks of a file that broke off or was changed by another hand."""

OF_A_STORE = ("http error", "for http ")
"""How DuckDB speaks of an object store that it cannot reach, or that refuses."""

OF_DELTAS_STORE = "generic s3 error"
"""How Delta's library does."""

LOOK_AT_STORE = (
    "look at [warehouse] lake and at AWS's variables in the environment, then run this again"
)

OURS = Path(__file__).resolve().parent


class UsageError(Exception):
    """Wrong settings or a wrong command line: exit code 2, nothing was started.

    Attributes:
        problems: one line each: what is wrong and where to put it right.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class RunError(Exception):
    """Something outside the vendors' APIs failed: exit code 1.

    The message says in one line what failed, why, and what to do next.
    """


def chain(error: BaseException) -> list[BaseException]:
    """Return an exception, and those that it was raised from, down to the first."""
    found = [error]
    while (below := found[-1].__cause__ or found[-1].__context__) and below not in found:
        found.append(below)
    return found


def is_of_the_machine(error: BaseException) -> bool:
    """Whether the disk, the memory or another program is at fault, not what lies in a file."""
    return any(
        isinstance(one, MemoryError | duckdb.IOException | duckdb.OutOfMemoryException)
        or (isinstance(one, OSError) and one.errno in OF_THE_MACHINE)
        for one in chain(error)
    )


def is_held_elsewhere(error: BaseException) -> bool:
    """Whether another program has a file open."""
    return any("could not set lock" in str(one).lower() for one in chain(error))


def in_a_line(error: BaseException) -> str:
    """Return what an exception of another library says, and what kind it is of, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    said = next(iter(str(error).strip().splitlines()), "").rstrip(". ")
    if isinstance(error, duckdb.Error) and said:
        return said
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def next_step(error: BaseException) -> str:
    """Return what to do about an exception that no rule of ours foresaw, and where it came up."""
    if any(sign in str(one).lower() for one in chain(error) for sign in DAMAGE):
        return f"the file is damaged: {REPAIR}"
    if any(isinstance(one, duckdb.CatalogException) for one in chain(error)):
        return f"what is needed is not in the warehouse: {REPAIR}"
    if any(
        isinstance(one, duckdb.Error) and sign in str(one).lower()
        for one in chain(error)
        for sign in OF_A_STORE
    ):
        return "look at [warehouse] lake and at DuckDB's secret for it, then run this again"
    if any(
        OF_DELTAS_STORE in str(one).lower() or type(one).__module__.startswith("botocore.")
        for one in chain(error)
    ):
        return LOOK_AT_STORE
    if is_of_the_machine(error):
        return "look at the disk's free space, its rights and the memory, then run this again"
    ours = [
        frame
        for one in chain(error)
        for frame in traceback.extract_tb(one.__traceback__)
        if Path(frame.filename).resolve().is_relative_to(OURS)
    ]
    where = (
        f" (it came up in {Path(ours[-1].filename).name}, line {ours[-1].lineno})" if ours else ""
    )
    return f"run it again with --verbose to see all of it{where}"
