"""Holds a source whose new rows break an invariant: it stays as published, the others go on.

A test that fails is laid to the sources whose rows it finds. What the published file says of their
days is then written into the warehouse, where the models take it instead of the new rows
(`sql/macros/held.sql`). Nothing of a held source is noted as built, so each night tries it anew.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

from llm_usage_warehouse.errors import RunError
from llm_usage_warehouse.findings import FailedTest
from llm_usage_warehouse.history import attach
from llm_usage_warehouse.packages import LEDGER
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.streams import Connector
from llm_usage_warehouse.warehouse import connect

HELD = "transform_state.held_sources"

FAILING_ROWS = "held_rows"
"""The schema that keeps what each test found, in a table of the test's name: the models that are
built with the source held show it no more."""

KEPT_ROWS = 1000
"""How many of the rows that a test found are kept to be looked at."""

PUT_RIGHT = "read their days again with `llm-usage backfill`, once the vendor has put them right"

FACTS = {"calls": "call_date", "usage_buckets": "bucket_date"}
"""The published tables that all others follow from, and the column of their day."""


@dataclass(frozen=True)
class Held:
    """An invariant that the new rows of a source break.

    Attributes:
        source: whose rows.
        since: the instant of the first night that held the source.
        broken_test: the name of the data test.
        rows: how many of its rows fail it.
        finding: what is wrong with them and what to do, in words.
    """

    source: str
    since: datetime
    broken_test: str
    rows: int
    finding: str


class CannotHoldError(RunError):
    """No source can be held, so that nothing is published; the message says why."""


def lay_to_sources(warehouse: WarehouseSettings, tests: Iterable[FailedTest]) -> tuple[Held, ...]:
    """Find whose rows failed the tests of a build, and keep them to be looked at.

    Raises:
        CannotHoldError: rows of a test are of no source.
    """
    found: list[Held] = []
    with connect(warehouse) as connection:
        since = {held.source: held.since for held in _read(connection)}
        now = datetime.now(UTC)
        for test in tests:
            for source, rows in _rows_by_source(connection, test).items():
                finding = test.told(rows, test.next_step or PUT_RIGHT, _see(test))
                found.append(Held(source, since.get(source, now), test.name, rows, finding))
            _keep_rows(connection, test)
    return tuple(found)


def hold(
    warehouse: WarehouseSettings, connectors: Iterable[Connector], held: Sequence[Held]
) -> None:
    """Write into the warehouse what the next build takes instead of the sources' new rows.

    Raises:
        CannotHoldError: no other source has rows, or rows of a source were built but not published.
        RunError: the published file cannot be read.
    """
    names = sorted({one.source for one in held})
    ledgers = " union all ".join(
        f"(select source_name, slice_id, _dlt_load_id as load_id from {dataset}.{LEDGER})"  # noqa: S608
        for dataset in (connector.dataset for connector in connectors)
    )
    with connect(warehouse) as connection:
        others = connection.execute(
            f"select count(*) from ({ledgers}) where not list_contains(?, source_name)",  # noqa: S608
            [names],
        )
        if others.fetchall() == [(0,)]:
            raise CannotHoldError("no other source has rows, so there is nothing to publish")
        connection.execute("drop schema if exists last_good cascade")
        connection.execute("create schema last_good")
        is_published = warehouse.published_path.exists()
        known = attach(connection, warehouse.published_path) if is_published else {}
        _write_slices(connection, ledgers, names, known.get("publications"))
        connection.execute(
            "create table last_good.days as select source_name, usage_date "
            "from intermediate.int_touched_days where list_contains(?, source_name)",
            [names],
        )
        for table in (*FACTS, "reconciliation"):
            if table in known:
                _copy_published(connection, table, known[table], names)
        _write(connection, held)


def held_now(warehouse: WarehouseSettings) -> tuple[Held, ...]:
    """Return what the last build that could be published held, and why."""
    with connect(warehouse) as connection:
        return _read(connection)


def remember(warehouse: WarehouseSettings, held: Sequence[Held]) -> None:
    """Say again what was held before a build that cannot be published."""
    with connect(warehouse) as connection:
        _write(connection, held)


def release(warehouse: WarehouseSettings) -> None:
    """Hold no source any more, after a build that held none."""
    with connect(warehouse) as connection:
        _write(connection, ())
        for schema in ("last_good", FAILING_ROWS):
            connection.execute(f"drop schema if exists {schema} cascade")


def _rows_by_source(connection: duckdb.DuckDBPyConnection, test: FailedTest) -> dict[str, int]:
    """Return how many rows of each source a test finds.

    A test of one model that does not say whose a row is looks at the model once per source: what
    it finds of all rows must be what it finds of each source's.
    """
    try:
        columns = connection.sql(test.query).columns
        if "source_name" in columns:
            found = connection.execute(
                f"select source_name, count(*) from ({test.query}\n) group by source_name"  # noqa: S608
            )
            rows = dict(found.fetchall())
        else:
            rows = _rows_per_source_of_model(connection, test)
    except duckdb.Error as error:
        raise CannotHoldError(
            f"whose rows {test.name} finds cannot be told: {str(error).splitlines()[0]}"
        ) from None
    if not rows or None in rows:
        raise CannotHoldError(f"what {test.name} finds is of no single source")
    return rows


def _rows_per_source_of_model(
    connection: duckdb.DuckDBPyConnection, test: FailedTest
) -> dict[str, int]:
    if test.model is None or "source_name" not in connection.sql(f"from {test.model}").columns:
        return {}
    sources = connection.sql(f"select distinct source_name from {test.model}").fetchall()  # noqa: S608
    rows: dict[str, int] = {}
    for (source,) in sources:
        connection.execute("set variable source = ?", [source])
        its_rows = f"(from {test.model} where source_name = getvariable('source'))"
        if found := _count(connection, test.query.replace(test.model, its_rows)):
            rows[source] = found
    return rows if sum(rows.values()) == _count(connection, test.query) else {}


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    ((rows,),) = connection.execute(f"select count(*) from ({query}\n)").fetchall()  # noqa: S608
    return int(rows)


def _keep_rows(connection: duckdb.DuckDBPyConnection, test: FailedTest) -> None:
    connection.execute(f"create schema if not exists {FAILING_ROWS}")
    connection.execute(
        f'create or replace table {FAILING_ROWS}."{test.name}" as '
        f"from ({test.query}\n) limit {KEPT_ROWS}"
    )


def _see(test: FailedTest) -> str:
    return f'to see them: from {FAILING_ROWS}."{test.name}" in the private warehouse'


def _write_slices(
    connection: duckdb.DuckDBPyConnection,
    ledgers: str,
    names: list[str],
    publications: str | None,
) -> None:
    """Note the slices that the published file does not show; it names the last load that it does.

    What was built but not published has left its days: they must be touched again before they can
    be taken back.
    """
    published = "select null as source_name, '' as last_load_id where false"
    if publications:
        published = (
            "select source_name, max_by(last_load_id, recorded_at) as last_load_id "  # noqa: S608
            f"from {publications} group by source_name"
        )
    connection.execute(
        f"create table last_good.slices as select slice_id, load_id "  # noqa: S608
        f"from ({ledgers}) left join ({published}) using (source_name) "
        "where list_contains(?, source_name) and load_id > coalesce(last_load_id, '')",
        [names],
    )
    forgotten = connection.execute(
        "delete from transform_state.processed_slices where (slice_id, load_id) in "
        "(select slice_id, load_id from last_good.slices)"
    )
    if forgotten.fetchall() != [(0,)]:
        raise CannotHoldError(
            f"some days of {', '.join(names)} were built but never published; they are built again "
            "by the next run, which can then hold them: run this again"
        )


def _copy_published(
    connection: duckdb.DuckDBPyConnection, table: str, published: str, names: list[str]
) -> None:
    """Copy what the published table says of the sources, on their days where not all are built."""
    day = FACTS.get(table)
    # These follow from the other columns anew.
    columns = f"* exclude ({day}, model)" if day else "*"
    query = f"select {columns} from {published} where list_contains(?, source_name)"  # noqa: S608
    ((is_full,),) = connection.execute(
        "select not exists (from transform_state.processed_slices)"
    ).fetchall()
    if day and not is_full:
        ((first, last),) = connection.execute(
            "select min(usage_date), max(usage_date) from last_good.days"
        ).fetchall()
        # The stretch in so many words, so that the rows outside of it are not read.
        span = f"{day} between date '{first}' and date '{last}'" if first else "false"
        query += f" and {span} and (source_name, {day}) in (from last_good.days)"
    connection.execute(f"create table last_good.{table} as {query}", [names])


def _read(connection: duckdb.DuckDBPyConnection) -> tuple[Held, ...]:
    try:
        found = connection.execute(
            f"select source_name, held_since, broken_test, failing_rows, finding from {HELD} "  # noqa: S608
            "order by source_name, broken_test"
        )
    except duckdb.CatalogException:
        return ()
    return tuple(Held(*row) for row in found.fetchall())


def _write(connection: duckdb.DuckDBPyConnection, held: Sequence[Held]) -> None:
    if not held and not _read(connection):
        return
    connection.begin()
    connection.execute(f"delete from {HELD}")  # noqa: S608
    for one in held:
        connection.execute(
            f"insert into {HELD} values (?, ?, ?, ?, ?)",  # noqa: S608
            [one.source, one.since, one.broken_test, one.rows, one.finding],
        )
    connection.commit()
