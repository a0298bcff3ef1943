"""The rival of a full rebuild: one statement that prices every call, and one that sums the days.

`python by_hand.py WAREHOUSE`, run as a file: it imports nothing of the project. It takes the prices
that the models found for the same calls, and keeps each call with what it costs, as they do.
"""

import json
import sys
import tempfile

import duckdb

PRICED = """
    create table kept.calls as
    select
        logs.*,
        cast(logs.created_at as date) as usage_date,
        prices.currency as currency_derived,
        cast(
            (logs.usage_input_tokens - coalesce(logs.usage_cached_tokens, 0)) * prices.input_price
            + coalesce(logs.usage_cached_tokens, 0)
            * coalesce(prices.cache_read_price, prices.input_price)
            + logs.usage_output_tokens * prices.output_price
            as decimal(38, 12)
        ) as cost_derived
    from raw_aiproxy.logs as logs
    left join staging.stg_aiproxy__channels as channels
        on logs.source_name = channels.source_name and logs.channel = channels.channel_id
    left join seeds.price_providers as providers
        on providers.vendor = 'aiproxy' and channels.provider_name = providers.provider_name
    left join intermediate.int_model_prices as prices
        on
            logs.source_name = prices.source_name
            and providers.price_provider = prices.provider
            and providers.price_region = prices.region
            and logs.model = prices.model
            and logs.request_at >= prices.valid_from
            and logs.request_at < coalesce(prices.valid_to, 'infinity')
            and (epoch_us(logs.created_at) // 60000000) % 1440 >= prices.from_minute
            and (epoch_us(logs.created_at) // 60000000) % 1440 < prices.to_minute
            and coalesce(logs.usage_input_tokens, 0) >= prices.tier_min_input_tokens
            and coalesce(logs.usage_input_tokens, 0)
            < coalesce(prices.tier_max_input_tokens, 9223372036854775807)
"""

SUMMED = """
    create table kept.days as
    select
        usage_date,
        source_name,
        group_id,
        token_name,
        model,
        currency,
        count(*) as calls,
        sum(usage_input_tokens) as input_tokens,
        sum(usage_output_tokens) as output_tokens,
        sum(usage_total_tokens) as total_tokens,
        sum(used_amount) as cost_reported,
        sum(cost_derived) as cost_derived
    from kept.calls
    group by all
"""


def main(path: str) -> None:
    """Price and sum, and print how many calls that were."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(path) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"attach '{folder}/kept.duckdb' as kept")
        connection.execute(PRICED)
        connection.execute(SUMMED)
        found = connection.execute("select sum(calls)::bigint from kept.days").fetchone()
    print(json.dumps({"calls": found[0] if found else 0}))  # noqa: T201 - for the parent process


if __name__ == "__main__":
    main(sys.argv[1])
