"""The rival to come near to: pages into files, files into one table, and nothing remembered.

`python stateless.py URL KEY DAYS STRUCT`, run as a file: it imports nothing of the project.
"""

import json
import sys
import tempfile
from pathlib import Path

import duckdb
import httpx

END_MS = 1_795_132_800_000 + 60_000
DAY_MS = 86_400_000


def main(url: str, key: str, days: int, struct: str) -> None:
    """Read `days` days, and print how many rows the table has."""
    with tempfile.TemporaryDirectory() as folder:
        pages = Path(folder) / "pages.json"
        with httpx.Client(headers={"Authorization": key}) as client, pages.open("wb") as file:
            for day in range(days, 0, -1):
                start = END_MS - day * DAY_MS
                number, total = 0, 1
                while number * 100 < total:
                    number += 1
                    answer = client.get(
                        f"{url}/logs/search",
                        params={
                            "start_timestamp": start,
                            "end_timestamp": start + DAY_MS - 1,
                            "per_page": 100,
                            "order": "id-desc",
                            "page": number,
                        },
                    )
                    file.write(answer.content + b"\n")
                    if number == 1:
                        total = json.loads(answer.content)["data"]["total"]
        with duckdb.connect(f"{folder}/usage.duckdb") as connection:
            connection.execute(
                "create table logs as select unnest(row, recursive := true) from ("  # noqa: S608
                f"select unnest(data.logs) as row from read_json('{pages}', "
                f"format = 'newline_delimited', columns = {{data: 'STRUCT(logs {struct}[])'}}))"
            )
            found = connection.execute("select count(*) from logs").fetchone()
    print(json.dumps({"rows": found[0] if found else 0}))  # noqa: T201 - for the parent process


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
