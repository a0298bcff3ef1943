"""Merges a load package out of its own files.

dlt copies the Parquet files of a package into staging tables, and merges from there. On one machine
the files themselves do as well: each row is written to the warehouse once instead of twice, and
none is staged twice by a load that goes on after a crash.
"""

from collections.abc import Sequence
from typing import Any

from dlt.common.destination.client import FollowupJobRequest, LoadJob
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.storages.load_package import LoadJobInfo
from dlt.destinations.impl.duckdb.duck import DuckDbClient
from dlt.destinations.job_impl import FinalizedLoadJobWithFollowupJobs
from dlt.destinations.sql_client import SqlClientBase
from dlt.destinations.sql_jobs import SqlMergeFollowupJob

from llm_usage_warehouse.quoting import literal

NOT_IN_A_PATH = (";", "\n", "alter schema")
"""What would end a statement of dlt's, or the transaction that it is in."""


class MergingClient(DuckDbClient):
    """A client of dlt for DuckDB, which leaves the files of merged tables where they are."""

    def create_load_job(
        self, table: PreparedTableSchema, file_path: str, load_id: str, restore: bool = False
    ) -> LoadJob:
        """Return what loads a file: nothing is to be done for one that is merged later."""
        if _is_merged(table, file_path):
            return FinalizedLoadJobWithFollowupJobs(file_path)
        return super().create_load_job(table, file_path, load_id, restore)

    def create_table_chain_completed_followup_jobs(
        self,
        table_chain: Sequence[PreparedTableSchema],
        completed_table_chain_jobs: Sequence[LoadJobInfo] | None = None,
    ) -> list[FollowupJobRequest]:
        """Return the statements that merge a table, once all of its files are there."""
        paths = [job.file_path for job in completed_table_chain_jobs or ()]
        files = [path for path in paths if _is_merged(table_chain[0], path)]
        if not files:
            return super().create_table_chain_completed_followup_jobs(
                table_chain, completed_table_chain_jobs
            )
        client: Any = _OverFiles(self.sql_client, files)
        return [SqlMergeFollowupJob.from_table_chain(table_chain, client)]


class _OverFiles:
    """A client that names the files of a package where it is asked for a staging table."""

    def __init__(self, client: SqlClientBase[Any], files: Sequence[str]) -> None:
        self._client = client
        self._files = ", ".join(literal(file) for file in files)

    def get_qualified_table_names(self, table_name: str) -> tuple[str, str]:
        name, staging = self._client.get_qualified_table_names(table_name)
        # The staging table is empty; it has the columns that a file lacks.
        missing = f"SELECT * FROM {staging} UNION ALL BY NAME"  # noqa: S608 - our own names
        rows = f"SELECT * FROM read_parquet([{self._files}], union_by_name = true)"  # noqa: S608
        return name, f"({missing} {rows})"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def _is_merged(table: PreparedTableSchema, path: str) -> bool:
    """Say whether a file is merged from where it is."""
    return (
        table["write_disposition"] == "merge"
        and path.endswith(".parquet")
        and not any(word in path.lower() for word in NOT_IN_A_PATH)
    )
