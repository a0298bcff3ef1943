"""The measurements, one function each; every one returns the rows that it adds to the table."""

import math
import statistics
import tempfile
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pendulum

from llm_usage_warehouse.dev.bench.processes import Took, run, serving
from llm_usage_warehouse.dev.bench.server import ADMIN_KEY, END
from llm_usage_warehouse.pages import Fields
from llm_usage_warehouse.settings import in_environment
from llm_usage_warehouse.simulator.aiproxy.catalogue import KEYS
from llm_usage_warehouse.simulator.tencent_lke import MODELS
from llm_usage_warehouse.sources.aiproxy.schema import LOG, PRIVATE

HERE = Path(__file__).resolve().parent
NOW = END.int_timestamp + 180
"""A minute after the last row, and the settle lag."""

UNPACED = 10_000.0

STORED: Fields = {
    name: kind for name, kind in LOG.items() if name not in PRIVATE or name == "metadata"
}
"""What a load stores where no setting asks for more: the rival need not read the rest either."""

DUCKDB_TYPES = {
    "int": "BIGINT",
    "money": "DECIMAL(38, 18)",
    "text": "VARCHAR",
    "bool": "BOOLEAN",
    "json": "JSON",
    "unix_ms": "BIGINT",
}


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        what: was measured.
        ours: our figure, in `unit`.
        rival: the other's, where there is one.
        figure: what is held against `must` and `aim`.
        must: the bound; `figure` may be at most, or where `at_least`, at least that.
        aim: what would be good.
    """

    what: str
    ours: str
    rival: str
    figure: float
    must: float
    aim: float
    at_least: bool = False

    @property
    def is_reached(self) -> bool:
        """Whether the bound holds."""
        return self.figure >= self.must if self.at_least else self.figure <= self.must


def against_stateless(rows: int, days: int, must: float, aim: float, repeat: int) -> Figure:
    """Compare CPU per row with a script that keeps nothing."""
    ours: list[Took] = []
    theirs: list[Took] = []
    with serving(["-m", "llm_usage_warehouse.dev.bench.server", str(rows), str(days - 1)]) as port:
        for _ in range(repeat):
            ours.append(_load(port, rows, days))
            theirs.append(_rival("stateless.py", port, rows, days, struct(STORED)))
    return _ratio(f"CPU against a stateless script, {rows:,} rows", rows, ours, theirs, must, aim)


def against_generic(rows: int, days: int, must: float, aim: float, repeat: int) -> Figure:
    """Compare CPU per row with dlt's generic REST source."""
    ours: list[Took] = []
    theirs: list[Took] = []
    with serving(["-m", "llm_usage_warehouse.dev.bench.server", str(rows), str(days - 1)]) as port:
        for _ in range(repeat):
            ours.append(_load(port, rows, days))
            theirs.append(_rival("generic.py", port, rows, days))
    return _ratio(f"CPU against dlt's rest_api, {rows:,} rows", rows, ours, theirs, must, aim)


def pace(per_second: int, seconds: int) -> list[Figure]:
    """Compare the rate that the vendor sees, 250 ms away, with the pace that is set."""
    rows = per_second * seconds * 100
    server = ["-m", "llm_usage_warehouse.dev.bench.server", str(rows), "6", "--latency", "0.25"]
    with serving(server) as port:
        _load(port, rows, 7, per_second)
        arrivals = sorted(httpx.get(f"http://127.0.0.1:{port}/stats", timeout=10).json())
    rate = (len(arrivals) - 1) / (arrivals[-1] - arrivals[0])
    most = most_in_a_second(arrivals)
    share = 100 * rate / per_second
    return [
        Figure(
            f"share of a pace of {per_second}/s at 250 ms, %",
            f"{rate:.1f}/s",
            "",
            share,
            92,
            97,
            at_least=True,
        ),
        Figure(
            f"requests above {per_second} in any second",
            f"{most} at most, {per_second + 1} in {shortest(arrivals, per_second + 1):.3f} s",
            "",
            max(most - per_second, 0),
            0,
            0,
        ),
    ]


def most_in_a_second(arrivals: Sequence[float]) -> int:
    """Return how many of some instants, sorted, lie in the fullest second, wherever it begins."""
    return max(bisect_left(arrivals, at + 1) - place for place, at in enumerate(arrivals))


def shortest(arrivals: Sequence[float], count: int) -> float:
    """Return the seconds in which some instants, sorted, had `count` of them soonest.

    A little less than a second on a busy machine is the server noticing a request late: the time
    of an arrival is when its process ran.
    """
    ends = zip(arrivals, arrivals[count - 1 :], strict=False)
    return min((last - first for first, last in ends), default=math.inf)


