"""The published file as targets read it: its tables and views, and what changed in each."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import duckdb

from llm_usage_warehouse.errors import RunError
from llm_usage_warehouse.quoting import quoted
from llm_usage_warehouse.targets.changes import (
    CHANGES,
    ORDER,
    RECORDED,
    Days,
    Place,
    changes_since,
    day_column,
)

RELATIONS = f"""
    with relations as (
        select schema_name, table_name as name, null as sql, comment
        from duckdb_tables()
        where
            database_name = current_database()
            and schema_name || '.' || table_name not in ('{ORDER}', '{CHANGES}')
        union all
        select schema_name, view_name, sql, comment
        from duckdb_views()
        where database_name = current_database() and not internal
    )
    select
        relations.schema_name,
        relations.name,
        relations.sql,
        relations.comment,
        list((column_name, data_type, columns.comment) order by column_index)
    from relations
    inner join duckdb_columns() as columns
        on relations.schema_name = columns.schema_name
            and relations.name = columns.table_name
            and columns.database_name = current_database()
    group by all
    order by all
"""  # noqa: S608 - our own names


@dataclass(frozen=True)
class Relation:
    """A table or a view of the published file.

    Attributes:
        schema: where it is.
        name: its own.
        columns: each column and its type.
        comments: of each column that has one.
        comment: its own; None where it has none.
        body: the query of a view; None for a table.
        reads: the tables that a view stands on, those under other views, too.
    """

    schema: str
    name: str
    columns: Mapping[str, str]
    comments: Mapping[str, str]
    comment: str | None
    body: str | None
    reads: frozenset[Place] = field(default=frozenset())

    @property
    def place(self) -> Place:
        """Its schema and its name."""
        return self.schema, self.name

    @property
    def sql(self) -> str:
        """Its name in a query."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    @property
    def day(self) -> str | None:
        """The column of its days; None where it is one piece."""
        return day_column(self.columns)

    @property
    def is_log(self) -> bool:
        """Whether it is one piece that only grows, by a row or more with each publication."""
        return self.day is None and RECORDED in self.columns

    @property
    def has_rows_of_its_own(self) -> bool:
        """Whether targets hold its rows: tables, and the views of `main`, which people open."""
        return self.body is None or self.schema == "main"


class Publication:
    """One publication, read from the published file, which stays as it is while it is open.

    Attributes:
        connection: the file.
        publication_id: which publication it is.
        relations: its tables and views, each after those that it stands on.

    Args:
        connection: the published file.

    Raises:
        RunError: which tables a view reads cannot be told.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        ((self.publication_id,),) = connection.execute(
            f"select max_by(publication_id::varchar, number) from {ORDER}"  # noqa: S608
        ).fetchall()
        self.relations = _relations(connection)

    def changes(self, since: str | None) -> dict[Place, Days]:
        """Return what differs from another publication: relations with rows, and their days.

        A day of a view rests on the same day of the tables that it reads, and on all of those that
        are one piece; but not on the log of publications, which is longer after each of them.

        Args:
            since: the id of that publication; None where there is none.
        """
        tables = changes_since(self.connection, since) if since else None
        found: dict[Place, Days] = {}
        by_place = {one.place: one for one in self.relations}
        for one in self.relations:
            if not one.has_rows_of_its_own:
                continue
            if tables is None:
                found[one.place] = None
                continue
            touched = [
                by_place[place]
                for place in one.reads or {one.place}
                if place in tables and not (one.day and by_place[place].is_log)
            ]
            if touched:
                days = [tables[each.place] for each in touched]
                in_one_piece = None in (one.day, *(each.day for each in touched))
                known = [each for each in days if each is not None]
                is_whole = in_one_piece or len(known) < len(days)
                found[one.place] = None if is_whole else frozenset().union(*known)
        return found


def _relations(connection: duckdb.DuckDBPyConnection) -> list[Relation]:
    plain: dict[Place, Relation] = {}
    for schema, name, sql, comment, columns in connection.execute(RELATIONS).fetchall():
        plain[schema, name] = Relation(
            schema,
            name,
            {column: kind for column, kind, _ in columns},
            {column: said for column, _, said in columns if said},
            comment,
            sql.split(" AS ", 1)[1].rstrip().rstrip(";") if sql else None,
        )
    found: dict[Place, Relation] = {}

    def add(place: Place) -> frozenset[Place]:
        """Add a relation after those that it reads, and return the tables under it."""
        if place not in found:
            one = plain[place]
            reads = frozenset[Place]()
            for read in sorted(_reads(connection, one, plain)) if one.body else ():
                reads |= add(read)
            found[place] = replace(one, reads=reads)
        return found[place].reads or frozenset([place])

    for place in plain:
        add(place)
    return list(found.values())


def _reads(
    connection: duckdb.DuckDBPyConnection, one: Relation, known: Mapping[Place, Relation]
) -> set[Place]:
    """Return the relations that a view names in its query."""
    ((text,),) = connection.execute("select json_serialize_sql(?)", [one.body]).fetchall()
    tree = json.loads(text)
    if tree["error"]:
        raise RunError(f"which tables {one.schema}.{one.name} reads cannot be told")
    nodes = list(_nodes(tree))
    own = {part["key"] for node in nodes for part in node.get("cte_map", {"map": []})["map"]}
    found: set[Place] = set()
    for node in nodes:
        if node.get("type") == "BASE_TABLE":
            schema, name = node["schema_name"], node["table_name"]
            schemas = [schema] if schema else [] if name in own else [one.schema, "main"]
            found |= {(each, name) for each in schemas if (each, name) in known}
    return found


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a tree of JSON."""
    if isinstance(tree, dict):
        yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for child in tree:
            yield from _nodes(child)
