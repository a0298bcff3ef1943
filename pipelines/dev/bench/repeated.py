"""One real load of a gateway, repeated day by day with other ids and instants."""

# ruff: noqa: S608 - our own names and numbers

from collections.abc import Mapping
from typing import Protocol

import duckdb

from llm_usage_warehouse.dev.bench.measures import NOW, UNPACED, bench_server
from llm_usage_warehouse.dev.bench.processes import run, serving
from llm_usage_warehouse.dev.bench.server import END
from llm_usage_warehouse.settings import in_environment

SHAPES = 20_000
DAY_US = 86_400_000_000
BEFORE = 1_000
"""Days that may lie before `END`: what ids are counted from."""


class Gateway(Protocol):
    """A vendor whose calls can be repeated."""

    def load(self, environment: dict[str, str]) -> None:
        """Load what is to be repeated into the warehouse of an environment."""

    def take_shapes(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Put what was loaded aside, so that the tables are empty."""

    def add_day(self, connection: duckdb.DuckDBPyConnection, day: int, calls: int) -> None:
        """Add the rows and the ledger lines of one load of one day, counted from `END`."""


class AiProxy:
    """Calls in the log rows of an AI Proxy, and its hourly totals of them."""

    logs = "raw_aiproxy.logs"

    def load(self, environment: dict[str, str]) -> None:
        """Load from the bench's own server."""
        with serving(["-m", "llm_usage_warehouse.dev.bench.server", str(SHAPES), "1"]) as port:
            source = in_environment("sources.aiproxy", bench_server(port, 2, UNPACED))
            run(["-m", "llm_usage_warehouse.dev.bench.ours", str(NOW)], environment | source)

    def take_shapes(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Number the rows, and empty their table."""
        connection.execute(
            "create table shapes as "
            f"select *, row_number() over (order by id) as shape from {self.logs}"
        )
        connection.execute(f"delete from {self.logs}")
        connection.execute("delete from raw_aiproxy.load_ledger where stream = 'logs'")

    def add_day(self, connection: duckdb.DuckDBPyConnection, day: int, calls: int) -> None:
        """Add log rows, and the totals of each hour of them."""
        begins, load_id = _begin(day)
        changed = {
            "id": f"{(day + BEFORE) * 10_000_000} + place",
            "request_id": f"'r{day}-' || place",
            "upstream_id": f"'u{day}-' || place",
            "created_at": "make_timestamptz(instant)",
            "created_at_raw": "instant // 1000",
            "request_at": "make_timestamptz(instant - 900000)",
            "request_at_raw": "(instant - 900000) // 1000",
            "_dlt_load_id": f"'{load_id}'",
        }
        connection.execute(
            f"insert into {self.logs} by name "
            f"select * exclude (shape, place, instant) replace ({_replaced(changed)}) "
            f"from shapes inner join ({_places(begins, calls)}) on shape = place % {SHAPES} + 1"
        )
        connection.execute(
            "insert into raw_aiproxy.dashboard by name select source_name, '' as scope, model, "
            "date_trunc('hour', created_at) as bucket_start, count(*) as request_count, "
            "count(case when code <> 200 then 1 end) as exception_count, "
            "sum(usage_input_tokens) as input_tokens, sum(usage_output_tokens) as output_tokens, "
            "sum(usage_total_tokens) as total_tokens, sum(usage_cached_tokens) as cached_tokens, "
            "sum(usage_reasoning_tokens) as reasoning_tokens, sum(used_amount) as used_amount, "
            f"_dlt_load_id from {self.logs} where _dlt_load_id = '{load_id}' group by all"
        )
        _add_slices(connection, "aiproxy", day, {"logs": calls, "dashboard": None})


class ModelRouter:
    """Calls in the log rows of a ModelRouter, each with a billing line to be paired with."""

    schema = "raw_alibaba_model_router"

    def __init__(self) -> None:
        self._shapes = 0

    def load(self, environment: dict[str, str]) -> None:
        """Load three days from the simulator."""
        command = ["-m", "llm_usage_warehouse.simulator", "--days", "3", "--rows-per-day", "3000"]
        with serving(command) as settings:
            name = "alibaba_model_router"
            own = {"start": "P3D", **settings[name], "requests_per_second": UNPACED}
            run(
                ["-m", "llm_usage_warehouse.dev.bench.ours"],
                environment | in_environment(f"sources.{name}", own),
            )

    def take_shapes(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Put aside the rows and lines that are a pair, and empty all tables of calls."""
        connection.execute(
            f"create table lines as from {self.schema}.billing_details where request_id <> '' "
            "qualify count(*) over (partition by request_id) = 1"
        )
        connection.execute(
            "create table shapes as select *, row_number() over (order by id) as shape "
            f"from {self.schema}.observation_logs "
            "where request_id in (select lines.request_id from lines) "
            "qualify count(*) over (partition by request_id) = 1"
        )
        ((self._shapes,),) = connection.execute("select count(*) from shapes").fetchall()
        streams = ("observation_logs", "billing_details", "usage_breakdown", "cost_breakdown")
        for stream in streams:
            connection.execute(f"delete from {self.schema}.{stream}")
        connection.execute(f"delete from {self.schema}.load_ledger where stream in {streams}")

    def add_day(self, connection: duckdb.DuckDBPyConnection, day: int, calls: int) -> None:
        """Add log rows, and the billing line of each."""
        begins, load_id = _begin(day)
        places = f"({_places(begins, calls)}) as places"
        both = {
            "request_id": f"'r{day}-' || place",
            "request_time": "make_timestamptz(instant)",
            "_dlt_load_id": f"'{load_id}'",
        }
        log = {**both, "id": f"{(day + BEFORE) * 10_000_000} + place"}
        line = {
            **both,
            "request_time_raw": "instant // 1000000",
            "window_start": f"make_timestamptz({begins})",
            "window_end": f"make_timestamptz({begins + DAY_US})",
            "row_in_window": "place",
        }
        connection.execute(
            f"insert into {self.schema}.observation_logs by name "
            f"select shapes.* exclude (shape) replace ({_replaced(log)}) "
            f"from shapes inner join {places} on shape = place % {self._shapes} + 1"
        )
        connection.execute(
            f"insert into {self.schema}.billing_details by name "
            f"select lines.* replace ({_replaced(line)}) from lines "
            "inner join shapes on lines.request_id = shapes.request_id "
            f"inner join {places} on shape = place % {self._shapes} + 1"
        )
        slices = {"observation_logs": calls, "billing_details": calls}
        _add_slices(connection, "alibaba_model_router", day, slices)


def _begin(day: int) -> tuple[int, str]:
    """Return the microsecond at which a day begins, and the load that brought it after its end."""
    begins = END.int_timestamp * 1_000_000 + day * DAY_US
    return begins, f"{(begins + DAY_US) // 1_000_000}.5"


def _places(begins: int, calls: int) -> str:
    """Return a query of the calls of a day, evenly spread over it."""
    return (
        f"select place, {begins} + place * {DAY_US} // {calls} as instant "
        f"from range({calls}) as places(place)"
    )


def _replaced(changed: dict[str, str]) -> str:
    return ", ".join(f"{expression} as {name}" for name, expression in changed.items())


def _add_slices(
    connection: duckdb.DuckDBPyConnection, vendor: str, day: int, streams: Mapping[str, int | None]
) -> None:
    """Add the ledger lines of a day: each stream, and how many rows the vendor says it has."""
    begins, load_id = _begin(day)
    bounds = f"make_timestamptz({begins}), make_timestamptz({begins + DAY_US})"
    # Long enough after its end for both sides to be compared.
    read_at = f"make_timestamptz({begins + 2 * DAY_US})"
    for stream, rows in streams.items():
        connection.execute(
            f"insert into raw_{vendor}.load_ledger (slice_id, run_id, run_kind, source_name, "
            "stream, scope, window_start, window_end, read_started_at, read_finished_at, "
            "row_count, reported_total, requests, retries, planned_scopes, _dlt_load_id) values "
            f"('{stream}day{day}', 'bench', 'nightly', '{vendor}', '{stream}', '', {bounds}, "
            f"{read_at}, {read_at}, {rows or 0}, {rows if rows else 'null'}, 1, 0, 1, '{load_id}')"
        )
