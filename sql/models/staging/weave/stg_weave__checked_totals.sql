-- Grain: one row per pair, side, project, bucket, model and measure.
-- Key: all of these and source_name.
-- Inputs: calls one by one, the usage buckets by model, the call buckets of all models.
-- Rule: call buckets are a bound and no sum; a trace can use no model or several. A day
-- without any usage has calls of no model.
{{ config(materialized='view_of_run') }}

with reconciled_days as (
    select * from {{ ref('int_reconciled_days') }}
),

load_ledger as (
    select * from {{ source('weave', 'load_ledger') }}
    where stream = 'calls'
),

calls as (
    select
        *,
        date_trunc('hour', called_at) as bucket_start
    from {{ ref('stg_weave__calls') }}
    where {{ is_reconciled('called_at') }}
),

usage_buckets as (
    select
        *,
        {{ local_date('bucket_start') }} as usage_date
    from {{ ref('stg_weave__usage_buckets') }}
    where {{ is_reconciled('bucket_start') }}
),

call_buckets as (
    select
        *,
        {{ local_date('bucket_start') }} as usage_date
    from {{ ref('stg_weave__call_buckets') }}
    where {{ is_reconciled('bucket_start') }}
),

details as (
    select
        source_name,
        account_id as scope,
        request_model as model,
        bucket_start,
        bucket_end,
        calls
    from usage_buckets
),

models as (
    select distinct
        source_name,
        account_id,
        request_model,
        usage_date
    from usage_buckets
),

controls as (
    select
        call_buckets.source_name,
        call_buckets.account_id as scope,
        models.request_model as model,
        call_buckets.bucket_start,
        call_buckets.bucket_end,
        call_buckets.calls,
        case when models.source_name is not null then call_buckets.calls else 0 end
            as calls_of_others,
        case
            when models.source_name is not null
                then 'usage counts OpenTelemetry spans that begin no trace'
            else 'no call of the day has any usage'
        end as caveat
    from call_buckets
    left join models
        on
            call_buckets.source_name = models.source_name
            and call_buckets.account_id = models.account_id
            and call_buckets.usage_date = models.usage_date
),

called as (
    select
        source_name,
        account_id as scope,
        request_model as model,
        bucket_start,
        bucket_start + interval '1' hour as bucket_end,
        count(*) as calls,
        sum(coalesce(input_tokens, 0)) as input_tokens,
        sum(coalesce(output_tokens, 0)) as output_tokens,
        sum(coalesce(cache_read_input_tokens, 0)) as cache_read_input_tokens,
        sum(coalesce(cache_creation_input_tokens, 0)) as cache_creation_input_tokens
    from calls
    group by
        source_name,
        account_id,
        request_model,
        bucket_start
),

-- Where nothing is read call by call there is nothing to be compared.
bucketed as (
    select
        source_name,
        account_id as scope,
        request_model as model,
        bucket_start,
        bucket_end,
        calls,
        input_tokens,
        output_tokens,
        cache_read_input_tokens,
        cache_creation_input_tokens
    from usage_buckets
    where
        (source_name, account_id) in (
            select
                load_ledger.source_name,
                load_ledger.scope
            from load_ledger
        )
),

{%- set used = {
    'calls': 'calls',
    'input_tokens': 'input_tokens',
    'output_tokens': 'output_tokens',
    'cache_read_input_tokens': 'cache_read_input_tokens',
    'cache_creation_input_tokens': 'cache_creation_input_tokens',
} %}
{%- set measures = {'calls': 'calls'} %}

final as (
    {{ one_row_per_measure('called', 'calls_vs_usage_buckets', 'detail', used) }}
    union all
    {{ one_row_per_measure('bucketed', 'calls_vs_usage_buckets', 'control', used) }}
    union all
    {{ one_row_per_measure(
        'details', 'usage_buckets_vs_call_buckets', 'detail', measures
    ) }}
    union all
    {{ one_row_per_measure(
        'controls',
        'usage_buckets_vs_call_buckets',
        'control',
        measures,
        below={'calls': 'calls_of_others'},
        because='control includes calls of other models',
        caveats={'calls': 'caveat'},
    ) }}
)

select * from final
