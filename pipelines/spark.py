"""The session in which Spark runs the models: its settings, its Java, the tables that it knows.

Spark's catalogue lasts as long as its session: what the lake holds is told to each. Hive's own,
which would last, refuses views as long as some of ours.
"""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from llm_usage_warehouse.errors import RunError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from llm_usage_warehouse.delta import LakeTable

DELTA = "io.delta:delta-spark_4.1_2.13:4.4.0"
"""Delta Lake for this Spark, as Maven Central has it."""

STORE = "org.apache.hadoop:hadoop-aws:3.4.2"
"""What lets the Hadoop that is in this Spark read and write an object store."""

JAVA_VERSIONS = (17, 21)
"""What Spark 4.1 runs on."""

JAVAS = Path("/usr/lib/jvm")
"""Where a system has its Javas."""

SCHEMAS = ("main", "intermediate", "staging", "seeds", "snapshots", "transform_state")
"""Those in which builds make tables."""

HEAP_OF_DRIVER, HEAP_OF_EXECUTOR = "1g", "768m"

_UTC = "-Duser.timezone=UTC"
_QUICK_TO_START = (
    # Short jobs end before the better compiler has earned what it takes: half of all processor
    # time. The quick one wants more room than it is given by itself.
    f"{_UTC} -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC"
)

ON_ONE_MACHINE = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": HEAP_OF_DRIVER,
    "spark.executor.memory": HEAP_OF_EXECUTOR,
    # The defaults are for hundreds of cores, and each part of a small table costs as much as it.
    "spark.sql.shuffle.partitions": "2",
    "spark.databricks.delta.snapshotPartitions": "2",
}
"""Where no other machine is, and no `spark-defaults.conf` of the user's."""

FOR_SMALL_TABLES = {
    "spark.driver.extraJavaOptions": _QUICK_TO_START,
    "spark.executor.extraJavaOptions": _QUICK_TO_START,
    # Each shuffle would be a job of its own, after which the rest is planned anew.
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.optimizer.dynamicPartitionPruning.enabled": "false",
    "spark.sql.optimizer.runtime.bloomFilter.enabled": "false",
    # Looks over the whole plan again after each rule that changed it.
    "spark.sql.lightweightPlanChangeValidation": "false",
}
"""Where planning takes longer than the rows do."""

CONNECT_WITHIN = 5.0
"""Seconds."""


def check(master: str) -> Path:
    """Make sure that there is a Java, and a Spark at an address; return the home of the Java.

    Raises:
        RunError: there is none.
    """
    if master.startswith("spark://") and (told := _why_unreachable(master)):
        raise RunError(
            f"there is no Spark at {master} ({told}); start it, or look at [warehouse] master, "
            "then run this again: what was loaded stays"
        )
    return find_java()


def _why_unreachable(master: str) -> OSError | None:
    told: OSError | None = None
    # A cluster may have more than one, of which one is awake.
    for address in master.removeprefix("spark://").split(","):
        at = urlsplit(f"//{address}")
        try:
            with socket.create_connection((at.hostname or "", at.port or 7077), CONNECT_WITHIN):
                return None
        except OSError as error:
            told = error
    return told


def find_java() -> Path:
    """Return the home of a Java that Spark runs on: the one of the environment, or a system's.

    Raises:
        RunError: there is none.
    """
    named = [Path(os.environ["JAVA_HOME"])] if "JAVA_HOME" in os.environ else []
    on_path = shutil.which("java")
    found = [Path(on_path).resolve().parent.parent] if on_path else []
    for home in (*named, *found, *sorted(JAVAS.glob("*"))):
        if _version_of(home) in JAVA_VERSIONS:
            return home
    versions = " or ".join(map(str, JAVA_VERSIONS))
    raise RunError(f"Spark needs Java {versions}, and there is none: install one, or set JAVA_HOME")


def _version_of(home: Path) -> int | None:
    java = home / "bin" / "java"
    if not java.exists():
        return None
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr  # noqa: S603
    version = re.search(r'version "(\d+)', said)
    return int(version[1]) if version else None


def open_session(
    master: str, lake: str, work: Path, given: Mapping[str, str] = FOR_SMALL_TABLES
) -> "SparkSession":
    """Open the session of this process, which dbt-spark finds by itself.

    Args:
        master: the address of the cluster.
        lake: the folder, or the address, in which tables are made.
        work: the jars of `DELTA` and `STORE` lie in it, and what Spark says while it starts.
        given: what the tables want beside what all want, where no other machine is.
    """
    from pyspark.sql import SparkSession  # noqa: PLC0415

    settings = {
        "spark.jars.packages": f"{DELTA},{STORE}" if "://" in lake else DELTA,
        "spark.jars.ivy": str(work / "ivy"),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        # What dbt makes without a word of its format is a table of Delta, too.
        "spark.sql.sources.default": "delta",
        "spark.sql.warehouse.dir": lake,
        # All others that use the lake call it s3.
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        # Hadoop takes no notice of the process's own.
        "spark.hadoop.fs.permissions.umask-mode": "077",
        # Hive's catalogue on Derby refuses a view whose text is longer than 32,700 bytes; some are.
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.session.timeZone": "UTC",
        # What else is written has no zone for who reads it with anything but Spark.
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.driver.extraJavaOptions": _UTC,
        "spark.executor.extraJavaOptions": _UTC,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.debug.maxToStringFields": "200",
    }
    if "SPARK_CONF_DIR" not in os.environ and _is_here(master):
        settings |= {**ON_ONE_MACHINE, **given}
    builder = SparkSession.builder.master(master).appName("llm-usage-warehouse")
    for name, value in settings.items():
        builder = builder.config(name, value)
    with _errors_in(work / "driver.log"):
        session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def tell_tables(session: "SparkSession", lake: str, tables: Sequence["LakeTable"]) -> None:
    """Tell a session what the lake holds, and where what a build makes belongs.

    Args:
        session: new.
        lake: its folder or address.
        tables: what lies in it.
    """
    schemas = {*SCHEMAS, *(schema for schema, *_ in tables)}
    for schema in sorted(schemas):
        session.sql(f"create schema if not exists `{schema}` location '{lake}/{schema}'")
    for schema, table, place, is_delta, version in tables:
        if version is None:
            form = "delta" if is_delta else "parquet"
            session.sql(f"create table `{schema}`.`{table}` using {form} location '{place}'")
        else:
            rows = f"select * from delta.`{place}` version as of {version}"  # noqa: S608
            session.sql(f"create view `{schema}`.`{table}` as {rows}")


def _is_here(master: str) -> bool:
    if not master.startswith("spark://"):
        return True
    return urlsplit(f"//{master.removeprefix('spark://')}").hostname in ("127.0.0.1", "localhost")


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
