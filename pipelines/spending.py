"""What the last days cost: the first thing that a night, its message and `status` say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
from rich.console import Console

from llm_usage_warehouse.published import open_published
from llm_usage_warehouse.settings import WarehouseSettings
from llm_usage_warehouse.tables import say_rows
from llm_usage_warehouse.telling import counted, say

LAST_DAY = """
    with latest as (
        from publications
        select max(last_complete_date) as usage_date, any_value(reporting_currency) as currency
        where recorded_at = (select max(recorded_at) from publications) and counts_in_totals
    )

    from latest
    left join daily_costs_converted as costs
        on latest.usage_date = costs.usage_date and costs.counts_in_totals
    select
        latest.usage_date, any_value(latest.currency),
        cast(sum(costs.cost_in_reporting_currency) as decimal(38, 2)),
        coalesce(sum(costs.calls), 0)::bigint,
        coalesce(sum(costs.calls) filter (costs.cost is null), 0)::bigint,
        coalesce(sum(costs.unconverted_calls), 0)::bigint
    where latest.usage_date is not null
    group by latest.usage_date
"""

LAST_WEEK = """
    with counted as (
        from daily_costs
        where counts_in_totals
            and usage_date > (select max(usage_date) from daily_costs where counts_in_totals) - 7
    ),

    sums as (
        from counted
        select model, sum(calls) as calls,
            sum(calls) filter (cost is null) as unpriced_calls,
            sum(priced_tokens + unpriced_tokens) as total_tokens
        group by model
    ),

    costs as (
        from (
            from counted select model, currency, sum(cost) as cost
            where cost is not null group by model, currency order by currency
        )
        select model, list({'cost': cost, 'currency': currency}) as costs, sum(cost) as weight
        group by model
    )

    from sums left join costs on sums.model is not distinct from costs.model
    select sums.model, costs.costs, coalesce(unpriced_calls, 0), calls, total_tokens
    order by costs.weight desc nulls last, total_tokens desc nulls last, sums.model
"""

SHOWN_MODELS = 15


@dataclass(frozen=True)
class Spent:
    """What a day cost, of the sources that count in totals.

    Attributes:
        usage_date: the local day.
        currency: the reporting currency.
        cost: what its calls cost, converted and rounded to two places; None where nothing is known.
        calls: how many calls there were.
        unpriced_calls: how many of them have no cost.
        unconverted_calls: how many have a cost for whose currency there is no rate.
    """

    usage_date: date
    currency: str
    cost: Decimal | None
    calls: int
    unpriced_calls: int
    unconverted_calls: int

    def __str__(self) -> str:
        money = f"{self.cost:,} {self.currency}" if self.cost is not None else "no known cost"
        without = [
            f"{number:,} {what}"
            for number, what in (
                (self.unpriced_calls, "unpriced"),
                (self.unconverted_calls, "unconverted"),
            )
            if number
        ]
        rest = f" ({', '.join(without)})" if without else ""
        return f"{self.usage_date}: {money} for {counted(self.calls, 'call')}{rest}"


def last_day(published: duckdb.DuckDBPyConnection) -> Spent | None:
    """Return what the last complete day cost; None where no day is complete yet."""
    found = published.execute(LAST_DAY).fetchall()
    return Spent(*found[0]) if found else None


def tell_spending(console: Console, warehouse: WarehouseSettings) -> None:
    """Say what the last complete day cost, and the last seven days by model."""
    with open_published(warehouse) as connection:
        spent = last_day(connection)
        found = connection.execute(LAST_WEEK).fetchall()
    if spent:
        say(console, str(spent))
    say(
        console,
        "the last 7 days by model, of sources that count in totals "
        f"(days in {warehouse.reporting_timezone})",
    )
    rows = [(model, _costs(costs), *rest) for model, costs, *rest in found[:SHOWN_MODELS]]
    say_rows(console, ("model", "cost", "unpriced", "calls", "tokens"), rows)
    if (more := len(found) - SHOWN_MODELS) > 0:
        say(console, f"  and {counted(more, 'model')} more: from costs")


def _costs(costs: Sequence[Mapping[str, Any]] | None) -> str:
    """Return a cost in each currency; nothing where no call has one."""
    return " + ".join(f"{one['cost']:,.2f} {one['currency']}" for one in costs or ())
