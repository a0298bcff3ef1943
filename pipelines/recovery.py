"""What a source's load goes on from: its dlt pipeline, whatever state a crash has left it in.

The working folder of a pipeline only repeats what the warehouse knows: the state and the schema
beside the rows, and the ledger, which decides. So a folder that dlt cannot use is set aside, and a
new one is made from the warehouse.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import dlt
from dlt.common.destination.client import WithStateSync
from dlt.common.destination.exceptions import DestinationUndefinedEntity
from dlt.pipeline.state_sync import load_pipeline_state_from_destination

from llm_usage_warehouse.connectors import Source
from llm_usage_warehouse.destination import open_pipeline, working_folder
from llm_usage_warehouse.errors import is_of_the_machine
from llm_usage_warehouse.places import set_aside
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.warehouse import HeldFile


@dataclass(frozen=True)
class Recovered:
    """A pipeline that can load.

    Attributes:
        pipeline: with the state and the schema of the last good load, and nothing pending.
        is_older: whether the warehouse was older than the working folder.
        set_aside: where the working folder now is that could not be used; None where it could.
    """

    pipeline: dlt.Pipeline
    is_older: bool
    set_aside: Path | None = None


def recover(source: Source, warehouse: WarehouseSettings, file: HeldFile) -> Recovered:
    """Open the pipeline of a source, and put right what a crash or a restore has left.

    Raises:
        Exception: whatever keeps the state from being read from the warehouse itself. The working
            folder is then as it was.
    """
    folder = working_folder(source.name, warehouse)
    try:
        return _opened(source, warehouse, file)
    except Exception as error:
        if not folder.exists() or is_of_the_machine(error):
            raise
    aside = set_aside(folder)
    try:
        found = _opened(source, warehouse, file)
    except Exception:
        # It was not the folder.
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)
        raise
    return Recovered(found.pipeline, found.is_older, aside)


def _opened(source: Source, warehouse: WarehouseSettings, file: HeldFile) -> Recovered:
    """Take the state from the warehouse where this machine has none; drop what a crash left.

    A package that a crash left may be staged in part, and would be staged again: it is aborted,
    which also rewinds the watermarks, so that its slices are read again. What of it is in the
    tables already is replaced then.

    Where the working folder knows of later loads than the warehouse, an older file was put back;
    then the folder is of no use, and the state is that of the file.
    """
    pipeline = open_pipeline(source, warehouse)
    with file.turn():
        pipeline.sync_destination()
        while pipeline.has_pending_data:
            pipeline.abort_packages()
        if is_older := _is_ahead(pipeline):
            pipeline.drop()
            pipeline.sync_destination()
        for name in pipeline.schema_names:
            # Read now, where a schema that a crash cut off can still be had from the warehouse.
            pipeline.schemas.load_schema(name)
    return Recovered(pipeline, is_older)


def _is_ahead(pipeline: dlt.Pipeline) -> bool:
    """Whether the working folder is of a later load than the newest that the warehouse knows."""
    with pipeline.destination_client() as client:
        assert isinstance(client, WithStateSync)  # noqa: S101 - as that of DuckDB is
        try:
            stored = load_pipeline_state_from_destination(pipeline.pipeline_name, client)
        except DestinationUndefinedEntity:
            return False
    return stored is not None and pipeline.state["_state_version"] > stored["_state_version"]
