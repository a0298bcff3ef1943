"""What a night's models cost after a long history, against a short one: `make bench --history`.

A history is made of one real load, repeated in SQL with other ids and instants, so that tens of
millions of calls need no server to send them.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import duckdb

from llm_usage_warehouse.connectors import connectors
from llm_usage_warehouse.dev.bench.measures import HERE, Figure, environment_in
from llm_usage_warehouse.dev.bench.processes import Took, run
from llm_usage_warehouse.dev.bench.repeated import AiProxy, Gateway, ModelRouter
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.warehouse import create_raw_tables

DAYS = 100
NEW_CALLS = 1_000
NIGHTS = 3


@dataclass(frozen=True)
class Measured:
    """What was measured after a history of one size.

    Attributes:
        rebuilt: models, tests and publishing of all of it.
        by_hand: the same calls priced and kept, and their days summed, by two statements; None
            where that is not measured.
        nights: the same for one new slice each.
        idle: CPU seconds of models and tests with nothing new, as often, at the least disturbed.
    """

    rebuilt: Took
    by_hand: Took | None
    nights: list[Took]
    idle: float

    @property
    def night(self) -> float:
        """CPU seconds of the night that was least disturbed."""
        return min(took.cpu for took in self.nights)


def history(sizes: tuple[int, int]) -> list[Figure]:
    """Compare the night of one new slice after histories of two sizes, and a rebuild of the larger.

    Args:
        sizes: calls of the shorter and of the longer history, over as many days.
    """
    short, long = (_measured(AiProxy(), calls, by_hand=True) for calls in sizes)
    small, large = short.night, long.night
    peak = max(took.peak_mb for took in long.nights)
    ours, theirs = (
        1e6 * (whole.cpu - part.cpu) / (sizes[1] - sizes[0])
        for whole, part in ((long.rebuilt, short.rebuilt), (long.by_hand, short.by_hand))
        if whole and part
    )
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
            long.idle,
            _empty(),
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


def billed_history(sizes: tuple[int, int]) -> list[Figure]:
    """Compare the same where each call has a billing line to be paired with.

    Args:
        sizes: calls of the shorter and of the longer history, over as many days.
    """
    short, long = (_measured(ModelRouter(), calls) for calls in sizes)
    after = f"after {sizes[1]:,} calls with a billing line each"
    return [
        _ratio(
            f"CPU of models, tests, publishing of one new day {after} against {sizes[0]:,}",
            long.night,
            short.night,
            1.5,
            1.2,
        ),
        _peak(f"peak memory of one new day {after}, MB", max(took.peak_mb for took in long.nights)),
    ]


def with_history(gateway: Gateway, folder: str, calls: int) -> dict[str, str]:
    """Make a warehouse with a history that no model has seen, and return its environment.

    Args:
        gateway: whose calls they are.
        folder: takes the warehouse; it is empty.
        calls: how many, spread over `DAYS` days.
    """
    environment = environment_in(folder) | {
        "WAREHOUSE__PUBLISHED_PATH": f"{folder}/published.duckdb"
    }
    gateway.load(environment)
    path = Path(environment["WAREHOUSE__PATH"])
    create_raw_tables(WarehouseSettings(path=path), connectors().values())
    with _open(environment) as connection:
        gateway.take_shapes(connection)
        for day in range(DAYS):
            gateway.add_day(connection, day - DAYS, calls // DAYS)
    return environment


def _ratio(what: str, ours: float, theirs: float, must: float, aim: float) -> Figure:
    return Figure(what, f"{ours:.1f} s", f"{theirs:.1f} s", ours / theirs, must, aim)


def _peak(what: str, megabytes: float) -> Figure:
    return Figure(what, f"{megabytes:.0f}", "", megabytes, 1200, 600)


def _measured(gateway: Gateway, calls: int, *, by_hand: bool = False) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        environment = with_history(gateway, folder, calls)
        rebuilt = _models(environment)
        rival = None
        if by_hand:
            rival = run([str(HERE / "by_hand.py"), environment["WAREHOUSE__PATH"]])
            if rival.said["calls"] != rebuilt.said["calls"]:
                raise SystemExit(f"by hand {rival.said}, by the models {rebuilt.said}")
        nights = [_night(gateway, environment, number) for number in range(NIGHTS)]
        return Measured(rebuilt, rival, nights, _idle(environment))


def _empty() -> float:
    """Return the CPU seconds of building an empty warehouse again: what dbt takes of itself."""
    with tempfile.TemporaryDirectory() as folder:
        environment = environment_in(folder)
        _models(environment, "build")
        return _idle(environment)


def _idle(environment: dict[str, str]) -> float:
    return min(_models(environment, "build").cpu for _ in range(NIGHTS))


def _night(gateway: Gateway, environment: dict[str, str], number: int) -> Took:
    with _open(environment) as connection:
        gateway.add_day(connection, number, NEW_CALLS)
    return _models(environment)


def _models(environment: dict[str, str], *what: str) -> Took:
    return run(["-m", "llm_usage_warehouse.dev.bench.models", *what], environment)


def _open(environment: dict[str, str]) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(str(Path(environment["WAREHOUSE__PATH"])))
    connection.execute("set TimeZone = 'UTC'")
    # A process that is measured begins with the most that this one ever held.
    connection.execute("set memory_limit = '200MB'")
    return connection
