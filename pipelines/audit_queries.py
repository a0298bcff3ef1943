"""What an audit asks the warehouse: which totals are not the stored ones, which days part.

Everything here is SQL over the raw tables, the models and the published file; `audit` decides what
follows from the answers.
"""

from collections.abc import Collection, Mapping

import duckdb
import pyarrow as pa

from llm_usage_warehouse.streams import Audit, Stream

DECIMALS = 9
"""To how many decimals totals are compared: vendors add money up in floats, in any order."""

TABLES = """
    create schema if not exists transform_state;
    create table if not exists transform_state.audit_reads (
        run_id varchar, source_name varchar, stream varchar,
        window_start timestamptz, window_end timestamptz, read_at timestamptz
    );
    create table if not exists transform_state.audit_requests (
        run_id varchar, source_name varchar, requests bigint, read_at timestamptz
    );
    create table if not exists transform_state.audit_findings (
        run_id varchar, source_name varchar, stream varchar, scope varchar,
        window_start timestamptz, window_end timestamptz, reason varchar,
        ours decimal(38, 0), vendors decimal(38, 0), read_at timestamptz
    );
"""

# A difference that was looked into, and where nothing has moved since, is known.
DIFFERING = """
    select distinct
        coalesce(pairs.detail_stream, replace(compared.pair, '_vs_reported_total', '')),
        pairs.control_stream,
        compared.usage_date
    from main.reconciliation as compared
    left join seeds.reconciliation_pairs as pairs on compared.pair = pairs.pair
    where
        compared.verdict = 'differs'
        and compared.source_name = $source
        and compared.usage_date between $first and $last
        and not exists (
            select 1
            from earlier_audits as audits
            where
                audits.source_name = compared.source_name
                and audits.pair = compared.pair
                and audits.usage_date = compared.usage_date
                and audits.model is not distinct from compared.model
                and audits.measure = compared.measure
                and audits.verdict = 'still_differs'
                and audits.ours_after is not distinct from compared.detail_value
                and audits.vendors is not distinct from compared.control_value
        )
    order by all
"""


def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the tables in which audits are written down, where they are not there yet."""
    connection.execute(TABLES)


def compared_columns(stream: Stream) -> dict[str, str]:
    """Return the columns by which totals are compared, and what of each."""
    table, ignored = stream.table, {"unknown_fields"}
    if stream.audit:
        ignored |= stream.audit.ignored
    texts = table.shape.json_columns()
    columns: dict[str, str] = {}
    for column in table.shape.schema():
        if column.name in ignored:
            continue
        if pa.types.is_decimal(column.type) or pa.types.is_floating(column.type):
            columns[column.name] = f'round(rows."{column.name}", {DECIMALS})'
        else:
            is_json = column.name in texts
            columns[column.name] = (
                f'cast(rows."{column.name}" as varchar)' if is_json else f'rows."{column.name}"'
            )
    return columns


def comparison(dataset: str, stream: Stream, audit: Audit, stored: Collection[str]) -> str:
    """Return a query of the instants whose rows are not the same, and the calls of both sides.

    Args:
        dataset: where the raw tables are.
        stream: the totals.
        audit: how they are asked for again.
        stored: the columns of the raw table. One that a newer version has added is not there before
            the next load, and says nothing of rows that were loaded without it.
    """
    table = stream.table
    known = {name: value for name, value in compared_columns(stream).items() if name in stored}
    columns = {"scope": "rows.scope", table.at: f'rows."{table.at}"', **known}
    compared = ", ".join(f'{value} as "{name}"' for name, value in columns.items())
    is_within = (
        f"from {{}} as rows inner join windows on rows.scope = windows.scope "
        f'and rows."{table.at}" >= windows.starts_at and rows."{table.at}" < windows.ends_at'
    )
    ours = is_within.format(f'"{dataset}"."{table.name}"')
    counted = f'scope, "{table.at}" as instant, {{}} as ours, {{}} as vendors from {{}}'
    return f"""
        with ours as (
            select {compared} {ours}
            where
                rows.source_name = $source
                and ({audit.where})
                -- So that what lies before is passed over without being read.
                and rows."{table.at}" >= $first
                and rows."{table.at}" < $last
        ),

        vendors as (select {compared} {is_within.format("fresh")}),

        changed as (
            select distinct scope, "{table.at}" as instant
            from ((from ours except all from vendors) union all (from vendors except all from ours))
        ),

        counted as (
            select {counted.format(audit.calls, 0, "ours")}
            union all
            select {counted.format(0, audit.calls, "vendors")}
        )

        select
            scope, epoch_us(instant), cast(coalesce(sum(ours), 0) as hugeint),
            cast(coalesce(sum(vendors), 0) as hugeint)
        from counted inner join changed using (scope, instant)
        group by scope, instant
        order by scope, instant
    """  # noqa: S608 - our own names


def tell_earlier_audits(connection: duckdb.DuckDBPyConnection, known: Mapping[str, str]) -> None:
    """Make a temporary table `earlier_audits` of what the file attached as `earlier` says.

    Args:
        connection: the private warehouse.
        known: the tables of that file, as `history.attach` returns them; without `audits`, or
            without a file, nothing was said.
    """
    connection.execute(
        "create temporary table earlier_audits (source_name varchar, pair varchar, "
        "usage_date date, model varchar, measure varchar, vendors decimal(38, 12), "
        "ours_after decimal(38, 12), verdict varchar, recorded_at timestamptz)"
    )
    if "audits" in known:
        columns = "source_name, pair, usage_date, model, measure, vendors, ours_after, verdict"
        connection.execute(
            f"insert into earlier_audits select {columns}, recorded_at "  # noqa: S608 - our own names
            f"from {known['audits']}"
        )
