"""The morning's questions as a marimo notebook over the published file, which it only reads.

`make notebook` opens a copy; sql/clients.md says what that needs. LLM_USAGE_FILE names another file
than data/llm_usage.duckdb.
"""

import marimo

app = marimo.App(width="medium", app_title="LLM usage")

with app.setup:
    import os

    import altair as alt
    import duckdb
    import marimo as mo

    published = duckdb.connect(
        os.environ.get("LLM_USAGE_FILE", "data/llm_usage.duckdb"), read_only=True
    )
    # What days are counted back from: the last that any source has complete.
    published.execute(
        "create temp view newest as select max(complete_through) as day from freshness"
    )
    [[last_day, currency]] = published.sql(
        "select day, (select any_value(reporting_currency) from costs) from newest"
    ).fetchall()


@app.cell
def _() -> None:
    # 1. Is the load complete and fresh?
    _streams = published.sql(
        """
        select source_name, stream, status, complete_through, loaded_to, age_hours
        from freshness
        order by status = 'ok', age_hours desc
        """
    ).df()
    mo.vstack(
        [
            mo.md(f"# LLM usage through {last_day}\n\n## How fresh is it? What is not ok is first"),
            mo.ui.table(_streams, selection=None),
        ]
    )


@app.cell
def _() -> None:
    # 2. What did the last complete day cost, by team?
    _teams = published.sql(
        """
        select
            team,
            cast(sum(cost_in_reporting_currency) as double) as cost,
            cast(sum(calls) as bigint) as calls,
            cast(sum(unpriced_calls) as bigint) as calls_without_price
        from costs
        inner join newest on costs.usage_date = newest.day
        group by team
        order by cost desc nulls last
        """
    ).df()
    mo.vstack(
        [
            mo.md(f"## What did {last_day} cost, in {currency}?"),
            mo.ui.table(_teams, selection=None),
        ]
    )


@app.cell
def _() -> None:
    # 3. How do 30 days look?
    _days = published.sql(
        """
        select
            costs.usage_date,
            costs.team,
            cast(sum(costs.cost_in_reporting_currency) as double) as cost
        from costs
        inner join newest
            on costs.usage_date > newest.day - 30 and costs.usage_date <= newest.day
        group by costs.usage_date, costs.team
        """
    ).df()
    mo.vstack(
        [
            mo.md("## Cost by team, 30 days"),
            alt.Chart(_days)
            .mark_bar()
            .encode(
                x=alt.X("yearmonthdate(usage_date):T", title=None),
                y=alt.Y("sum(cost):Q", title=currency),
                color=alt.Color("team:N", title=None),
            )
            .properties(width="container"),
        ]
    )


@app.cell
def _() -> None:
    # 4. Where will the month land?
    _month = published.sql(
        """
        select
            team,
            currency,
            cast(spent as double) as spent,
            cast(expected_landing as double) as expected_landing,
            cast(budget as double) as budget
        from budgets
        where month = (select max(month) from budgets)
        order by team, currency
        """
    ).df()
    mo.vstack(
        [mo.md("## Where will the month land?"), mo.ui.table(_month, selection=None)],
    )


@app.cell
def _() -> None:
    # 5. What does a call cost, and a million tokens?
    _models = published.sql(
        """
        select
            model,
            cast(sum(cost_in_reporting_currency) as double) as cost,
            cast(sum(cost_in_reporting_currency) / nullif(sum(calls), 0) as double)
                as cost_per_call,
            cast(
                1000000 * sum(cost_in_reporting_currency) / nullif(sum(priced_tokens), 0)
                as double
            ) as cost_per_million_tokens
        from costs
        inner join newest
            on costs.usage_date > newest.day - 7 and costs.usage_date <= newest.day
        where cost_in_reporting_currency is not null
        group by model
        order by cost desc
        """
    ).df()
    mo.vstack(
        [
            mo.md(f"## What does a model cost, in {currency}, over seven complete days?"),
            mo.ui.table(_models, selection=None),
        ]
    )


@app.cell
def _() -> None:
    # 6. What does not agree with the vendors, and how slow is it?
    _differing = published.sql(
        """
        select
            usage_date, source_name, model, measure,
            cast(detail_value as double) as ours,
            cast(control_value as double) as the_vendors,
            reason
        from reconciliation
        where verdict = 'differs'
        order by usage_date desc
        """
    ).df()
    _slow = published.sql(
        """
        select calls.call_date, quantile_cont(calls.latency_ms, 0.95) / 1000 as seconds
        from calls
        inner join newest
            on calls.call_date > newest.day - 30 and calls.call_date <= newest.day
        group by calls.call_date
        """
    ).df()
    mo.vstack(
        [
            mo.md("## What differs from the vendors' own totals?"),
            mo.ui.table(_differing, selection=None),
            mo.md("## How long do 19 of 20 calls take at most?"),
            alt.Chart(_slow)
            .mark_line(point=True)
            .encode(
                x=alt.X("yearmonthdate(call_date):T", title=None),
                y=alt.Y("seconds:Q", title="seconds"),
            )
            .properties(width="container"),
        ]
    )


if __name__ == "__main__":
    app.run()