def memory(sizes: tuple[int, ...]) -> list[Figure]:
    """Measure the peak for several sizes; it must hardly depend on them."""
    peaks = []
    for rows in sizes:
        with serving(["-m", "llm_usage_warehouse.dev.bench.server", str(rows), "18"]) as port:
            peaks.append(_load(port, rows, 19).peak_mb)
    figures = [
        Figure(f"peak memory, {rows:,} rows, MB", f"{peak:.0f}", "", peak, 500, 350)
        for rows, peak in zip(sizes, peaks, strict=True)
    ]
    growth = 100 * (peaks[-1] / peaks[0] - 1)
    between = f"{sizes[0]:,} to {sizes[-1]:,} rows"
    return [*figures, Figure(f"growth of it, {between}, %", f"{growth:+.0f}", "", growth, 10, 5)]


def idle_night(models: int, groups: int) -> Figure:
    """Measure a night of all four vendors in which nothing is new: the look-back is read again.

    Args:
        models: how many Tencent LKE is asked for, those on offer among them.
        groups: how many AI Proxy is asked for, those with traffic among them.
    """
    with (
        serving(
            ["-m", "llm_usage_warehouse.simulator", "--days", "2", "--rows-per-day", "480"]
        ) as settings,
        tempfile.TemporaryDirectory() as folder,
    ):
        settings["tencent_lke"]["models"] = _padded(MODELS, models, "bench-model")
        settings["aiproxy"]["groups"] = _padded(
            # A group whose name has a slash cannot be asked for by itself.
            {key.group for key in KEYS if key.group and "/" not in key.group},
            groups,
            "bench-group",
        )
        environment = environment_in(folder)
        for source, own in settings.items():
            environment |= in_environment(f"sources.{source}", {"start": "P2D", **own})
        # The same instant twice, so that not even a minute is new.
        instant = str(pendulum.now("UTC").int_timestamp)
        run(["-m", "llm_usage_warehouse.dev.bench.ours", instant], environment)
        again = run(["-m", "llm_usage_warehouse.dev.bench.ours", instant], environment)
    return Figure(
        f"night with nothing new, 4 vendors, {models} models, {groups} groups, CPU s",
        f"{again.cpu:.1f} s, {again.said['requests']} requests, {again.said['rows']:,} rows",
        "",
        again.cpu,
        10,
        5,
    )


def struct(fields: Fields) -> str:
    """Return the DuckDB type of a row, by which the rival reads the same columns."""
    members = (
        f'"{name}" {DUCKDB_TYPES[kind] if isinstance(kind, str) else struct(kind)}'
        for name, kind in fields.items()
    )
    return f"STRUCT({', '.join(members)})"


def _load(port: int, rows: int, days: int, per_second: float = UNPACED) -> Took:
    with tempfile.TemporaryDirectory() as folder:
        own = bench_server(port, days, per_second)
        if per_second == UNPACED:
            # Threads beyond the cores only wait for each other where nothing is far away.
            own["concurrency"] = 4
        environment = environment_in(folder) | in_environment("sources.aiproxy", own)
        took = run(["-m", "llm_usage_warehouse.dev.bench.ours", str(NOW)], environment)
        # Counted here, so that the load does not pay for it.
        with duckdb.connect(environment["WAREHOUSE__PATH"], read_only=True) as connection:
            found = connection.execute("select count(*) from raw_aiproxy.logs").fetchone()
    _check(found[0] if found else 0, rows)
    return took


def _rival(script: str, port: int, rows: int, days: int, *more: str) -> Took:
    url = f"http://127.0.0.1:{port}/api"
    took = run([str(HERE / script), url, ADMIN_KEY, str(days), *more])
    _check(took.said["rows"], rows)
    return took


def _check(found: int, rows: int) -> None:
    if found != rows:
        raise SystemExit(f"{found:,} rows are in the table instead of {rows:,}")


def _padded(names: Iterable[str], count: int, prefix: str) -> list[str]:
    known = sorted(names)[:count]
    return known + [f"{prefix}-{number}" for number in range(count - len(known))]


def bench_server(port: int, days: int, per_second: float) -> dict[str, Any]:
    """Return the settings of an AI Proxy that is the bench's own server."""
    return {
        "base_url": f"http://127.0.0.1:{port}/api",
        "admin_key": ADMIN_KEY,
        "start": f"P{days}D",
        "requests_per_second": per_second,
    }


def environment_in(folder: str) -> dict[str, str]:
    """Return the settings of a warehouse in `folder`, which gets what a project needs."""
    (Path(folder) / ".dlt").mkdir()
    return {"DLT_PROJECT_DIR": folder, "WAREHOUSE__PATH": f"{folder}/warehouse.duckdb"}


def _ratio(
    what: str, rows: int, ours: list[Took], theirs: list[Took], must: float, aim: float
) -> Figure:
    mine, other = (statistics.median(took.cpu for took in each) for each in (ours, theirs))
    return Figure(
        what,
        f"{1e6 * mine / rows:.0f} us/row",
        f"{1e6 * other / rows:.0f} us/row",
        mine / other,
        must,
        aim,
    )
