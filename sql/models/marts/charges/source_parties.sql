-- Grain: one row per source and provider: who has a part in its charges.
-- Key: source_name, provider_name; NULL is every provider that has no row of its own.
-- Inputs: the sources that anything was loaded of, the seed that names the parties.
-- Rule: a row that names the source beats all others, then one that names the provider.
with sources as (
    select * from {{ ref('int_source_roles') }}
),

charge_parties as (
    select * from {{ ref('charge_parties') }}
),

providers as (
    select distinct provider_name from charge_parties
),

ranked as (
    select
        sources.source_name,
        providers.provider_name,
        charge_parties.service_name,
        charge_parties.service_provider_name,
        charge_parties.host_provider_name,
        charge_parties.publisher_name,
        charge_parties.invoice_issuer_name,
        charge_parties.unnamed_account,
        row_number() over (
            partition by sources.source_name, providers.provider_name
            order by
                charge_parties.source_name nulls last,
                charge_parties.provider_name nulls last
        ) as preference
    from sources
    cross join providers
    inner join charge_parties
        on
            sources.source_name
            = coalesce(charge_parties.source_name, sources.source_name)
            and (
                charge_parties.provider_name is null
                or providers.provider_name = charge_parties.provider_name
            )
),

final as (
    select
        source_name,
        provider_name,
        service_name,
        service_provider_name,
        host_provider_name,
        publisher_name,
        invoice_issuer_name,
        unnamed_account
    from ranked
    where preference = 1
)

select * from final
