"""The rows of `POST /calls/stats`, derived from the metrics that are asked for.

Which fields a row has depends on the request alone: the server names a column after an aggregation
and a metric (`sum_input_tokens`, `p95_latency_ms`). So the metrics are listed once, here, and both
the request's body and the table's schema come from that list. Names and types are those of the
trace server's published source (Python package `weave`, trace_server/calls_query_builder).
"""

from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from llm_usage_warehouse.pages import UTC_MICROS, Fields, RowShape
from llm_usage_warehouse.streams import Table, Write

TOKENS = (
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)
COSTS = ("input_cost", "output_cost", "total_cost")
COUNTS = ("call_count", "error_count")


@dataclass(frozen=True)
class Metric:
    """One metric to ask for.

    Attributes:
        name: as the server names it.
        aggregations: such as `sum`; of a cost metric the server gives the sum alone.
        percentiles: 0 to 100; only whole ones can be asked for.
    """

    name: str
    aggregations: tuple[str, ...] = ("sum",)
    percentiles: tuple[float, ...] = ()

    def asked(self) -> dict[str, Any]:
        """Return it as the request's body spells it."""
        return {
            "metric": self.name,
            "aggregations": list(self.aggregations),
            "percentiles": [int(one) for one in self.percentiles],
        }

    def fields(self) -> Fields:
        """Return the fields that it brings to a row, with their kinds."""
        if self.name in COSTS:
            return {f"sum_{self.name}": "money"}
        found = {
            f"{aggregation}_{self.name}": self._kind(aggregation)
            for aggregation in self.aggregations
        }
        return found | {f"p{int(one)}_{self.name}": "float" for one in self.percentiles}

    def _kind(self, aggregation: str) -> str:
        # Token sums come as floats (219.0); calls and milliseconds come as integers.
        is_integer = self.name not in TOKENS and aggregation != "avg"
        return "int" if is_integer or aggregation.startswith("count") else "float"


@dataclass(frozen=True)
class Buckets:
    """One of the two arrays of an answer: a raw table.

    Attributes:
        name: of the array, and of the table.
        asked_as: the field of the request that asks for it.
        dimensions: what a row is told apart by, beside its time.
        metrics: what is asked for.
        always: whether every bucket of the window comes, even where nothing was called.
        roots_only: whether calls beneath a trace's root are left out.
        added: columns that the reader adds to those of the server.
    """

    name: str
    asked_as: str
    dimensions: Fields
    metrics: tuple[Metric, ...]
    always: bool
    roots_only: bool = True
    added: tuple[pa.Field, ...] = ()

    def shape(self) -> RowShape:
        """Return the shape of a row."""
        fields: dict[str, str | Fields] = {"timestamp": "iso", **self.dimensions, "count": "int"}
        for metric in self.metrics:
            fields |= metric.fields()
        sums = [f"sum_{m.name}" for m in self.metrics if m.name in (*TOKENS, *COUNTS)]
        return RowShape(
            rows=(self.name,),
            fields=fields,
            required=("bucket_start", "bucket_count", *(one for one in sums if one in fields)),
            # The one is a type of SQL and the other a function.
            renamed={"timestamp": "bucket_start", "count": "bucket_count"},
        )

    def table(self) -> Table:
        """Return the raw table."""
        return Table(
            self.name,
            self.shape(),
            Write.REPLACE_WINDOW,
            at="bucket_start",
            derived=(pa.field("bucket_end", UTC_MICROS), *self.added),
        )


USAGE = Buckets(
    name="usage_buckets",
    asked_as="usage_metrics",
    dimensions={"model": "text"},
    # All four token sums belong to any cost: without them the server prices cached tokens at the
    # full rate, or everything at 0. How many logged a total tells whether the total is one of all.
    metrics=tuple(
        Metric(name, ("sum", "count") if name == "total_tokens" else ("sum",))
        for name in (*TOKENS, *COSTS)
    ),
    always=False,
    # Of the same reading as the costs: the server prices all of history anew.
    added=(pa.field("cost_unit", pa.string()),),
)
CALLS = Buckets(
    name="call_buckets",
    asked_as="call_metrics",
    dimensions={},
    metrics=(
        *(Metric(name) for name in COUNTS),
        Metric("latency_ms", ("sum", "min", "max", "count"), (50, 95, 99)),
    ),
    always=True,
)
WHO_RUNS = Buckets(
    name="call_buckets",
    asked_as="call_metrics",
    dimensions={},
    metrics=(Metric("call_count"), Metric("latency_ms", ("count",))),
    always=True,
)
"""What tells which hours hold calls that still run; no table."""

WHAT_WAS_USED = Buckets(
    name="usage_buckets",
    asked_as="usage_metrics",
    dimensions={"model": "text"},
    metrics=tuple(Metric(f"{kind}_tokens") for kind in ("input", "output", "total")),
    always=False,
)
"""What tells which models were used at all; no table."""

OF_ROOTS = (WHO_RUNS, WHAT_WAS_USED)
OF_ALL_CALLS = tuple(replace(one, roots_only=False) for one in OF_ROOTS)

TABLES = (USAGE.table(), CALLS.table())
