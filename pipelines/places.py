"""Where the files of a warehouse lie: which paths cannot be, and which files are of no use."""

from pathlib import Path

import duckdb
import pendulum

from llm_usage_warehouse.errors import is_held_elsewhere
from llm_usage_warehouse.layout import PAST, SCHEMAS, STAMP

PACKAGE = Path(__file__).resolve().parent

DISTRIBUTION = "llm-usage-warehouse"
"""What the package is installed as: its version is this program's."""

SQL_PROJECT = (PACKAGE / "sql").resolve()
"""The dbt project: part of the package where that is installed, beside it in a checkout."""

READABLE_FROM = "v1.4.0"
"""The oldest DuckDB that can open our files, as BI drivers lag behind. In the format of still older
ones a table takes a third longer to write: each text is compressed in two ways, to keep one."""

NAMES_IN_USE = {"main", "temp", "system", "memory", "published", "earlier", *SCHEMAS}
"""What the private database cannot be called here: DuckDB's own names, those of the published
schemas, and those that publishing gives."""

PUBLISHED_NAMES_IN_USE = {*SCHEMAS, PAST}
"""What the published database cannot be called: `detail.calls` would be its table `calls`."""

SIGNS = {"transform_state", "publishing", STAMP, "publications", "daily_tokens"}
"""Schemas and tables: one of them, or a schema `raw_...`, is in every file that we wrote."""


def misplaced(path: Path, published_path: Path) -> list[str]:
    """Return a line for each reason why a warehouse's files cannot be where they are to be.

    Args:
        path: of the private file.
        published_path: of the published one.
    """
    problems: list[str] = []
    for name, wanted in (("path", path), ("published_path", published_path)):
        if wanted.is_dir():
            problems.append(f"[warehouse] {name}: {wanted} is a folder; name a file in it")
        problems += [
            f"[warehouse] {name}: {folder} is a file, where a folder must be"
            for folder in wanted.parents
            if folder.exists() and not folder.is_dir()
        ]
    if path.resolve() == published_path.resolve():
        problems.append(
            "[warehouse] path and published_path are the same file; people must not read the one "
            "that loads write"
        )
    stem = path.stem.lower()
    if stem in NAMES_IN_USE or stem.startswith("raw_"):
        problems.append(
            f"[warehouse] path: DuckDB would take the file's name, {stem}, for that of something "
            "within it; name it otherwise, such as warehouse.duckdb"
        )
    stem = published_path.stem.lower()
    if stem in PUBLISHED_NAMES_IN_USE:
        problems.append(
            f"[warehouse] published_path: DuckDB would take the file's name, {stem}, for that of a "
            "schema in it; name it otherwise, such as llm_usage.duckdb"
        )
    return problems


def previous(published_path: Path) -> Path:
    """Return where the file lies that was published before the one of now."""
    return published_path.with_name(f"{published_path.stem}.previous{published_path.suffix}")


def set_aside(path: Path) -> Path:
    """Give a file or a folder a name that says when it was found to be of no use."""
    stamp = f"unusable-{pendulum.now('UTC'):%Y%m%dT%H%M%S%f}"
    return path.rename(path.with_name(f"{path.name}.{stamp}"))


def why_unusable(path: Path, *, thoroughly: bool = False) -> str | None:
    """Return why a file cannot be used as one of ours.

    Args:
        path: of a DuckDB file that nobody has open here.
        thoroughly: read every row of it, as a file that breaks off may open all the same.

    Returns:
        A half sentence; None where it is fine, or not there, or open in another program.
    """
    if not path.exists():
        return None
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            ours = is_ours(connection)
            if thoroughly:
                _read_all(connection)
    except duckdb.ConnectionException:
        return None
    except duckdb.Error as error:
        if is_held_elsewhere(error):
            return None
        return f"is damaged, or no DuckDB file ({next(iter(str(error).splitlines()), '')})"
    return None if ours else "is a DuckDB file of something else"


def is_ours(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether a file holds nothing yet, or is one that this program wrote, in any version."""
    found = connection.execute(
        "select schema_name, table_name from duckdb_tables() "
        "where not internal and database_name = current_database()"
    ).fetchall()
    names = {name for row in found for name in row}
    return not found or any(name in SIGNS or name.startswith("raw_") for name in names)


def _read_all(connection: duckdb.DuckDBPyConnection) -> None:
    tables = connection.execute(
        "select schema_name, table_name from duckdb_tables() where not internal"
    )
    for schema, table in tables.fetchall():
        # A count would be answered from what is known of the columns.
        connection.execute(f'select bit_xor(hash(row)) from "{schema}"."{table}" as row')  # noqa: S608
