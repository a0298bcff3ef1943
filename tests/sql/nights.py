"""Random nights of raw rows: what vendors send late, move, rename, reprice and take away.

Rows are written as a load leaves them: merged on their id, or replaced by windows of a day, with a
line in the ledger for each window. Lists of channels, keys and models are replaced whole, and at
times not read at all.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import duckdb

from tests.raw_rows import Row, insert, slice_row
from tests.sql_helpers import SqlWarehouse

FIRST_DAY = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
HOST = "https://h"
MIDNIGHT = 18 * 60 + 30
"""The minute of a UTC day at which a local day begins, of a zone that is 5:30 ahead."""

AROUND = (MIDNIGHT - 20, MIDNIGHT - 10, MIDNIGHT, MIDNIGHT + 10, MIDNIGHT + 45)
PARTS = ((0, 1440), (0, MIDNIGHT), (MIDNIGHT, 1440))
MINUTES = (*AROUND, *AROUND, 0, 1, 700, 1439)


class Raw:
    """The raw tables of a warehouse, over one connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def execute(self, statement: str, *values: Any) -> None:
        self._connection.execute(statement, list(values))

    def insert(self, table: str, **row: Any) -> None:
        insert(self._connection, table, **row)


@dataclass
class Source(ABC):
    """One source and what its vendor has by now.

    Attributes:
        random: decides what happens to it.
        name: in every row.
        lists: per raw table, the rows of a list by their id.
        rows: per raw table, the rows of a merged table by their id.
        said: what happened, for whoever must understand a failure.
    """

    random: Random
    name: str
    lists: dict[str, dict[Any, Row]] = field(default_factory=dict)
    rows: dict[str, dict[int, Row]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    @abstractmethod
    def night(self, raw: Raw, number: int) -> None:
        """Let a night's load of this source happen, whose last day is `number`."""

    def often(self) -> bool:
        return self.random.random() < 0.6

    def seldom(self) -> bool:
        return self.random.random() < 0.3

    def instant(self, number: int) -> datetime:
        """Return when a row lies: on the last day or on any before it, at times near midnight."""
        day = FIRST_DAY + DAY * (number if self.often() else self.random.randint(0, number))
        return day + timedelta(minutes=self.random.choice(MINUTES))

    def some(self, rows: dict[Any, Row]) -> Any:
        return self.random.choice(sorted(rows))

    def read_list(self, raw: Raw, table: str, number: int) -> None:
        """Replace a list by what the vendor has now, unless it cannot be read tonight."""
        if self.seldom() and number:
            return
        at = FIRST_DAY + DAY * (number + 1)
        raw.execute(f"delete from {table} where source_name = ?", self.name)
        for place, row in enumerate(self.lists.get(table, {}).values()):
            raw.insert(
                table,
                **{"source_name": self.name, "scope": "", **row, "row_in_window": place},
                **{"window_start": at - timedelta(seconds=1), "window_end": at},
                _dlt_load_id=load_id(number),
            )
        self._ledger(raw, table, at - timedelta(seconds=1), at, number)
        self.said.append(f"{number}: {table} is {self.lists.get(table)}")

    def merge(self, raw: Raw, table: str, key: int, row: Row, number: int) -> None:
        """Load one row of a merged table, in place of its older self."""
        at = row.get("created_at") or row["request_time"]
        raw.execute(f"delete from {table} where source_name = ? and id = ?", self.name, key)
        raw.insert(table, source_name=self.name, id=key, **row, _dlt_load_id=load_id(number))
        start = at - timedelta(minutes=30)
        # A row may lie on the very end of its window.
        end = at if self.seldom() else at + timedelta(minutes=10)
        self._ledger(raw, table, start, end, number)
        self.rows.setdefault(table, {})[key] = row
        self.said.append(f"{number}: {table} {key} is {row}")

    def replace(
        self,
        raw: Raw,
        table: str,
        at: str,
        day: int,
        rows: list[Row],
        number: int,
        part: tuple[int, int] | None = None,
    ) -> None:
        """Load a window of a table whose windows are replaced: a day, or minutes of it."""
        first, last = part or self.random.choice(PARTS)
        start, end = (FIRST_DAY + DAY * day + timedelta(minutes=edge) for edge in (first, last))
        rows = [row for row in rows if start <= row[at] < end]
        raw.execute(
            f"delete from {table} where source_name = ? and {at} >= ? and {at} < ?",
            *(self.name, start, end),
        )
        for place, row in enumerate(rows):
            raw.insert(
                table,
                **{"source_name": self.name, "scope": "", "row_in_window": place, **row},
                **{"window_start": start, "window_end": end, "_dlt_load_id": load_id(number)},
            )
        self._ledger(raw, table, start, end, number)
        self.said.append(f"{number}: {table} from {start} to {end} is {rows}")

    def _ledger(self, raw: Raw, table: str, start: datetime, end: datetime, number: int) -> None:
        schema, stream = table.split(".")
        read_at = FIRST_DAY + DAY * (number + 1)
        line = slice_row(self.name, stream, start, end, row_count=0, _dlt_load_id=load_id(number))
        line |= {"read_started_at": read_at, "read_finished_at": read_at}
        raw.insert(f"{schema}.load_ledger", **{**line, "slice_id": f"{number}/{line['slice_id']}"})


class Proxy(Source):
    """A gateway whose rows move and whose channels come, change and go."""

    def night(self, raw: Raw, number: int) -> None:
        channels = self.lists.setdefault("raw_aiproxy.channels", {})
        for _ in range(self.random.randint(0, 2)):
            channels[self.random.randint(1, 3)] = {}
        for key in [key for key in channels if self.seldom()]:
            if self.seldom():
                del channels[key]
                continue
            channels[key] = {
                "id": key,
                "name": self.random.choice(["a", "b"]),
                "type": self.random.choice([1, 14]),
                "provider_name": self.random.choice([None, None, "own"]),
            }
        for key, channel in channels.items():
            channel.setdefault("id", key)
            channel.setdefault("type", self.random.choice([1, 14]))
        self.read_list(raw, "raw_aiproxy.channels", number)
        logs = self.rows.get("raw_aiproxy.logs", {})
        keys = [len(logs) + new for new in range(1, self.random.randint(1, 4))]
        keys += [self.some(logs) for _ in range(2) if logs and self.seldom()]
        for key in keys:
            self.merge(raw, "raw_aiproxy.logs", key, self._log(number), number)

    def _log(self, number: int) -> Row:
        at = self.instant(number)
        tokens = self.random.randint(1, 9) * 100
        return {
            "model": self.random.choice(["gpt-4o", "claude-haiku-4-5"]),
            "channel": self.random.randint(1, 3),
            "currency": "USD",
            "code": 200,
            "created_at": at,
            "request_at": at,
            "usage_input_tokens": tokens,
            "usage_total_tokens": tokens,
            "used_amount": self.random.choice([None, 0.5, 0.25]),
        }


class Router(Source):
    """A gateway that bills beside its log, with keys that are renamed and models that vanish."""

    def night(self, raw: Raw, number: int) -> None:
        schema = "raw_alibaba_model_router"
        members: dict[str, tuple[str, list[Any]]] = {
            "api_keys": ("name", ["x", "y", "z"]),
            "models": ("has_billing_rule", [True, False]),
        }
        for table, (member, values) in members.items():
            known = self.lists.setdefault(f"{schema}.{table}", {})
            for key in (1, 2):
                if self.seldom():
                    value = self.random.choice(values)
                    known[key] = {"id": key, "base_url": HOST, member: value}
                elif self.seldom():
                    known.pop(key, None)
            self.read_list(raw, f"{schema}.{table}", number)
        logs = self.rows.get(f"{schema}.observation_logs", {})
        keys = [len(logs) + new for new in range(1, self.random.randint(1, 3))]
        keys += [self.some(logs) for _ in range(2) if logs and self.seldom()]
        for key in keys:
            table = f"{schema}.observation_logs"
            self.merge(raw, table, key, self._log(number), number)
        for day in {self.random.randint(0, number) for _ in range(self.random.randint(0, 2))}:
            lines = [self._line(day) for _ in range(self.random.randint(0, 6))]
            table = f"{schema}.billing_details"
            self.replace(raw, table, "request_time", day, lines, number)

    def _log(self, number: int) -> Row:
        return {
            "base_url": HOST,
            "request_id": self._request(),
            "model_code": "qwen3-max",
            "api_key_id": self.random.randint(1, 3),
            "request_time": self.instant(number),
            "status_code": 200,
            "status": "success",
            "prompt_tokens": 10,
            "completion_tokens": 0,
            "total_tokens": 10,
        }

    def _line(self, day: int) -> Row:
        at = FIRST_DAY + DAY * day + timedelta(minutes=self.random.choice(MINUTES))
        return {
            "base_url": HOST,
            "currency": "CNY",
            "request_id": self._request(),
            "request_time": at,
            "request_time_raw": str(int(at.timestamp())),
            "api_key_id": self.random.randint(1, 3),
            "api_key_name": self.random.choice(["", "billed", "billed too"]),
            "model_code": "qwen3-max",
            "model_id": self.random.randint(1, 3),
            "total_tokens": 10,
            "discount": 1,
            "amount": self.random.choice([0, 0.5]),
        }

    def _request(self) -> str:
        return self.random.choice(["", "r1", "r2", "r3"])


class Midnight(Router):
    """A call before midnight whose billing line, after it, comes, goes and comes again."""

    def night(self, raw: Raw, number: int) -> None:
        schema = "raw_alibaba_model_router"
        before, after = (FIRST_DAY + timedelta(minutes=MIDNIGHT + minutes) for minutes in (-10, 10))
        if number == 0:
            log = self._log(0) | {"request_id": "r", "request_time": before}
            self.merge(raw, f"{schema}.observation_logs", 1, log, number)
            return
        line = self._line(0) | {"request_id": "r", "request_time": after, "amount": 0.5}
        lines = [line] if number % 2 else []
        table = f"{schema}.billing_details"
        self.replace(raw, table, "request_time", 0, lines, number, part=(MIDNIGHT, 1440))


class Lke(Source):
    """A vendor that names models for people to read, and changes the names."""

    def night(self, raw: Raw, number: int) -> None:
        models = self.lists.setdefault("raw_tencent_lke.models", {})
        for name in ("one", "two", "three"):
            if self.seldom():
                alias = self.random.choice(["Twin", "Solo", ""])
                category = self.random.choice(["", "embedding"])
                models[name] = {
                    "model_name": name, "alias_name": alias, "model_category": category
                }  # fmt: skip
            elif self.seldom():
                models.pop(name, None)
        self.read_list(raw, "raw_tencent_lke.models", number)
        for day in {self.random.randint(0, number) for _ in range(self.random.randint(0, 2))}:
            rows = [self._detail(day) for _ in range(self.random.randint(0, 3))]
            table = "raw_tencent_lke.usage_call_details"
            self.replace(raw, table, "call_time", day, rows, number)

    def _detail(self, day: int) -> Row:
        at = FIRST_DAY + DAY * day + timedelta(minutes=self.random.choice(MINUTES))
        return {
            "asked_model": self.random.choice(["one", "two"]),
            "model_name": self.random.choice(["Twin", "Solo", "one"]),
            "call_time": at,
            "call_time_raw": str(int(at.timestamp())),
            "input_token_usage": 10,
            "output_token_usage": 0,
            "total_token_usage": 10,
        }


def sources(seed: int, count: int) -> list[Source]:
    """Return `count` sources of each kind, more of the most intricate, each with its own fate."""
    return [
        kind(Random(f"{seed}/{kind.__name__}/{number}"), f"{kind.__name__.lower()}_{number}")
        for kind, often in ((Proxy, 2), (Router, 2), (Lke, 1), (Midnight, 1))
        for number in range(count * often)
    ]


def nights(warehouse: SqlWarehouse, seed: int, count: int, length: int) -> Iterator[list[Source]]:
    """Let `length` nights happen to `count` sources of each kind; yields after each."""
    stories = sources(seed, count)
    for number in range(length):
        with duckdb.connect(str(warehouse.path)) as connection:
            connection.execute("set TimeZone = 'UTC'")
            connection.begin()
            for story in stories:
                story.night(Raw(connection), number)
            connection.commit()
        yield stories


def load_id(number: int) -> str:
    return f"{number:03}"
