"""How old the last window of each source is, at the moment of asking."""

from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from llm_usage_warehouse.settings import WarehouseSettings

AGES = """
    select source_name as source, min(last_window_end) as loaded_to,
        epoch(now() - min(last_window_end)) as age,
        any_value(publications.last_complete_date) as last_complete_date
    from load_status left join publications using (source_name)
    where publications.recorded_at = (select max(recorded_at) from publications)
    group by source_name
    order by source_name
"""


@dataclass(frozen=True)
class Age:
    """How fresh a source is.

    Attributes:
        source: its name.
        loaded_to: up to when every stream of it is loaded.
        age_seconds: how long ago that is.
        is_stale: whether that is longer than `stale_after`.
        complete_through: its last complete local day; None where it has none.
    """

    source: str
    loaded_to: datetime
    age_seconds: float
    is_stale: bool
    complete_through: date | None


def read_ages(connection: duckdb.DuckDBPyConnection, warehouse: WarehouseSettings) -> list[Age]:
    """Return how fresh each source of the published file is, by name."""
    limit = warehouse.stale_after.total_seconds()
    return [
        Age(source, loaded_to, age, age > limit, last_day)
        for source, loaded_to, age, last_day in connection.execute(AGES).fetchall()
    ]
