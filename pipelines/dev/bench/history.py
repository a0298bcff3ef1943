"""What a night's models cost after a long history, against a short one: `make bench --history`.

A history is made of one real load of AI Proxy's rows, repeated in SQL with other ids and instants,
so that tens of millions of calls need no server to send them.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import duckdb

from pipelines.connectors import connectors
from pipelines.dev.bench.measures import HERE, NOW, UNPACED, Figure, environment_in
from pipelines.dev.bench.processes import Took, run, serving
from pipelines.dev.bench.server import ADMIN_KEY, END
from pipelines.settings import WarehouseSettings
from pipelines.warehouse import create_raw_tables

SHAPES = 20_000
DAYS = 100
NEW_CALLS = 1_000
NIGHTS = 3
DAY_US = 86_400_000_000
LOGS = "raw_aiproxy.logs"
DASHBOARD = "raw_aiproxy.dashboard"


@dataclass(frozen=True)
class Measured:
    """What was measured after a history of one size.

    Attributes:
        rebuilt: models, tests and publishing of all of it.
        by_hand: the same calls priced and kept, and their days summed, by two statements.
        nights: the same for one new slice each.
        idle: models and tests once more, with nothing new.
    """

    rebuilt: Took
    by_hand: Took
    nights: list[Took]
    idle: Took


def history(sizes: tuple[int, int]) -> list[Figure]:
    """Compare the night of one new slice after histories of two sizes, and a rebuild of the larger.

    Args:
        sizes: calls of the shorter and of the longer history, over as many days.
    """
    short, long = (_measured(calls) for calls in sizes)
    small, large = (min(took.cpu for took in one.nights) for one in (short, long))
    peak = max(took.peak_mb for took in long.nights)
    ours, theirs = (
        1e6 * (whole.cpu - part.cpu) / (sizes[1] - sizes[0])
        for whole, part in ((long.rebuilt, short.rebuilt), (long.by_hand, short.by_hand))
    )
    empty = _empty()
    after = f"after {sizes[1]:,} calls"
    return [
        _ratio(
            f"CPU of models, tests, publishing of one new day {after} against {sizes[0]:,}",
            large,
            small,
            1.5,
            1.2,
        ),
        _ratio(
            f"CPU of models, tests with nothing new {after} against an empty dbt build",
            long.idle.cpu,
            empty.cpu,
            1.3,
            1.1,
        ),
        _ratio(
            "CPU of a full rebuild, per million calls, against pricing and keeping them by hand",
            ours,
            theirs,
            4,
            2,
        ),
        _peak(f"peak memory of one new day {after}, MB", peak),
        _peak(f"peak memory of a full rebuild, {sizes[1]:,} calls, MB", long.rebuilt.peak_mb),
    ]


def _ratio(what: str, ours: float, theirs: float, must: float, aim: float) -> Figure:
    return Figure(what, f"{ours:.1f} s", f"{theirs:.1f} s", ours / theirs, must, aim)


def _peak(what: str, megabytes: float) -> Figure:
    return Figure(what, f"{megabytes:.0f}", "", megabytes, 1200, 600)


def _measured(calls: int) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        environment = _with_history(folder, calls)
        rebuilt = _models(environment)
        by_hand = run([str(HERE / "by_hand.py"), environment["WAREHOUSE__PATH"]])
        if by_hand.said["calls"] != rebuilt.said["calls"]:
            raise SystemExit(f"by hand {by_hand.said}, by the models {rebuilt.said}")
        nights = [_night(environment, number) for number in range(NIGHTS)]
        return Measured(rebuilt, by_hand, nights, _models(environment, "build"))


def _empty() -> Took:
    """Build an empty warehouse for the second time: what dbt takes of itself."""
    with tempfile.TemporaryDirectory() as folder:
        environment = environment_in(folder)
        _models(environment, "build")
        return _models(environment, "build")


def _with_history(folder: str, calls: int) -> dict[str, str]:
    """Make a warehouse with a history that no model has seen, and return its environment."""
    environment = environment_in(folder) | {
        "WAREHOUSE__PUBLISHED_PATH": f"{folder}/published.duckdb"
    }
    with serving(["-m", "pipelines.dev.bench.server", str(SHAPES), "1"]) as port:
        source = {
            "SOURCES__AIPROXY__BASE_URL": f"http://127.0.0.1:{port}/api",
            "SOURCES__AIPROXY__ADMIN_KEY": ADMIN_KEY,
            "SOURCES__AIPROXY__START": "P2D",
            "SOURCES__AIPROXY__REQUESTS_PER_SECOND": str(UNPACED),
        }
        run(["-m", "pipelines.dev.bench.ours", str(NOW)], environment | source)
    path = Path(environment["WAREHOUSE__PATH"])
    create_raw_tables(WarehouseSettings(path=path), connectors().values())
    with _open(environment) as connection:
        connection.execute(
            f"create table shapes as select *, row_number() over (order by id) as shape from {LOGS}"  # noqa: S608
        )
        connection.execute(f"delete from {LOGS}")  # noqa: S608 - our own names
        connection.execute("delete from raw_aiproxy.load_ledger where stream = 'logs'")
        for day in range(DAYS):
            _add_day(connection, day - DAYS, calls // DAYS)
    return environment


def _night(environment: dict[str, str], number: int) -> Took:
    with _open(environment) as connection:
        _add_day(connection, number, NEW_CALLS)
    return _models(environment)


def _models(environment: dict[str, str], *what: str) -> Took:
    return run(["-m", "pipelines.dev.bench.models", *what], environment)


def _open(environment: dict[str, str]) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(str(Path(environment["WAREHOUSE__PATH"])))
    connection.execute("set TimeZone = 'UTC'")
    # A process that is measured begins with the most that this one ever held.
    connection.execute("set memory_limit = '200MB'")
    return connection


def _add_day(connection: duckdb.DuckDBPyConnection, day: int, calls: int) -> None:
    """Add the rows, the totals and the ledger lines of one load of one day, counted from `END`."""
    begins = END.int_timestamp * 1_000_000 + day * DAY_US
    load_id = f"{(begins + DAY_US) // 1_000_000}.5"
    changed = {
        "id": f"{(day + DAYS) * 10_000_000} + place",
        "request_id": f"'r{day}-' || place",
        "upstream_id": f"'u{day}-' || place",
        "created_at": "make_timestamptz(instant)",
        "created_at_raw": "instant // 1000",
        "request_at": "make_timestamptz(instant - 900000)",
        "request_at_raw": "(instant - 900000) // 1000",
        "_dlt_load_id": f"'{load_id}'",
    }
    rows = ", ".join(f"{expression} as {name}" for name, expression in changed.items())
    connection.execute(
        f"insert into {LOGS} by name select * exclude (shape, place, instant) "  # noqa: S608
        f"replace ({rows}) from shapes inner join ("
        f"select place, {begins} + place * {DAY_US} // {calls} as instant "
        f"from range({calls}) as places(place)) on shape = place % {SHAPES} + 1"
    )
    connection.execute(
        f"insert into {DASHBOARD} by name select source_name, '' as scope, model, "  # noqa: S608
        "date_trunc('hour', created_at) as bucket_start, count(*) as request_count, "
        "count(case when code <> 200 then 1 end) as exception_count, "
        "sum(usage_input_tokens) as input_tokens, sum(usage_output_tokens) as output_tokens, "
        "sum(usage_total_tokens) as total_tokens, sum(usage_cached_tokens) as cached_tokens, "
        "sum(usage_reasoning_tokens) as reasoning_tokens, sum(used_amount) as used_amount, "
        f"_dlt_load_id from {LOGS} where _dlt_load_id = '{load_id}' group by all"
    )
    bounds = f"make_timestamptz({begins}), make_timestamptz({begins + DAY_US})"
    connection.execute(
        "insert into raw_aiproxy.load_ledger (slice_id, run_id, run_kind, source_name, stream, "  # noqa: S608
        "scope, window_start, window_end, read_started_at, read_finished_at, row_count, "
        "reported_total, requests, retries, _dlt_load_id) "
        f"select stream || 'day{day}', 'bench', 'nightly', 'aiproxy', stream, '', {bounds}, "
        f"make_timestamptz({begins + DAY_US}), make_timestamptz({begins + DAY_US}), {calls}, "
        f"reported_total, 1, 0, '{load_id}' "
        f"from (values ('logs', {calls}), ('dashboard', null)) as streams(stream, reported_total)"
    )
