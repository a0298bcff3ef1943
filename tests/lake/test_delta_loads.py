"""Loads into Delta tables hold what loads into a DuckDB file do, whatever happens to them."""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.simulator import Simulator
from llm_usage_warehouse.warehouse import connect
from tests.lake.nights import LOAD, Nights, Rows, deliver_late, ended, four_vendors
from tests.loads import NOW

OF_A_LOAD = ("_dlt_load_id", "read_at", "window_start", "window_end", "row_in_window")
"""Columns that say with which load a row came, in which slice, and when."""


class Loads(Nights):
    """Nights without their models."""

    script = LOAD

    def raw(self) -> dict[str, Rows]:
        """Return the rows of every raw table, without what tells one load from another."""
        with self._opened() as file:
            found = file.execute(
                "select schema_name, table_name, list(column_name order by column_name) "
                "from duckdb_columns() where starts_with(schema_name, 'raw_') "
                "and not ends_with(schema_name, '_staging') "
                "and not starts_with(table_name, '_dlt') "
                "and table_name <> 'load_ledger' group by all"
            ).fetchall()
            return {
                f"{schema}.{name}": file.execute(
                    f"select {', '.join(one for one in columns if one not in OF_A_LOAD)} "
                    f"from {schema}.{name} order by all"
                ).fetchall()
                for schema, name, columns in found
            }

    def reached(self) -> list[Rows]:
        """Return until when the ledger says that each stream and scope was read."""
        with self._opened() as file:
            return [
                file.execute(
                    "select source_name, stream, scope, max(window_end) "
                    f"from {schema}.load_ledger inner join {schema}._dlt_loads "
                    "on _dlt_load_id = load_id where status = 0 group by all order by all"
                ).fetchall()
                for schema in ("raw_aiproxy", "raw_weave")
            ]

    def _opened(self) -> duckdb.DuckDBPyConnection:
        (path,) = self.folder.glob("data/warehouse.*[bk]")
        engine, lake = self._env.get("WAREHOUSE__ENGINE"), self._env.get("WAREHOUSE__LAKE")
        settings = WarehouseSettings(path=path, engine=engine or "duckdb", lake=lake or "")
        return connect(settings, read_only=True)

    @property
    def commits(self) -> int:
        """How many versions the tables of the lake have, all together."""
        return len(list(self.folder.glob("data/lake/*/*/_delta_log/*.json")))


@pytest.fixture(scope="module")
def vendors() -> Iterator[Simulator]:
    with four_vendors() as found:
        yield found


def test_rows_are_those_of_a_duckdb_file_and_late_ones_come_too(tmp_path: Path) -> None:
    with four_vendors() as vendors:
        file = Loads(tmp_path / "file", vendors)
        lake = Loads(tmp_path / "lake", vendors, engine="spark")
        for one in (file, lake):
            one.run("aiproxy", "weave")
        assert lake.raw() == file.raw()
        assert lake.reached() == file.reached()
        deliver_late(vendors)
        for one in (file, lake):
            one.run("aiproxy", "weave", now=NOW.add(hours=1))
        assert lake.raw() == file.raw()


def test_what_a_killed_load_wrote_is_seen_once_it_is_whole(
    tmp_path: Path, vendors: Simulator
) -> None:
    file = Loads(tmp_path / "file", vendors)
    file.run("aiproxy", "alibaba_model_router")
    for commits in (2, 6):
        lake = Loads(tmp_path / f"lake_{commits}", vendors, engine="spark")
        with lake.begin("aiproxy", "alibaba_model_router") as process:
            while lake.commits < commits and process.poll() is None:
                time.sleep(0.001)
            process.kill()
            process.communicate()
        assert process.returncode == -9, "it was done before it could be killed"
        seen, whole = lake.raw(), file.raw()
        for dataset in ("raw_aiproxy", "raw_alibaba_model_router"):
            rows = {name: found for name, found in seen.items() if name.startswith(dataset)}
            assert not rows or rows.items() <= whole.items(), "a part of a package is seen"
        lake.run("aiproxy", "alibaba_model_router")
        assert lake.raw() == file.raw()


def test_a_lake_of_another_file_or_format_is_left_alone(tmp_path: Path, vendors: Simulator) -> None:
    shared = str(tmp_path / "shared")
    first = Loads(tmp_path / "first", vendors, engine="spark", lake=shared)
    first.run("weave")
    second = Loads(tmp_path / "second", vendors, engine="spark", lake=shared)
    code, said = second.tried("weave")
    assert code
    assert "is written with another private file than" in said
    assert "set [warehouse] path to that one" in said
    mark = tmp_path / "shared" / "_llm_usage.json"
    before = first.raw()
    mark.write_text(json.dumps({"format": 99, "lake_id": "x"}))
    code, said = first.tried("weave", now=NOW.add(hours=1))
    assert code
    assert "is of format 99, and this version of llm-usage writes format 1" in said
    mark.write_text("{")
    assert "is none of ours" in first.tried("weave")[1]
    assert first.raw() == before
    # As the message says, the lake of a file that is gone is had by who removes the mark.
    mark.unlink()
    second.run("weave")
    assert second.raw() == before


def test_two_loads_at_once_are_one(tmp_path: Path, vendors: Simulator) -> None:
    lake = Loads(tmp_path / "lake", vendors, engine="spark")
    with lake.begin("aiproxy") as process:
        while lake.commits < 1 and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(signal.SIGSTOP)
        code, said = lake.tried("weave")
        process.send_signal(signal.SIGCONT)
        assert (code, ended(process)) == (1, (0, ""))
    assert "another run is writing" in said
