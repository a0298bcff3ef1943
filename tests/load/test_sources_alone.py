"""Each source alone in a plain dlt pipeline: no command of ours, no settings file, any destination.

The pipeline is the ten lines of the source's README; the vendor is the simulator on loopback.
"""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import deltalake
import dlt
import duckdb
import pendulum
import pytest
from dlt.common.pipeline import LoadInfo

from llm_usage_warehouse.connectors import connectors
from llm_usage_warehouse.errors import UsageError
from llm_usage_warehouse.simulator import Personality, Simulator, World
from llm_usage_warehouse.sources.aiproxy import aiproxy

VENDORS = tuple(sorted(connectors()))
ROWS = dict.fromkeys(VENDORS, "calls") | {
    "aiproxy": "logs",
    "tencent_lke": "usage_call_details",
    "alibaba_model_router": "observation_logs",
    "weave": "usage_buckets",
}
EVERY_STREAM = {"weave": {"read_calls": True}}


class Plain:
    """A plain dlt pipeline into DuckDB, and the simulated vendor that it reads."""

    def __init__(self, folder: Path, vendor: str, personality: Personality) -> None:
        self.folder, self.vendor, self.personality = folder, vendor, personality
        module = importlib.import_module(f"llm_usage_warehouse.sources.{vendor}")
        self._source = getattr(module, vendor)

    def source(self, **settings: Any) -> Any:
        every = EVERY_STREAM.get(self.vendor, {})
        return self._source(**{**self.personality.settings, "start": "P3D", **every, **settings})

    def pipeline(self) -> dlt.Pipeline:
        return dlt.pipeline(
            "usage",
            pipelines_dir=str(self.folder / "dlt"),
            destination=dlt.destinations.duckdb(str(self.folder / "usage.duckdb")),
            dataset_name="raw",
        )

    def run(self, **settings: Any) -> LoadInfo:
        return self.pipeline().run(self.source(**settings))

    def one(self, sql: str) -> Any:
        with duckdb.connect(str(self.folder / "usage.duckdb")) as connection:
            ((value,),) = connection.execute(sql).fetchall()
        return value

    def marks(self) -> dict[str, Any]:
        state: dict[str, Any] = self.pipeline().state["sources"][self.vendor]["resources"]
        return state


@pytest.fixture(params=VENDORS)
def plain(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Plain]:
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    # No project of ours is anywhere near.
    monkeypatch.setenv("DLT_PROJECT_DIR", str(tmp_path))
    with Simulator(World(days=3, rows_per_day=240), [request.param]) as simulator:
        personality = simulator[request.param]
        if request.param == "tencent_lke":
            # Each of its models takes dozens of requests a day, at a pace.
            personality.data.account.listed = {"hy3"}
        yield Plain(tmp_path, request.param, personality)


def test_run_twice_it_reads_what_is_new(plain: Plain) -> None:
    table = ROWS[plain.vendor]
    # More days than the look-back touches, at whatever hour this runs.
    plain.run(start="P6D")
    rows, keys = plain.one(f"select count(*) from raw.{table}"), plain.marks()[table]
    assert rows > 50
    first = plain.one("select count(*) from raw.load_ledger")
    plain.run(start="P6D")
    assert plain.one(f"select count(*) from raw.{table}") >= rows
    again = plain.one("select count(*) from raw.load_ledger") - first
    assert again < first, "the second run reads only its look-back"
    for scope, mark in plain.marks()[table][plain.vendor].items():
        # Buckets are whole hours: nothing more may be complete yet.
        assert mark["watermark"] >= keys[plain.vendor][scope]["watermark"]
        assert mark["start"] == keys[plain.vendor][scope]["start"]


def test_an_end_makes_it_a_backfill_that_moves_no_watermark(plain: Plain) -> None:
    now = pendulum.now("UTC")
    plain.run(start=str(now.subtract(days=2).date()), end=str(now.subtract(days=1).date()))
    assert plain.one(f"select count(*) from raw.{ROWS[plain.vendor]}") > 0
    assert plain.one("select count(distinct run_kind) from raw.load_ledger") == 1
    assert plain.one("select max(run_kind) from raw.load_ledger") == "backfill"
    for streams in plain.marks().values():
        assert all(mark["watermark"] is None for mark in streams[plain.vendor].values())


def test_one_stream_can_be_read_alone(plain: Plain) -> None:
    table = ROWS[plain.vendor]
    plain.pipeline().run(plain.source().with_resources(table))
    assert plain.one("select string_agg(distinct stream) from raw.load_ledger") == table


def test_each_resource_says_how_it_is_written(plain: Plain) -> None:
    for resource in plain.source().resources.values():
        schema = resource.compute_table_schema()
        assert schema["write_disposition"] == "merge"
        keys = [name for name, column in schema["columns"].items() if column.get("primary_key")]
        assert "source_name" in keys
        assert schema["columns"]["unknown_fields"]["data_type"] == "json"


@pytest.mark.parametrize("plain", ["alibaba_model_router", "weave"], indirect=True)
def test_delta_tables_are_merged_and_replaced_like_duckdbs(plain: Plain) -> None:
    def run() -> None:
        pipeline = dlt.pipeline(
            "lake",
            pipelines_dir=str(plain.folder / "dlt"),
            destination=dlt.destinations.filesystem(f"file://{plain.folder}/lake"),
            dataset_name="raw",
        )
        source = plain.source()
        for resource in source.resources.values():
            resource.apply_hints(table_format="delta")
        pipeline.run(source)

    run()
    run()
    plain.run()
    for table in next(c for v, c in connectors().items() if v == plain.vendor).tables:
        delta = deltalake.DeltaTable(f"{plain.folder}/lake/raw/{table.name}").to_pyarrow_table()
        keys = set(zip(*(delta[key].to_pylist() for key in table.primary_key), strict=True))
        assert len(keys) == delta.num_rows
        assert delta.num_rows == plain.one(f"select count(*) from raw.{table.name}")


def test_missing_secrets_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DLT_PROJECT_DIR", str(tmp_path))
    with pytest.raises(UsageError, match=r"admin_key is missing .* SOURCES__MINE__ADMIN_KEY"):
        aiproxy(base_url="https://aiproxy.example.com/api", source_name="mine")
    with pytest.raises(UsageError, match="groupes is no setting of"):
        aiproxy(base_url="https://aiproxy.example.com/api", admin_key="k", groupes=["a"])


def test_settings_come_from_dlts_own_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__AIPROXY__ADMIN_KEY", "k")
    monkeypatch.setenv("SOURCES__AIPROXY__GROUPS", json.dumps(["a", "b"]))
    # A bare name is no setting of ours, however dlt would read it.
    monkeypatch.setenv("START", "nonsense")
    assert set(aiproxy(base_url="http://127.0.0.1:1/api").resources) >= {"logs", "channels"}
