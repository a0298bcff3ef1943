-- Grain: one row per call, or per bucket where a source is rolled up from its buckets.
-- Key: usage_id.
-- Inputs: the marts calls, call_costs and usage_buckets, the role of each source.
-- Rule: a day of a source is taken from one of them only, so that no call is there twice.
with calls as (
    select * from {{ ref('calls') }}
),

call_costs as (
    select
        *,
        -- All of the ids of its prices would be much to join by.
        {{ price_ids_key() }} as price_ids_key,
        coalesce({{ price_id_columns() }}) is not null as is_priced
    from {{ ref('call_costs') }}
),

usage_buckets as (
    select * from {{ ref('usage_buckets') }}
),

source_roles as (
    select * from {{ ref('int_source_roles') }}
),

called_days as (
    select * from {{ ref('int_called_days') }}
),

usage as (
    select
        'calls' as rollup_from,
        calls.call_id as usage_id,
        calls.call_date as usage_date,
        calls.source_name,
        calls.provider_name,
        calls.account_id,
        calls.app_name,
        calls.api_key_name,
        calls.model,
        1 as calls,
        case when calls.error_type is null then 0 else 1 end as errors,
        calls.input_tokens,
        calls.output_tokens,
        calls.total_tokens,
        calls.cache_read_input_tokens,
        calls.cache_creation_input_tokens,
        calls.reasoning_output_tokens,
        calls.audio_input_tokens,
        calls.image_input_tokens,
        calls.video_input_tokens,
        calls.audio_output_tokens,
        calls.image_output_tokens,
        calls.image_count,
        calls.web_search_count,
        call_costs.cost,
        call_costs.currency,
        call_costs.cost_basis,
        call_costs.cost_kind,
        call_costs.currency_derived,
        case when call_costs.cost is null then call_costs.reason_unpriced end
            as reason_unpriced,
        call_costs.price_ids_key,
        call_costs.is_priced,
        {{ reported_cost_columns('calls') }}
    from calls
    inner join call_costs
        on
            calls.call_id = call_costs.call_id
            and calls.call_date = call_costs.call_date
    union all
    select
        'usage_buckets' as rollup_from,
        bucket_id as usage_id,
        bucket_date as usage_date,
        source_name,
        provider_name,
        account_id,
        app_name,
        api_key_name,
        model,
        calls,
        errors,
        input_tokens,
        output_tokens,
        total_tokens,
        cache_read_input_tokens,
        cache_creation_input_tokens,
        reasoning_output_tokens,
        null as audio_input_tokens,
        null as image_input_tokens,
        null as video_input_tokens,
        null as audio_output_tokens,
        null as image_output_tokens,
        null as image_count,
        null as web_search_count,
        cost_reported as cost,
        case when cost_reported is not null then currency end as currency,
        case when cost_reported is null then 'unpriced' else 'reported' end as cost_basis,
        case when cost_reported is not null then cost_kind end as cost_kind,
        null as currency_derived,
        case when cost_reported is null then 'not_reported' end as reason_unpriced,
        null as price_ids_key,
        false as is_priced,
        {{ no_reported_costs() }}
    from usage_buckets
),

final as (
    select
        usage.usage_id,
        usage.usage_date,
        usage.source_name,
        usage.provider_name,
        usage.account_id,
        usage.app_name,
        usage.api_key_name,
        usage.model,
        usage.calls,
        usage.errors,
        usage.input_tokens,
        usage.output_tokens,
        usage.total_tokens,
        usage.cache_read_input_tokens,
        usage.cache_creation_input_tokens,
        usage.reasoning_output_tokens,
        usage.audio_input_tokens,
        usage.image_input_tokens,
        usage.video_input_tokens,
        usage.audio_output_tokens,
        usage.image_output_tokens,
        usage.image_count,
        usage.web_search_count,
        usage.cost,
        usage.currency,
        usage.cost_basis,
        usage.cost_kind,
        usage.currency_derived,
        usage.reason_unpriced,
        usage.price_ids_key,
        usage.is_priced,
        {{ reported_cost_columns('usage') }},
        source_roles.counts_in_totals
    from usage
    inner join source_roles
        on usage.source_name = source_roles.source_name
    left join called_days
        on
            usage.source_name = called_days.source_name
            and usage.usage_date = called_days.usage_date
    where
        usage.rollup_from
        = case
            when called_days.source_name is null then source_roles.rollup_from
            else 'calls'
        end
        -- A bucket of money alone, which the vendor laid to no call that we have.
        or (
            usage.calls = 0
            and usage.total_tokens is null
            and usage.cost is not null
        )
)

select * from final
