"""What a cluster takes of the processors: no clock of one process knows of all of it."""

import os
from collections.abc import Iterator
from pathlib import Path

DBT, DRIVER, OTHERS = "dbt", "driver", "executors and daemons"
"""This process, the one of Java that plans, and all others that it started."""


def cpu_by_process() -> dict[str, float]:
    """Return the processor seconds of this process and all that it started, by what they are.

    Those that have ended are counted with whoever waited for them. Empty where the system has no
    /proc to read them from.
    """
    tick = os.sysconf("SC_CLK_TCK")
    parents: dict[int, int] = {}
    spent: dict[int, float] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # Behind the name, which is in parentheses and may hold spaces.
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        number = int(stat.parent.name)
        parents[number] = int(fields[1])
        spent[number] = sum(map(int, fields[11:15])) / tick
    found: dict[str, float] = {}
    for number, seconds in spent.items():
        if os.getpid() in _line(number, parents):
            kind = _kind(number)
            found[kind] = found.get(kind, 0) + seconds
    return found


def _line(number: int, parents: dict[int, int]) -> Iterator[int]:
    """Yield a process and all that it descends from."""
    while number:
        yield number
        number = parents.get(number, 0)


def _kind(number: int) -> str:
    if number == os.getpid():
        return DBT
    try:
        words = Path(f"/proc/{number}/cmdline").read_text()
    except OSError:
        return OTHERS
    return DRIVER if "SparkSubmit" in words else OTHERS
