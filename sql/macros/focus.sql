{#- What the two tables for finance share, in the words of FOCUS 1.2 (focus.finops.org). -#}

{#- CTEs, the last of them `described`: the rows of `daily_charges` for which `condition` holds, of
    sources that count in totals, with whom and what they are of. They are views of the published
    file, so that all of it comes from tables that are published. -#}
{% macro described_charges(condition) -%}
daily_charges as (
    select * from {{ published_ref('daily_charges') }}
),

daily_costs_converted as (
    select * from {{ published_ref('daily_costs_converted') }}
),

source_parties as (
    select * from {{ published_ref('source_parties') }}
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

described as (
    select
        daily_charges.*,
        {{ ascii('coalesce(daily_charges.account_id, rest.unnamed_account)') }} as account,
        {{ ascii('coalesce(daily_charges.api_key_name, daily_charges.app_name)') }}
            as sub_account,
        {{ ascii('daily_charges.model') }} as ascii_model,
        coalesce(parties.service_name, rest.service_name) as service_name,
        coalesce(parties.service_provider_name, rest.service_provider_name)
            as service_provider_name,
        coalesce(parties.host_provider_name, rest.host_provider_name)
            as host_provider_name,
        coalesce(parties.publisher_name, rest.publisher_name) as publisher_name,
        coalesce(parties.invoice_issuer_name, rest.invoice_issuer_name)
            as invoice_issuer_name,
        {{ json_attributes({'team': 'teams.team'}) }} as tags,
        {{ meter_of('daily_charges.token_kind') }} as meter,
        case
            when daily_charges.token_kind = 'request' then 'Requests'
            when daily_charges.token_kind = 'image' then 'Images'
            when daily_charges.token_kind = 'web_search' then 'Searches'
            else 'Tokens'
        end as unit,
        coalesce(daily_charges.provider_name, daily_charges.source_name)
        || ':' || {{ ascii('daily_charges.model') }} || ':' || daily_charges.token_kind
            as sku
    from daily_charges
    left join source_parties as parties
        on
            daily_charges.source_name = parties.source_name
            and daily_charges.provider_name = parties.provider_name
    left join source_parties as rest
        on
            daily_charges.source_name = rest.source_name
            and rest.provider_name is null
    left join teams
        on
            daily_charges.usage_date = teams.usage_date
            and daily_charges.source_name = teams.source_name
            and daily_charges.account_id is not distinct from teams.account_id
            and daily_charges.app_name is not distinct from teams.app_name
            and daily_charges.api_key_name is not distinct from teams.api_key_name
    where
        daily_charges.counts_in_totals
        and daily_charges.usage_date is not null
        and {{ condition }}
)
{%- endmacro %}

{#- What is metered, in words. -#}
{% macro meter_of(token_kind) -%}
    case {{ token_kind }}
        when 'unitless' then 'usage'
        when 'unsplit' then 'tokens'
        when 'request' then 'requests'
        when 'image' then 'images'
        when 'web_search' then 'web searches'
        else replace({{ token_kind }}, '_', ' ') || ' tokens'
    end
{%- endmacro %}

{#- The columns that say when, who and what, for a `select` from `described`. -#}
{% macro focus_columns() -%}
    account as BillingAccountId,
    account as BillingAccountName,
    'Account' as BillingAccountType,
    {{ day_start(month_start('usage_date')) }}
        as BillingPeriodStart,
    {{ day_start(days_after(month_end('usage_date'), 1)) }}
        as BillingPeriodEnd,
    'Usage' as ChargeCategory,
    cast(null as string) as ChargeClass,
    coalesce(ascii_model || ' ', '') || meter as ChargeDescription,
    'Usage-Based' as ChargeFrequency,
    {{ day_start('usage_date') }} as ChargePeriodStart,
    {{ day_start(days_after('usage_date', 1)) }} as ChargePeriodEnd,
    cast(quantity as decimal(38, 6)) as ConsumedQuantity,
    case when quantity is not null then unit end as ConsumedUnit,
    invoice_issuer_name as InvoiceIssuerName,
    service_provider_name as ProviderName,
    publisher_name as PublisherName,
    service_provider_name as ServiceProviderName,
    host_provider_name as HostProviderName,
    'AI and Machine Learning' as ServiceCategory,
    'Generative AI' as ServiceSubcategory,
    service_name as ServiceName,
    sku as SkuId,
    case when sku is not null then meter end as SkuMeter,
    sub_account as SubAccountId,
    sub_account as SubAccountName,
    case
        when api_key_name is not null then 'API key'
        when app_name is not null then 'App'
    end as SubAccountType,
    tags as Tags,
    source_name as x_SourceName,
    account_id as x_AccountId,
    app_name as x_AppName,
    api_key_name as x_ApiKeyName,
    model as x_Model,
    token_kind as x_TokenKind,
    calls as x_Calls
{%- endmacro %}
