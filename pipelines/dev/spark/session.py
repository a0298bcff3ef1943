"""The session in which everything is asked of Spark, dbt's statements among them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyspark.sql import SparkSession

DELTA = "io.delta:delta-spark_4.1_2.13:4.4.0"
"""Delta Lake for this Spark, as Maven Central has it."""


def open_session(master: str, folder: Path) -> SparkSession:
    """Open the session of this process, which dbt-spark finds by itself.

    Args:
        master: the address of the cluster.
        folder: the lake and the jars lie in it.
    """
    settings = {
        "spark.jars.packages": DELTA,
        "spark.jars.ivy": str(folder / "ivy"),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        # What dbt makes without a word of its format is a table of Delta, too.
        "spark.sql.sources.default": "delta",
        "spark.sql.warehouse.dir": str(folder / "lake"),
        # Hive's catalogue on Derby refuses a view whose text is longer than 32,700 bytes; some are.
        # One in memory knows the tables as long as the session lasts, which does for a test.
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.session.timeZone": "UTC",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.driver.extraJavaOptions": "-Duser.timezone=UTC",
        "spark.executor.memory": "768m",
        "spark.executor.extraJavaOptions": "-Duser.timezone=UTC",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # The tables are small: the defaults are for hundreds of cores.
        "spark.sql.shuffle.partitions": "2",
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.sql.debug.maxToStringFields": "200",
    }
    builder = SparkSession.builder.master(master).appName("llm-usage-warehouse")
    for name, value in settings.items():
        builder = builder.config(name, value)
    with _errors_in(folder / "driver.log"):
        session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


@contextmanager
def _errors_in(log: Path) -> Iterator[None]:
    """Have what is started write its errors, among them what Spark fetches, to a file."""
    ours = os.dup(2)
    with log.open("wb") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(ours, 2)
        os.close(ours)
