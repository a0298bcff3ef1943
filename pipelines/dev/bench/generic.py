"""The rival to be better than: dlt's generic REST source, into DuckDB, as fast as it can be set.

`python generic.py URL KEY DAYS`, run as a file: it imports nothing of the project.
"""

import json
import os
import sys
import tempfile

import dlt
import duckdb
from dlt.sources.rest_api import rest_api_source

END_MS = 1_795_132_800_000 + 60_000
DAY_MS = 86_400_000

os.environ |= {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "DATA_WRITER__DISABLE_COMPRESSION": "true",
    "DATA_WRITER__BUFFER_MAX_ITEMS": "50000",
    "NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID": "true",
}


def main(url: str, key: str, days: int) -> None:
    """Read `days` days, and print how many rows the table has."""
    source = rest_api_source(
        {
            "client": {
                "base_url": url,
                "headers": {"Authorization": key},
                "paginator": {
                    "type": "page_number",
                    "base_page": 1,
                    "page_param": "page",
                    "total_path": None,
                    "stop_after_empty_page": True,
                },
            },
            "resources": [
                {
                    "name": "logs",
                    "primary_key": "id",
                    "write_disposition": "merge",
                    "columns": {
                        "metadata": {"data_type": "json"},
                        "request_detail": {"data_type": "json"},
                    },
                    "endpoint": {
                        "path": "logs/search",
                        "data_selector": "data.logs",
                        "params": {
                            "start_timestamp": END_MS - days * DAY_MS,
                            "end_timestamp": END_MS,
                            "per_page": 100,
                            "order": "id-desc",
                        },
                    },
                }
            ],
        },
        max_table_nesting=0,
    )
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "generic",
            pipelines_dir=folder,
            destination=dlt.destinations.duckdb(f"{folder}/usage.duckdb"),
            dataset_name="raw",
        )
        pipeline.run(source, loader_file_format="parquet")
        with duckdb.connect(f"{folder}/usage.duckdb") as connection:
            found = connection.execute("select count(*) from raw.logs").fetchone()
    print(json.dumps({"rows": found[0] if found else 0}))  # noqa: T201 - for the parent process


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
