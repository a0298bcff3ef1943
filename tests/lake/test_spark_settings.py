"""What is said where engine "spark" lacks something, by any environment, with Spark or without."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from llm_usage_warehouse import spark
from llm_usage_warehouse.connectors import connectors
from llm_usage_warehouse.dbt_by_hand import run_by_hand
from llm_usage_warehouse.errors import RunError, UsageError
from llm_usage_warehouse.settings import WarehouseSettings, load_warehouse
from tests.lake.nights import Nights, four_vendors


@pytest.mark.skipif(find_spec("pyspark") is not None, reason="Spark is installed")
def test_without_spark_rows_are_loaded_and_the_package_is_named(tmp_path: Path) -> None:
    with four_vendors() as vendors:
        night = Nights(tmp_path / "lake", vendors, engine="spark")
        code, said = night.tried("weave")
    assert code
    assert "pyspark is not installed: pip install 'llm-usage-warehouse[spark]'" in said
    assert list(night.folder.glob("data/lake/raw_weave/usage_buckets/*.parquet"))


def test_without_a_master_its_setting_is_named() -> None:
    # Nobody listens there: the port is of a service that discards what it is told.
    with pytest.raises(
        RunError, match=r"no Spark at spark://127\.0\.0\.1:9 .*\[warehouse\] master"
    ):
        spark.check("spark://127.0.0.1:9")


def test_without_a_java_of_its_versions_they_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "java-11" / "bin" / "java"
    old.parent.mkdir(parents=True)
    old.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    old.chmod(0o755)
    monkeypatch.setattr(spark, "JAVAS", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(RunError, match="Spark needs Java 17 or 21, and there is none"):
        spark.find_java()
    newer = tmp_path / "java-17" / "bin" / "java"
    newer.parent.mkdir(parents=True)
    newer.write_text(old.read_text().replace("11.0.2", "17.0.9"))
    newer.chmod(0o755)
    assert spark.find_java() == tmp_path / "java-17"


def test_a_lake_in_a_store_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAREHOUSE__ENGINE", "spark")
    monkeypatch.setenv("WAREHOUSE__LAKE", "gs://bucket/lake")
    with pytest.raises(UsageError, match="engine spark was tried with S3"):
        load_warehouse()


@pytest.mark.parametrize(
    "arguments", [["run"], ["seed"], ["build", "--select", "calls"], ["build", "-s", "calls"]]
)
def test_a_part_of_the_models_is_refused(tmp_path: Path, arguments: list[str]) -> None:
    warehouse = WarehouseSettings(path=tmp_path / "warehouse.spark", engine="spark")
    with pytest.raises(UsageError, match="models are built all together: llm-usage transform"):
        run_by_hand(warehouse, connectors().values(), arguments)
    assert not list(tmp_path.iterdir())
