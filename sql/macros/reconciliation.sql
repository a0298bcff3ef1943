{#- What a vendor's staging offers to `reconciliation`: the columns of stg_<vendor>__checked_totals.
    NULL in value = the side does not say. -#}
{% macro checked_total_columns() -%}
    {{ return({
        'pair': 'string',
        'side': 'string',
        'source_name': 'string',
        'scope': 'string',
        'model': 'string',
        'bucket_start': instant_type(),
        'bucket_end': instant_type(),
        'measure': 'string',
        'value': 'decimal(38, 12)',
        'allowed_below': 'decimal(38, 12)',
        'allowed_above': 'decimal(38, 12)',
        'allowed_because': 'string',
        'caveat': 'string',
    }) }}
{%- endmacro %}

{#- Whether a row bears on a day that this run reconciles anew, by its instant; for a model with a
    CTE of int_reconciled_days, which has to be built before. -#}
{% macro is_reconciled(instant) -%}
    {{ near_touched_days(instant, days_of='int_reconciled_days') }}
{%- endmacro %}

{#- The rows of `relation`, which has one per source_name, scope, model and bucket, as one row per
    measure. `measures` maps a measure to the column or expression of its value; `below` and `above`
    map one to how far the detail may lie beside the control and `because` says why; `caveats` maps
    one to a text that says why a difference means nothing, NULL where it means something. -#}
{% macro one_row_per_measure(
    relation, pair, side, measures, below={}, above={}, because=none, caveats={}
) -%}
    {%- set versions = [] -%}
    {%- for measure, expression in measures.items() -%}
        {%- set is_allowed = measure in below or measure in above -%}
        {%- do versions.append({
            'measure': "'" ~ measure ~ "'",
            'value': 'cast(' ~ expression ~ ' as decimal(38, 12))',
            'allowed_below': 'cast(' ~ below.get(measure, 0) ~ ' as decimal(38, 12))',
            'allowed_above': 'cast(' ~ above.get(measure, 0) ~ ' as decimal(38, 12))',
            'allowed_because': "'" ~ because ~ "'" if is_allowed else 'cast(null as string)',
            'caveat': 'cast(' ~ caveats.get(measure, 'null') ~ ' as string)',
        }) -%}
    {%- endfor -%}
    {{ each_version(
        relation,
        [
            "'" ~ pair ~ "' as pair",
            "'" ~ side ~ "' as side",
            'source_name',
            'scope',
            'model',
            'bucket_start',
            'bucket_end',
        ],
        versions,
    ) }}
{%- endmacro %}
