-- Grain: one row per LLM call, of the sources that count in totals.
-- Key: call_id.
-- Inputs: calls, their costs, the owners and rates of each day, the roles of sources.
-- Rule: a source that only observes calls of others is left out, as in daily_totals.
with calls as (
    select * from detail.calls
),

call_costs as (
    select * from detail.call_costs
),

daily_costs_converted as (
    select * from detail.daily_costs_converted
),

daily_exchange_rates as (
    select * from detail.daily_exchange_rates
),

publications as (
    select * from history.publications
),

-- Read once: where a CTE is read twice, DuckDB reads every column of all the others.
newest as (
    select * from publications
    qualify recorded_at = max(recorded_at) over ()
),

teams as (
    select distinct
        usage_date,
        source_name,
        account_id,
        app_name,
        api_key_name,
        team
    from daily_costs_converted
),

final as (
    select
        calls.call_id,
        calls.call_date,
        calls.billed_at,
        calls.called_at,
        calls.finished_at,
        teams.team,
        calls.source_name,
        calls.vendor,
        calls.provider_name,
        calls.account_id,
        calls.app_name,
        calls.api_key_name,
        calls.operation_name,
        calls.model,
        calls.request_model,
        calls.response_model,
        calls.region,
        call_costs.cost,
        call_costs.currency,
        -- An exact product; of a hundred billion and more it does not fit, and is NULL.
        try(
            cast(call_costs.cost * daily_exchange_rates.exchange_rate as decimal(38, 12))
        ) as cost_in_reporting_currency,
        newest.reporting_currency,
        call_costs.cost_basis,
        call_costs.cost_kind,
        case when call_costs.cost is null then call_costs.reason_unpriced end
            as reason_unpriced,
        calls.input_tokens,
        calls.output_tokens,
        calls.total_tokens,
        calls.cache_read_input_tokens,
        calls.cache_creation_input_tokens,
        calls.reasoning_output_tokens,
        calls.image_count,
        calls.web_search_count,
        calls.status_code,
        calls.error_type,
        calls.request_count,
        calls.latency_ms,
        calls.time_to_first_chunk_ms,
        calls.response_id,
        calls.conversation_id,
        calls.is_settled
    from calls
    inner join newest on calls.source_name = newest.source_name
    left join call_costs
        on
            calls.call_id = call_costs.call_id
            and calls.call_date = call_costs.call_date
    left join daily_exchange_rates
        on
            calls.call_date = daily_exchange_rates.usage_date
            and call_costs.currency = daily_exchange_rates.currency
    left join teams
        on
            calls.call_date = teams.usage_date
            and calls.source_name = teams.source_name
            and calls.account_id is not distinct from teams.account_id
            and calls.app_name is not distinct from teams.app_name
            and calls.api_key_name is not distinct from teams.api_key_name
    where newest.counts_in_totals
)

select * from final
