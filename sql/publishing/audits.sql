-- Grain: one row per source, pair of figures, local day, model and measure of which an
-- audit says something new.
-- Key: all of these and recorded_at.
-- Inputs: the audited days, what is compared of them now and was published before.
-- Rule: what an earlier audit said with the same figures is not said again.
with audited as (
    select * from audited_days
),

sources as (
    select * from compared_sources
),

compared as (
    select * from published.detail.reconciliation
),

compared_before as (
    select * from earlier_reconciliation
),

tokens as (
    select
        source_name,
        usage_date,
        model,
        true as is_now,
        calls,
        input_tokens,
        output_tokens,
        null as calls_before,
        null as input_tokens_before,
        null as output_tokens_before
    from published.detail.daily_tokens
    union all
    select
        source_name,
        usage_date,
        model,
        false as is_now,
        null as calls,
        null as input_tokens,
        null as output_tokens,
        calls as calls_before,
        input_tokens as input_tokens_before,
        output_tokens as output_tokens_before
    from earlier_daily_tokens
),

sums as (
    select
        source_name,
        usage_date,
        model,
        'calls' as measure,
        cast(sum(calls) as decimal(38, 12)) as value,
        cast(sum(calls_before) as decimal(38, 12)) as value_before,
        count(case when is_now then 1 end) as rows_now
    from tokens
    group by
        source_name,
        usage_date,
        model
    union all
    select
        source_name,
        usage_date,
        model,
        'input_tokens' as measure,
        cast(sum(input_tokens) as decimal(38, 12)) as value,
        cast(sum(input_tokens_before) as decimal(38, 12)) as value_before,
        count(case when is_now then 1 end) as rows_now
    from tokens
    group by
        source_name,
        usage_date,
        model
    union all
    select
        source_name,
        usage_date,
        model,
        'output_tokens' as measure,
        cast(sum(output_tokens) as decimal(38, 12)) as value,
        cast(sum(output_tokens_before) as decimal(38, 12)) as value_before,
        count(case when is_now then 1 end) as rows_now
    from tokens
    group by
        source_name,
        usage_date,
        model
),

totals_compared as (
    select
        compared.source_name,
        compared.pair,
        compared.usage_date,
        compared.model,
        compared.measure,
        compared_before.detail_value as ours_before,
        compared.control_value as vendors,
        compared.detail_value as ours_after,
        case
            when compared.verdict = 'differs' then 'still_differs'
            when compared.verdict = 'not_comparable' then 'not_comparable'
            -- How many rows came of a day says how often it was read.
            when
                audited.is_read_again
                and compared.measure <> 'rows'
                and (compared_before.detail_value is distinct from compared.detail_value)
                then 'healed'
            else 'agreed'
        end as verdict,
        compared.reason
    from compared
    inner join audited
        on
            compared.source_name = audited.source_name
            and compared.usage_date = audited.usage_date
    left join compared_before
        on
            compared.source_name = compared_before.source_name
            and compared.pair = compared_before.pair
            and compared.usage_date = compared_before.usage_date
            and compared.model is not distinct from compared_before.model
            and compared.measure = compared_before.measure
),

-- A vendor whose rows are its own sums says with them what there is.
unpaired as (
    select distinct
        reads.source_name,
        reads.stream || '_read_again' as pair
    from transform_state.audit_reads as reads
    left join seeds.reconciliation_pairs as pairs on reads.stream = pairs.control_stream
    where pairs.pair is null
),

sums_read_again as (
    select
        sums.source_name,
        unpaired.pair,
        sums.usage_date,
        sums.model,
        sums.measure,
        sums.value_before as ours_before,
        sums.value as vendors,
        sums.value as ours_after,
        'healed' as verdict,
        'the rows are the vendor''s own sums' as reason
    from sums
    inner join audited
        on
            sums.source_name = audited.source_name
            and sums.usage_date = audited.usage_date
    inner join unpaired on sums.source_name = unpaired.source_name
    where
        audited.is_read_again
        and sums.rows_now > 0
        and sums.value is distinct from sums.value_before
),

-- What a vendor has deleted stays here, and cannot be held against it any more.
fewer_at_vendor as (
    select
        findings.source_name,
        findings.stream || '_read_again' as pair,
        cast(
            timezone(settings.value, findings.window_start) as date
        ) as usage_date,
        null as model,
        'calls' as measure,
        cast(sum(findings.ours) as decimal(38, 12)) as ours_before,
        cast(sum(findings.vendors) as decimal(38, 12)) as vendors,
        cast(sum(findings.ours) as decimal(38, 12)) as ours_after,
        'not_comparable' as verdict,
        max(findings.reason) as reason
    from transform_state.audit_findings as findings
    inner join sources on findings.source_name = sources.source_name
    cross join transform_state.settings as settings
    where
        settings.name = 'reporting_timezone'
        and findings.ours is not null
        and findings.read_at > sources.last_recorded_at
    group by
        findings.run_id,
        findings.source_name,
        findings.stream,
        cast(timezone(settings.value, findings.window_start) as date)
),

said as (
    select * from totals_compared
    union all
    select * from sums_read_again
    union all
    select * from fewer_at_vendor
),

known as (
    select
        source_name,
        pair,
        usage_date,
        model,
        measure,
        arg_max(vendors, recorded_at) as vendors,
        arg_max(ours_after, recorded_at) as ours_after,
        arg_max(verdict, recorded_at) as verdict
    from earlier_audits
    group by
        source_name,
        pair,
        usage_date,
        model,
        measure
),

final as (
    select distinct
        sources.recorded_at,
        said.source_name,
        said.pair,
        said.usage_date,
        said.model,
        said.measure,
        said.ours_before,
        said.vendors,
        said.ours_after,
        said.verdict,
        said.reason
    from said
    inner join sources on said.source_name = sources.source_name
    left join known
        on
            said.source_name = known.source_name
            and said.pair = known.pair
            and said.usage_date = known.usage_date
            and said.model is not distinct from known.model
            and said.measure = known.measure
    where
        known.verdict is null
        or known.vendors is distinct from said.vendors
        or known.ours_after is distinct from said.ours_after
        or replace(known.verdict, 'healed', 'agreed')
        <> replace(said.verdict, 'healed', 'agreed')
)

select * from final
