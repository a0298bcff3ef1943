"""The published tables in a Postgres database, in one transaction.

dlt's own loader commits table by table, so that a dashboard would see half a publication. Here the
days that changed are deleted and copied in anew, everything is committed at once, and whoever reads
sees the publication of before until then. The address is written where users of dlt have it.
"""

import io
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv

from llm_usage_warehouse.errors import RunError, UsageError
from llm_usage_warehouse.quoting import literal, quoted
from llm_usage_warehouse.settings import WarehouseSettings, lookup
from llm_usage_warehouse.targets.changes import Days, rows_of
from llm_usage_warehouse.targets.publication import Publication, Relation

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812 - as a type is written

SECTION = "destination.postgres.credentials"
"""Where dlt's users have the address of a Postgres database."""

FIELDS = {
    "host": "host",
    "port": "port",
    "database": "dbname",
    "username": "user",
    "password": "password",
}
"""What dlt calls a part of the address, and what Postgres calls it."""

TYPES = {
    "BIGINT": "bigint",
    "INTEGER": "integer",
    "SMALLINT": "smallint",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "DOUBLE": "double precision",
    "HUGEINT": "numeric(39,0)",
    "TIMESTAMP": "timestamp without time zone",
    "TIMESTAMP WITH TIME ZONE": "timestamp with time zone",
    "UUID": "uuid",
    "VARCHAR": "text",
}
"""Each type of DuckDB, and the one of Postgres that holds the same values."""

LABEL = "llm-usage publication "
"""How the comment of a schema of ours begins; the publication and the published file follow."""

COMMENTS = """
    select nspname, relname, attname, description
    from pg_description
    inner join pg_class on pg_class.oid = objoid and classoid = 'pg_class'::regclass
    inner join pg_namespace on pg_namespace.oid = relnamespace
    left join pg_attribute on attrelid = objoid and attnum = objsubid and attnum > 0
    where nspname = any(%s)
"""

ROWS = 20_000
"""Rows that are held in memory at once."""

PATIENCE = "60s"
"""How long a statement waits for whoever has locked a table."""

ABSENT = (
    "[warehouse] publish names postgres, which needs psycopg2: pip install "
    "'llm-usage-warehouse[postgres]'"
)


def postgres_address() -> str:
    """Return the address of the database, with its password, as Postgres' own library takes it.

    Raises:
        UsageError: nothing says it, it cannot be read, or the driver is not installed.
    """
    if not find_spec("psycopg2"):
        raise UsageError(ABSENT)
    import psycopg2.extensions as driver  # noqa: PLC0415 - not everyone has it
    from psycopg2 import Error  # noqa: PLC0415

    where = f"write postgresql://user:password@host:5432/database there, or as {_variable()}"
    written = lookup(SECTION)
    try:
        if isinstance(written, str) and written:
            driver.parse_dsn(written)
            return written
        parts = {theirs: lookup(f"{SECTION}.{ours}") for ours, theirs in FIELDS.items()}
        given = {name: str(value) for name, value in parts.items() if value not in (None, "")}
        if "host" in given:
            return str(driver.make_dsn(**given))
    except Error:
        # What the library says may have the password in it.
        raise UsageError(
            f"[destination.postgres] credentials in .dlt/secrets.toml cannot be read; {where}"
        ) from None
    raise UsageError(
        "[destination.postgres] credentials is missing in .dlt/secrets.toml, which publish = "
        f'[..., "postgres"] in [warehouse] needs; {where}'
    )


def write_postgres(
    publication: Publication, warehouse: WarehouseSettings, *, whole: bool = False
) -> None:
    """Write what a publication changed, and commit it at once.

    Schema `main` becomes one that is called as the published file is, and `detail` that name with
    `_detail` after it.

    Args:
        publication: the publication.
        warehouse: whose.
        whole: write every row anew, whatever is there.

    Raises:
        RunError: the database cannot be reached or written, or has a schema of that name already.
    """
    address = postgres_address()
    import psycopg2  # noqa: PLC0415 - not everyone has it

    try:
        connection = psycopg2.connect(address, connect_timeout=15, application_name="llm-usage")
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute("set local lock_timeout = %s", [PATIENCE])
                _write(cursor, publication, warehouse.published_path.stem, whole=whole)
        finally:
            connection.close()
    except psycopg2.Error as error:
        said = " ".join((str(error) or type(error).__name__).split())
        password = psycopg2.extensions.parse_dsn(address).get("password")
        raise RunError(said.replace(password, "***") if password else said) from None


