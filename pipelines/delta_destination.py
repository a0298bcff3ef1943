"""The lake of engine "spark" as dlt loads into it: dlt's own filesystem destination, with Delta."""

import os
from pathlib import Path
from typing import Any

import dlt
from dlt.common.configuration.specs import AwsCredentials
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.normalizers.naming import NamingConvention
from dlt.destinations.impl.filesystem.configuration import FilesystemDestinationClientConfiguration

from llm_usage_warehouse.lake_files import region
from llm_usage_warehouse.packages import Package
from llm_usage_warehouse.settings import WarehouseSettings


class DeltaDestination(dlt.destinations.filesystem):
    """dlt's filesystem destination on the warehouse's lake; every table of rows is one of Delta.

    Args:
        warehouse: whose lake.
    """

    def __init__(self, warehouse: WarehouseSettings) -> None:
        super().__init__(
            **(_in_a_store(warehouse) if warehouse.is_in_a_store else _in_a_folder(warehouse)),
            # What dlt would take for these it says of its own class alone.
            always_refresh_views=False,
            warn_unsafe_layout_separators=False,
        )

    @property
    def destination_type(self) -> str:
        """The name that dlt keeps in its state: any filesystem destination can go on from it."""
        return "dlt.destinations.filesystem"

    @classmethod
    def adjust_capabilities(
        cls,
        caps: DestinationCapabilitiesContext,
        config: FilesystemDestinationClientConfiguration,
        naming: NamingConvention | None,
    ) -> DestinationCapabilitiesContext:
        """Have tables be Delta's, and loaded one after the other, in a bounded amount of memory."""
        found = super().adjust_capabilities(caps, config, naming)
        found.preferred_table_format = "delta"
        found.loader_parallelism_strategy = "sequential"
        return found

    def give_memory_for(self, package: Package) -> None:
        """Leave the memory as it is: rows are merged as they are read."""


def _in_a_folder(warehouse: WarehouseSettings) -> dict[str, Any]:
    return {"bucket_url": Path(warehouse.lake).as_uri()}


def _in_a_store(warehouse: WarehouseSettings) -> dict[str, Any]:
    # The keys dlt finds by itself, as AWS's tools do, but not where they are for.
    at = AwsCredentials(region_name=region(), endpoint_url=os.environ.get("AWS_ENDPOINT_URL"))
    return {"bucket_url": warehouse.lake, "credentials": at}
