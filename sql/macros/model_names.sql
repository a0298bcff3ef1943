{#- How a model may be listed that a call names otherwise: a gateway's or a cloud's words before it, and
    the date of a snapshot behind it. -#}

{#- Whether a name begins with a text. -#}
{% macro begins_with(name, text) -%}
    substring({{ name }}, 1, length({{ text }})) = {{ text }}
{%- endmacro %}

{#- The names of `relation` that begin with a prefix of their provider's, without it; for a model with
    a CTE prefixes. The longest that is cut wins. -#}
{% macro without_prefix(relation) -%}
    select
        {{ relation }}.source_name,
        {{ relation }}.price_provider,
        {{ relation }}.price_region,
        {{ relation }}.model,
        substring({{ relation }}.name, max(length(prefixes.cut)) + 1) as name,
        {{ relation }}.cuts + 1 as cuts
    from {{ relation }}
    inner join prefixes
        on
            {{ relation }}.price_provider = prefixes.price_provider
            and length(prefixes.cut) > 0
            and {{ begins_with(relation ~ '.name', 'prefixes.prefix') }}
    group by
        {{ relation }}.source_name,
        {{ relation }}.price_provider,
        {{ relation }}.price_region,
        {{ relation }}.model,
        {{ relation }}.name,
        {{ relation }}.cuts
{%- endmacro %}

{#- The names of `relation` in each spelling, numbered in the order in which they are tried. -#}
{% macro spellings_of(relation) -%}
    {%- set versions = [] -%}
    {%- for spelling in [
        'name', dashed_date('name'), compact_date('name'), undated('name')
    ] -%}
        {%- do versions.append({'name': spelling, 'spelling': loop.index, 'cuts': 'cuts'}) -%}
    {%- endfor -%}
    {{ each_version(
        relation, ['source_name', 'price_provider', 'price_region', 'model'], versions
    ) }}
{%- endmacro %}

{#- A name whose date is written with dashes, or without them; the name itself where it has none. -#}
{% macro dashed_date(name) -%}
    {{ return(adapter.dispatch('dashed_date')(name)) }}
{%- endmacro %}

{% macro duckdb__dashed_date(name) -%}
    regexp_replace({{ name }}, '[-@](20\d\d)([01]\d)([0-3]\d)$', '-\1-\2-\3')
{%- endmacro %}

{% macro compact_date(name) -%}
    {{ return(adapter.dispatch('compact_date')(name)) }}
{%- endmacro %}

{% macro duckdb__compact_date(name) -%}
    regexp_replace({{ name }}, '[-@](20\d\d)-?([01]\d)-?([0-3]\d)$', '-\1\2\3')
{%- endmacro %}

{#- A name without the date at its end and, behind that, Bedrock's version of it. A version alone is
    part of the name: it tells models apart. -#}
{% macro undated(name) -%}
    {{ return(adapter.dispatch('undated')(name)) }}
{%- endmacro %}

{% macro duckdb__undated(name) -%}
    regexp_replace(
        {{ name }}, '[-@]20\d\d(-[01]\d-|[01]\d)[0-3]\d(-v\d+(:\d+)?)?$', ''
    )
{%- endmacro %}
