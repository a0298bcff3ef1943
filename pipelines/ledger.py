"""What the warehouse itself says was loaded: the ledger, which outlives dlt's working folder.

dlt keeps the watermarks in its working folder and beside the rows. The two part where an older
warehouse file is put back, or where a table is mended by hand. The ledger lies with the rows: what
no line of it covers is not there, whatever a watermark says.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import pendulum

from llm_usage_warehouse.packages import LEDGER
from llm_usage_warehouse.windows import Window

Coverage = Mapping[tuple[str, str], Sequence[Window]]
"""What has been loaded of each stream and scope, as few windows, oldest first."""

# A package that a crash left half loaded may have its lines in the ledger, but not all its rows.
LINES = """
    select ledger.*
    from "{dataset}".{ledger} as ledger
    inner join "{dataset}"._dlt_loads as loads on ledger._dlt_load_id = loads.load_id
    where loads.status = 0 and ledger.source_name = $source_name
"""

COVERED = """
    with lines as ({lines}),

    reached as (
        select *, max(window_end) over (
            partition by stream, scope order by window_start
            rows between unbounded preceding and 1 preceding
        ) as reached_before
        from lines
    ),

    numbered as (
        select *, count(*) filter (window_start > reached_before) over (
            partition by stream, scope order by window_start
            rows between unbounded preceding and current row
        ) as stretch
        from reached
    )

    select stream, scope, epoch_us(min(window_start)), epoch_us(max(window_end))
    from numbered
    group by stream, scope, stretch
    order by stream, scope, stretch
"""

SILENT = """
    with lines as ({lines})

    select coalesce(account_id, '')
    from lines
    where window_end - window_start > interval '1 second'
    group by account_id
    having sum(row_count) = 0
    order by account_id
"""


def coverage(
    connection: duckdb.DuckDBPyConnection, dataset: str, source_name: str
) -> dict[tuple[str, str], list[Window]]:
    """Return what the ledger of a source covers; nothing where it has no ledger yet."""
    found: dict[tuple[str, str], list[Window]] = {}
    for stream, scope, start, end in _rows(connection, COVERED, dataset, source_name):
        window = Window(*(pendulum.from_timestamp(at / 1_000_000) for at in (start, end)))
        found.setdefault((stream, scope), []).append(window)
    return found


def silent_accounts(
    connection: duckdb.DuckDBPyConnection, dataset: str, source_name: str
) -> list[str]:
    """Return the accounts that no row was ever read of; "" stands for all of a source."""
    return [account for (account,) in _rows(connection, SILENT, dataset, source_name)]


def _rows(
    connection: duckdb.DuckDBPyConnection, query: str, dataset: str, source_name: str
) -> list[tuple[Any, ...]]:
    lines = LINES.format(dataset=dataset, ledger=LEDGER)
    try:
        found = connection.execute(query.format(lines=lines), {"source_name": source_name})
    except duckdb.CatalogException:
        return []
    return found.fetchall()
