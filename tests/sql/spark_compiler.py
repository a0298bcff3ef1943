"""dbt, compiling the models for Spark where there is no Spark: the answers are a DuckDB file's.

Some models ask the database while they are compiled: which days are touched, which slices are new.
dbt-spark asks it here over a connection to a warehouse of DuckDB, question by question translated.
`python spark_compiler.py WAREHOUSE ASKED ARGUMENTS` runs `dbt ARGUMENTS` so, and writes every
statement that it asked or would have run into the file ASKED, a JSON text a line.
"""

import gc
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

import duckdb
import sqlglot
from dbt.adapters.contracts.connection import Connection, ConnectionState
from dbt.adapters.spark.connections import SparkConnectionManager, SparkConnectionWrapper
from dbt.cli.main import dbtRunner

# dbt-spark looks whether Spark's package is there, and imports it only to connect.
sys.modules.setdefault("pyspark", ModuleType("pyspark"))

LIST = "show table extended in "


class Answers(SparkConnectionWrapper):
    """A connection, and its cursor: what is asked in Spark's words is answered by DuckDB."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, asked: TextIO) -> None:
        self._connection = connection
        self._asked = asked

    def cursor(self) -> "Answers":
        return self

    def cancel(self) -> None:
        pass

    def close(self) -> None:
        pass

    def rollback(self) -> None:
        pass

    def execute(self, sql: str, bindings: Any = None) -> None:
        print(json.dumps(sql), file=self._asked, flush=True)
        at = sql.find(LIST)
        if sql.split(maxsplit=2)[:2] == ["describe", "extended"]:
            self._connection.execute(f"describe {sql.split()[2].replace('`', '')}")
        elif sqlglot.tokenize(sql, read="spark")[0].text.lower() not in ("select", "with", "show"):
            # A hook: the file stays as it is.
            self._connection.execute("select 1 where false")
        elif at >= 0:
            schema = sql[at + len(LIST) :].split(maxsplit=1)[0].strip("`")
            self._connection.execute(
                "select schema_name, name, false, 'Type: ' || kind || ' Provider: delta' from ("
                "select schema_name, table_name as name, 'MANAGED' as kind from duckdb_tables() "
                "union all select schema_name, view_name, 'VIEW' from duckdb_views()) "
                "where schema_name = ?",
                [schema],
            )
        else:
            (translated,) = sqlglot.transpile(sql, read="spark", write="duckdb")
            self._connection.execute(translated)

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._connection.fetchall()

    @property
    def description(self) -> Any:
        return self._connection.description


def main() -> None:
    warehouse, asked, *arguments = sys.argv[1:]
    duck = duckdb.connect(warehouse, read_only=True)
    duck.execute("set global TimeZone = 'UTC'")

    with Path(asked).open("w") as file:

        def opened(connection: Connection) -> Connection:
            connection.handle = Answers(duck.cursor(), file)
            connection.state = ConnectionState.OPEN
            return connection

        # Looking for garbage while it reads the models takes a sixth of its time.
        gc.disable()
        manager: Any = SparkConnectionManager
        manager.open = staticmethod(opened)
        ok = dbtRunner().invoke(arguments).success
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
