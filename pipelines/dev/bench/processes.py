"""Runs what is measured in processes of their own, and says what they took."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Took:
    """What one process took, import included.

    Attributes:
        cpu: seconds of processor time, user and system.
        wall: seconds.
        peak_mb: the most memory that it held; never less than what its parent holds, about 110,
            which Linux counts until the new program begins.
        said: the line of JSON that it printed last.
    """

    cpu: float
    wall: float
    peak_mb: float
    said: Any


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Took:
    """Run a command to its end.

    Args:
        command: what the interpreter runs.
        environment: added to ours, of which the project's own settings are left out: a load here
            must reach no real vendor.

    Raises:
        SystemExit: it failed; what it said is the message.
    """
    began = time.monotonic()
    # A file takes any number of warnings; a pipe that nobody reads yet would stop the process.
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(  # noqa: S603 - our own interpreter and our own files
            [sys.executable, *command],
            env={**_neutral(os.environ), **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None  # noqa: S101 - asked for above
        said = process.stdout.read()
        # Unlike the total of all children, this is the process's own.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        complaint = errors.read()[-2000:]
    if process.returncode:
        how = signal.Signals(-process.returncode).name if process.returncode < 0 else "an error"
        raise SystemExit(f"{' '.join(command)} was ended by {how}:\n{complaint}")
    return Took(
        cpu=usage.ru_utime + usage.ru_stime,
        wall=time.monotonic() - began,
        # Linux counts in kilobytes, macOS in bytes.
        peak_mb=usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3),
        said=json.loads(said.strip().splitlines()[-1]),
    )


@contextmanager
def serving(command: Sequence[str]) -> Iterator[Any]:
    """Run a server until the block ends; yield the line of JSON that it prints once it is up."""
    with subprocess.Popen(  # noqa: S603 - our own interpreter and our own files
        [sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None  # noqa: S101 - asked for above
        assert process.stdin is not None  # noqa: S101
        try:
            yield json.loads(process.stdout.readline())
        finally:
            # It ends with its standard input.
            process.stdin.close()


def _neutral(environment: Mapping[str, str]) -> dict[str, str]:
    own = ("SOURCES__", "WAREHOUSE__")
    return {name: value for name, value in environment.items() if not name.startswith(own)}
