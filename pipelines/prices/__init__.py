"""Public prices: what the installed `genai-prices` package lists, as a table beside the raw rows.

The package is read as it is installed; nothing is fetched.
"""

from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.warehouse import connect


def load_public_prices(warehouse: WarehouseSettings) -> None:
    """Put the packaged prices into `raw_prices`, unless they are there as they are now.

    They are when the same version of the package was made into rows by the same code. New prices
    reach every day: the marks of what the models have taken in are dropped with them.

    Raises:
        RunError: the file cannot be opened.
    """
    flattening = sha256(Path(__file__).with_name("genai.py").read_bytes()).hexdigest()
    present = version("genai-prices"), flattening
    with connect(warehouse) as connection:
        connection.execute("create schema if not exists raw_prices")
        connection.execute(
            "create table if not exists raw_prices.genai_package "
            "(package_version varchar, flattening varchar)"
        )
        loaded = connection.execute(
            "select columns('^(package_version|flattening)$') from raw_prices.genai_package"
        )
        if loaded.fetchall() == [present]:
            return
        # The package's import takes a second, which only a new version of it is worth.
        from genai_prices.data import providers  # noqa: PLC0415

        from llm_usage_warehouse.prices.genai import flatten  # noqa: PLC0415

        catalogue = flatten(providers)
        connection.register("catalogue", catalogue.prices)
        connection.begin()
        connection.execute("create or replace table raw_prices.genai_prices as from catalogue")
        connection.execute(
            "create or replace table raw_prices.genai_package as select ? as package_version, "
            "? as flattening, current_timestamp as loaded_at, ? as patterns_left_out",
            [*present, catalogue.patterns_left_out],
        )
        if connection.execute(
            "select 1 from information_schema.tables "
            "where table_schema = 'transform_state' and table_name = 'processed_slices'"
        ).fetchall():
            connection.execute("delete from transform_state.processed_slices")
        connection.commit()
