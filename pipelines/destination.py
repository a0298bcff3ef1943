"""The DuckDB file as dlt loads into it: its memory, its threads and its working folder."""

import copy
import logging
from pathlib import Path

import dlt
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.normalizers.naming import NamingConvention
from dlt.destinations.impl.duckdb.configuration import DuckDbClientConfiguration, DuckDbCredentials

from llm_usage_warehouse.connectors import Source
from llm_usage_warehouse.delta_destination import DeltaDestination
from llm_usage_warehouse.lake_destination import LakeDestination
from llm_usage_warehouse.merging import MergingClient
from llm_usage_warehouse.packages import Package
from llm_usage_warehouse.settings import WarehouseSettings

REQUIRED_DLT_SETTINGS = {
    # Which load brought a row: the models rebuild only the days that a new load touched.
    "normalize.parquet_normalizer.add_dlt_load_id": True,
    # Each table handed to dlt becomes a row group of its own: their size is ours to say.
    "data_writer.buffer_max_items": 1,
    "load.delete_completed_jobs": True,
    "load.truncate_staging_dataset": True,
}

DUCKDB_SETTINGS = {
    # Each thread holds a block for every column; two are no faster, and take 200 MB more.
    "threads": 1,
    # What it needed for one package is given back before the next one.
    "allocator_flush_threshold": "1MB",
}

LEAST_MEMORY = 128_000_000
ROOM_FOR_ROWS = 3
"""What DuckDB may hold while it loads a package, in bytes: this much at least, else the package and
this many times what it reads of it at once. Without a limit it keeps what it has read of the file,
up to most of the machine's memory; with less than two thirds of the package it cannot commit, and
long texts are there thrice: unpacked into memory of the next power of two, as values, as blocks."""


class WarehouseDestination(dlt.destinations.duckdb):
    """dlt's DuckDB destination on the private file.

    dlt asks for a destination's capabilities a dozen times a load, and looks up all settings of the
    destination to answer: 0.3 CPU seconds a source. Here they are looked up once.

    Args:
        warehouse: whose file.
    """

    def __init__(self, warehouse: WarehouseSettings) -> None:
        self._duckdb_settings = {**DUCKDB_SETTINGS, "memory_limit": f"{LEAST_MEMORY}B"}
        super().__init__(
            DuckDbCredentials(str(warehouse.path), global_config=self._duckdb_settings)
        )
        self._capabilities: dict[str, DestinationCapabilitiesContext] = {}

    @property
    def client_class(self) -> type[MergingClient]:
        """What loads into the file."""
        return MergingClient

    @property
    def destination_type(self) -> str:
        """The name that dlt keeps in its state: any DuckDB destination can go on from it."""
        return "dlt.destinations.duckdb"

    def capabilities(
        self,
        config: DuckDbClientConfiguration | None = None,
        naming: NamingConvention | None = None,
    ) -> DestinationCapabilitiesContext:
        """Return what the destination can do, which the caller may change."""
        if config is not None:
            return super().capabilities(config, naming)
        name = naming.name() if naming else ""
        if name not in self._capabilities:
            self._capabilities[name] = super().capabilities(naming=naming)
        return copy.copy(self._capabilities[name])

    def give_memory_for(self, package: Package) -> None:
        """Let DuckDB hold as much as a load package needs."""
        # dlt looks at it anew each time that it opens the file.
        memory = max(LEAST_MEMORY, package.bytes + ROOM_FOR_ROWS * package.largest_bytes)
        self._duckdb_settings["memory_limit"] = f"{memory}B"


DESTINATIONS: dict[str, type[WarehouseDestination | LakeDestination | DeltaDestination]] = {
    "duckdb": WarehouseDestination,
    "ducklake": LakeDestination,
    "spark": DeltaDestination,
}


def working_folder(source: str, warehouse: WarehouseSettings) -> Path:
    """Return the folder in which dlt keeps a source's state and the packages under way."""
    return warehouse.data_folder / "dlt" / f"llm_usage_{source}"


def open_pipeline(
    source: Source, warehouse: WarehouseSettings, folder: Path | None = None
) -> dlt.Pipeline:
    """Return the source's dlt pipeline into the warehouse.

    Args:
        source: which.
        warehouse: where to.
        folder: where its working files are, in a folder of its name; by default the data folder's.
    """
    for key, value in REQUIRED_DLT_SETTINGS.items():
        dlt.config[key] = value
    folder = folder or working_folder(source.name, warehouse)
    pipeline = dlt.pipeline(
        pipeline_name=folder.name,
        pipelines_dir=str(folder.parent),
        destination=DESTINATIONS[warehouse.engine](warehouse),
        dataset_name=source.connector.dataset,
    )
    logging.getLogger("dlt").setLevel(logging.ERROR)
    return pipeline
