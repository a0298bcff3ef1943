"""A published file that a test writes by hand, one publication after the other."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb

from llm_usage_warehouse.places import previous
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.targets import write_targets
from llm_usage_warehouse.targets.changes import note
from llm_usage_warehouse.targets.live import live_path
from llm_usage_warehouse.targets.publication import Publication

TABLES = """
    create schema detail;
    create table detail.calls (
        usage_date date, name varchar, cost decimal(38, 12), called_at timestamptz
    );
    comment on table detail.calls is 'One row per call.';
    comment on column detail.calls.cost is 'What it cost.';
    create table detail.names (name varchar, team varchar);
    create view main.costs as
        with costs as (from detail.calls)
        select costs.usage_date, names.team, costs.cost
        from costs left join detail.names using (name);
    create view detail.named as from detail.calls where name is not null;
    insert into detail.names values ('a', 'red'), ('b', '');
    insert into detail.calls values
        ('2026-10-31', 'a', 1.000000000001, '2026-10-31T01:00:00Z'),
        ('2026-11-01', 'b', 2, null),
        (null, null, null, null);
"""

HASH = "select count(*), sum(hash(row)::hugeint) from {} as row"


class Publications:
    """A published file with a table of days, a table of one piece and a view of either kind.

    Args:
        folder: where it lies.
        targets: what else is written.
    """

    def __init__(self, folder: Path, *targets: str) -> None:
        self.settings = WarehouseSettings(
            path=folder / "w.duckdb",
            published_path=folder / "llm.duckdb",
            publish=["duckdb", *targets],
        )

    def publish(self, sql: str, changed: Mapping[str, str] | None = None) -> dict[str, str]:
        """Publish what `sql` makes of the file of before, and write the targets.

        Args:
            sql: what to run on it.
            changed: the tables and a condition on their rows that changed; None where it is new.

        Returns:
            why a target was not written.
        """
        self.swap(sql, changed)
        return write_targets(self.settings)

    def swap(self, sql: str, changed: Mapping[str, str] | None = None) -> None:
        """Publish, and write no target."""
        target = self.settings.published_path
        earlier, fresh = previous(target), target.with_name("fresh.duckdb")
        if target.exists():
            target.rename(earlier)
            fresh.write_bytes(earlier.read_bytes())
        with duckdb.connect() as connection:
            if earlier.exists():
                connection.execute(f"attach '{earlier}' as earlier (read_only)")
            connection.execute(f"attach '{fresh}' as published")
            connection.execute("use published")
            connection.execute(sql)
            note(connection, str(uuid4()), changed)
        fresh.replace(target)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the published file."""
        return ask(self.settings.published_path, sql)


def differing(warehouse: WarehouseSettings) -> list[str]:
    """Return what the live file does not have as the published file has it."""
    with (
        duckdb.connect(str(warehouse.published_path), read_only=True) as published,
        duckdb.connect(str(live_path(warehouse)), read_only=True) as live,
    ):
        return [
            one.sql
            for one in Publication(published).relations
            if published.execute(HASH.format(one.sql)).fetchall()
            != live.execute(HASH.format(one.sql)).fetchall()
        ]


def ask(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """Ask a DuckDB file, in UTC."""
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        return connection.execute(sql).fetchall()
