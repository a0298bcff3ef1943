"""The lake as dlt loads into it: dlt's own destination, on the connections of this process."""

import dlt
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.normalizers.naming import NamingConvention
from dlt.common.schema import Schema
from dlt.destinations.impl.ducklake.configuration import (
    DuckLakeClientConfiguration,
    DuckLakeCredentials,
)
from dlt.destinations.impl.ducklake.ducklake import DuckLakeClient
from dlt.destinations.impl.ducklake.sql_client import DuckLakeSqlClient
from dlt.destinations.sql_client import raise_open_connection_error
from duckdb import DuckDBPyConnection

from llm_usage_warehouse import lake
from llm_usage_warehouse.merging import MergingClient
from llm_usage_warehouse.packages import Package
from llm_usage_warehouse.settings import WarehouseSettings


class LakeDestination(dlt.destinations.ducklake):
    """dlt's DuckLake destination on the warehouse's lake.

    Args:
        warehouse: whose lake.
    """

    def __init__(self, warehouse: WarehouseSettings) -> None:
        catalog = warehouse.catalog or f"duckdb:///{warehouse.path}"
        # dlt would ask for the keys of an object store, which DuckDB has as a secret: it never
        # goes to the place that it is told.
        storage = str(warehouse.data_folder) if warehouse.is_in_a_store else warehouse.lake
        super().__init__(DuckLakeCredentials(lake.DATABASE, catalog=catalog, storage=storage))
        self._client_class = type("OurClient", (MergingLakeClient,), {"warehouse": warehouse})

    @property
    def client_class(self) -> type["MergingLakeClient"]:
        """What loads into the lake."""
        return self._client_class

    @property
    def destination_type(self) -> str:
        """The name that dlt keeps in its state: any DuckLake destination can go on from it."""
        return "dlt.destinations.ducklake"

    @classmethod
    def adjust_capabilities(
        cls,
        caps: DestinationCapabilitiesContext,
        config: DuckLakeClientConfiguration,
        naming: NamingConvention | None,
    ) -> DestinationCapabilitiesContext:
        """Have tables loaded one after the other: those of one DuckDB conflict in the catalog."""
        found = super().adjust_capabilities(caps, config, naming)
        found.loader_parallelism_strategy = "sequential"
        return found

    def give_memory_for(self, package: Package) -> None:
        """Leave the memory as it is: rows are written to Parquet as they come."""


class MergingLakeClient(MergingClient, DuckLakeClient):
    """dlt's client for DuckLake, which leaves the files of merged tables where they are.

    Attributes:
        warehouse: whose lake.
    """

    warehouse: WarehouseSettings

    def __init__(
        self,
        schema: Schema,
        config: DuckLakeClientConfiguration,
        capabilities: DestinationCapabilitiesContext,
    ) -> None:
        super().__init__(schema, config, capabilities)
        self.sql_client: DuckLakeSqlClient = _SqlClient(
            config.normalize_dataset_name(schema),
            config.normalize_staging_dataset_name(schema),
            config.credentials,
            capabilities,
            self.warehouse,
        )


class _SqlClient(DuckLakeSqlClient):
    """dlt's, on the DuckDB that this process has the lake attached to.

    dlt would open another one, which the catalog's lock keeps out.
    """

    def __init__(
        self,
        dataset_name: str,
        staging_dataset_name: str,
        credentials: DuckLakeCredentials,
        capabilities: DestinationCapabilitiesContext,
        warehouse: WarehouseSettings,
    ) -> None:
        super().__init__(dataset_name, staging_dataset_name, credentials, capabilities)
        self._warehouse = warehouse

    @raise_open_connection_error
    def open_connection(self) -> DuckDBPyConnection:
        self._conn = lake.attached(self._warehouse)
        self._conn.execute("set TimeZone = 'UTC'")
        self._conn.execute("set enable_progress_bar = false")
        return self._conn

    def close_connection(self) -> None:
        if self._conn:
            self._conn.close()
            self._conn = None  # type: ignore[assignment]  # dlt's own word for closed
