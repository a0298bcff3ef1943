"""Public prices: what the installed `genai-prices` package lists, as a table beside the raw rows.

The package is read as it is installed; nothing is fetched.
"""

from importlib.metadata import version

from pipelines.settings import WarehouseSettings
from pipelines.warehouse import connect


def load_public_prices(warehouse: WarehouseSettings) -> None:
    """Put the packaged prices into `raw_prices`, unless this version of them is there.

    New prices reach every day: the marks of what the models have taken in are dropped with them.

    Raises:
        RunError: the file cannot be opened.
    """
    packaged = version("genai-prices")
    with connect(warehouse) as connection:
        connection.execute("create schema if not exists raw_prices")
        connection.execute(
            "create table if not exists raw_prices.genai_package (package_version varchar, "
            "loaded_at timestamptz, models_by_time_of_day bigint, patterns_left_out bigint)"
        )
        loaded = connection.execute("select package_version from raw_prices.genai_package")
        if loaded.fetchone() == (packaged,):
            return
        # The package's import takes a second, which only a new version of it is worth.
        from genai_prices.data import providers  # noqa: PLC0415

        from pipelines.prices.genai import flatten  # noqa: PLC0415

        catalogue = flatten(providers)
        connection.register("catalogue", catalogue.prices)
        connection.begin()
        connection.execute("create or replace table raw_prices.genai_prices as from catalogue")
        connection.execute("delete from raw_prices.genai_package")
        connection.execute(
            "insert into raw_prices.genai_package values (?, current_timestamp, ?, ?)",
            [packaged, catalogue.models_by_time_of_day, catalogue.patterns_left_out],
        )
        if connection.execute(
            "select 1 from information_schema.tables "
            "where table_schema = 'transform_state' and table_name = 'processed_slices'"
        ).fetchone():
            connection.execute("delete from transform_state.processed_slices")
        connection.commit()