def _write(cursor: "Cursor", publication: Publication, stem: str, *, whole: bool) -> None:
    names = {
        schema: stem if schema == "main" else f"{stem}_{schema}"
        for schema in sorted({"main", *(one.schema for one in publication.relations)})
    }
    labels = _labels(cursor, stem)
    if others := sorted(name for name in names.values() if labels.get(name, "") is None):
        raise RunError(
            f"the database has a schema {others[0]} that was not written by llm-usage; rename or "
            "drop it, or name the published file otherwise"
        )
    known = {labels.get(name) for name in names.values()}
    since = known.pop() if len(known) == 1 else None
    changes = publication.changes(None if whole else since)
    for schema in names.values():
        cursor.execute(f"create schema if not exists {quoted(schema)}")
    wanted = [one for one in publication.relations if one.has_rows_of_its_own]
    for one in wanted:
        schema = names[one.schema]
        days = changes.get(one.place, frozenset())
        if _columns(cursor, schema, one.name) != _wanted_columns(one):
            _create(cursor, schema, one)
            days = None
        _replace(cursor, publication, schema, one, days)
    _drop_others(cursor, names, wanted, labels)
    _comment(cursor, names, wanted)
    for schema in names.values():
        label = literal(f"{LABEL}{publication.publication_id} of {stem}")
        cursor.execute(f"comment on schema {quoted(schema)} is {label}")


def _labels(cursor: "Cursor", stem: str) -> dict[str, str | None]:
    """Return the schemas of this published file, with their publication; None at one of others."""
    cursor.execute("select nspname, obj_description(oid, 'pg_namespace') from pg_namespace")
    found: dict[str, str | None] = {}
    for name, comment in cursor.fetchall():
        publication, _, of = (comment or "").removeprefix(LABEL).partition(" of ")
        found[name] = publication if (comment or "").startswith(LABEL) and of == stem else None
    return found


def _columns(cursor: "Cursor", schema: str, table: str) -> dict[str, str]:
    cursor.execute(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute "
        "where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped order by attnum",
        [f"{quoted(schema)}.{quoted(table)}"],
    )
    return dict(cursor.fetchall())


def _wanted_columns(one: Relation) -> dict[str, str]:
    return {column: _type(kind) for column, kind in one.columns.items()}


def _type(kind: str) -> str:
    if kind.startswith("DECIMAL("):
        return kind.lower().replace("decimal", "numeric")
    if kind not in TYPES:
        raise RunError(f"no type of Postgres is known for DuckDB's {kind}")
    return TYPES[kind]


def _create(cursor: "Cursor", schema: str, one: Relation) -> None:
    table = f"{quoted(schema)}.{quoted(one.name)}"
    columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in _wanted_columns(one).items())
    cursor.execute(f"drop table if exists {table}")
    cursor.execute(f"create table {table} ({columns})")
    if one.day:
        # Without it, to replace a day would take as long as the table is.
        cursor.execute(f"create index on {table} ({quoted(one.day)})")


def _replace(
    cursor: "Cursor", publication: Publication, schema: str, one: Relation, days: Days
) -> None:
    """Replace the rows of the days that changed."""
    table = f"{quoted(schema)}.{quoted(one.name)}"
    where = rows_of(one.day, days)
    if where is None:
        return
    cursor.execute(f"delete from {table} where {where}")  # noqa: S608 - our own names
    found = publication.connection.execute(f"from {one.sql} where {where}")
    for page in _pages(found.to_arrow_reader(ROWS)):
        cursor.copy_expert(f"copy {table} from stdin (format csv)", page)


def _pages(batches: pa.RecordBatchReader) -> Iterator[io.BytesIO]:
    # A text without letters is quoted, and NULL is not: so Postgres tells them apart.
    options = pa.csv.WriteOptions(include_header=False, quoting_style="all_valid")
    for batch in batches:
        page = io.BytesIO()
        pa.csv.write_csv(batch, page, options)
        page.seek(0)
        yield page


def _drop_others(
    cursor: "Cursor", names: dict[str, str], wanted: list[Relation], labels: dict[str, str | None]
) -> None:
    """Drop the tables, and the schemas, that are published no more."""
    ours = [name for name, publication in labels.items() if publication]
    published = {(names[one.schema], one.name) for one in wanted}
    cursor.execute("select schemaname, tablename from pg_tables where schemaname = any(%s)", [ours])
    for schema, table in set(cursor.fetchall()) - published:
        cursor.execute(f"drop table {quoted(schema)}.{quoted(table)}")
    for schema in set(ours) - set(names.values()):
        cursor.execute(f"drop schema {quoted(schema)}")


def _comment(cursor: "Cursor", names: dict[str, str], wanted: list[Relation]) -> None:
    """Write each comment that is not there yet."""
    cursor.execute(COMMENTS, [list(names.values())])
    found = {(schema, table, column): said for schema, table, column, said in cursor.fetchall()}
    for one in wanted:
        comments = [(None, one.comment), *one.comments.items()]
        for column, said in comments:
            if said and found.get((names[one.schema], one.name, column)) != said:
                parts = [names[one.schema], one.name, *([column] if column else [])]
                kind, place = "column" if column else "table", ".".join(map(quoted, parts))
                cursor.execute(f"comment on {kind} {place} is {literal(said)}")


def _variable() -> str:
    return SECTION.replace(".", "__").upper()
