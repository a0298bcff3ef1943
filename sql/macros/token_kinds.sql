{#- What usage costs by kind of token: every figure of `call_charges` and `daily_charges`.

    `division` says how the cost of a call is told apart. reported: its vendor says what each kind
    cost. derived: each kind costs its quantity at its price. estimated: the vendor gives one sum for
    what has list prices, so that each kind gets its share of it by what it costs at them. unsplit
    and unitless: nothing tells the kinds apart, or there is money alone. unpriced: no cost is known. -#}

{#- The kinds of usage whose part of a cost a vendor can report beside the sum. -#}
{% macro reported_kinds() -%}
    {{ return(
        ['input', 'output', 'cache_read', 'cache_creation'] + modality_kinds()
        + ['web_search', 'request']
    ) }}
{%- endmacro %}

{#- The columns of those parts. -#}
{% macro reported_cost_columns(relation=none) -%}
    {%- set prefix = relation ~ "." if relation else "" -%}
    {%- for kind in reported_kinds() %}
    {{ prefix }}{{ kind }}_cost_reported{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- The same of a vendor that reports none, as NULL. -#}
{% macro no_reported_costs() -%}
    {%- for kind in reported_kinds() %}
    cast(null as decimal(38, 12)) as {{ kind }}_cost_reported{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- What a row of daily_costs is of, and what else its cost is told apart by. -#}
{% macro cost_row_columns() -%}
    {{ return([
        'usage_date', 'source_name', 'provider_name', 'account_id', 'app_name', 'api_key_name',
        'model', 'currency', 'cost_basis', 'cost_kind', 'reason_unpriced', 'counts_in_totals',
    ]) }}
{%- endmacro %}

{#- What tells a call's kinds of usage apart. -#}
{% macro counted_names() -%}
    {{ return([
        'input_tokens', 'output_tokens', 'total_tokens', 'cache_read_input_tokens',
        'cache_creation_input_tokens', 'reasoning_output_tokens', 'audio_input_tokens',
        'image_input_tokens', 'video_input_tokens', 'audio_output_tokens',
        'image_output_tokens', 'image_count', 'web_search_count',
    ]) }}
{%- endmacro %}

{#- The same as columns of `calls`. -#}
{% macro counted_columns(relation) -%}
    {%- for name in counted_names() %}
    {{ relation }}.{{ name }}{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- Of a group of calls. -#}
{% macro summed_counts() -%}
    {%- for name in counted_names() %}
    cast(sum({{ name }}) as bigint) as {{ name }}{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{% macro summed_reported_costs() -%}
    {%- for kind in reported_kinds() %}
    cast(sum({{ kind }}_cost_reported) as decimal(38, 12)) as {{ kind }}_cost_reported
    {{- "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- The ids of the prices that a call was billed at, of every kind; or the one of a group of calls. -#}
{% macro price_id_columns(relation=none, of_group=false) -%}
    {%- set prefix = relation ~ "." if relation else "" -%}
    {%- for kind in price_kinds() %}
    {%- if of_group %}
    min({{ kind }}_price_id) as {{ kind }}_price_id{{ "," if not loop.last }}
    {%- else %}
    {{ prefix }}{{ kind }}_price_id{{ "," if not loop.last }}
    {%- endif %}
    {%- endfor %}
{%- endmacro %}

{#- Where a call says how many of a kind it used; none for those that are what others leave. -#}
{% macro counter_of(kind) -%}
    {{ return({
        'cache_read': 'cache_read_input_tokens',
        'explicit_cache_read': 'cache_read_input_tokens',
        'cache_creation': 'cache_creation_input_tokens',
        'image': 'image_count',
        'web_search': 'web_search_count',
        'request': 'calls',
    }.get(kind, kind ~ '_tokens')) }}
{%- endmacro %}

{#- The kinds that are parts of all input, or of all output, where they are billed apart. -#}
{% macro parts_of(whole) -%}
    {{ return({
        'input': [
            'cache_read', 'explicit_cache_read', 'cache_creation', 'audio_input', 'image_input',
            'video_input',
        ],
        'output': ['audio_output', 'image_output'],
    }[whole]) }}
{%- endmacro %}

{#- How many of those a row was charged for, as one sum. -#}
{% macro billed_parts(whole) -%}
    {%- for kind in parts_of(whole) -%}
        {{ kind }}_quantity{{ " + " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#- The parts of a cost that its vendor reports, as one sum. -#}
{% macro sum_of_reported_costs() -%}
    {%- for kind in reported_kinds() -%}
        coalesce({{ kind }}_cost_reported, 0){{ " + " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#- A CTE `divided` for a `with` that has `relation`: calls or buckets of int_usage. Adds `division`;
    `is_priced` says whether a row was billed at any listed price. -#}
{% macro divided(relation, is_priced) -%}
divided as (
    select
        *,
        case
            when cost is null then 'unpriced'
            when cost_basis = 'derived' then 'derived'
            when
                coalesce({{ reported_cost_columns() }}) is not null
                and {{ is_same_cost('cost', '(' ~ sum_of_reported_costs() ~ ')') }}
                then 'reported'
            when currency = currency_derived and {{ is_priced }} then 'estimated'
            when total_tokens > 0 then 'unsplit'
            else 'unitless'
        end as division
    from {{ relation }}
)
{%- endmacro %}

{#- What rows of `divided` of one division and the same prices must have in common for their sum to be
    metered as each of them is: which kinds of it are known, and that no kind is more than the whole
    that it is a part of. A row where that is so stays alone. -#}
{% macro metered_alike(id) -%}
    case division
        when 'unpriced'
            then
                case when input_tokens is null then 1 else 0 end
                + case when output_tokens is null then 2 else 0 end
        when 'reported'
            then
                {%- for kind in reported_kinds() %}
                case when coalesce({{ kind }}_cost_reported, 0) <> 0 then {{ 2 ** loop.index0 }} else 0 end
                {{- " +" if not loop.last }}
                {%- endfor %}
        else 0
    end,
    case
        when
            coalesce(cache_read_input_tokens, 0) + coalesce(cache_creation_input_tokens, 0)
            + coalesce(audio_input_tokens, 0) + coalesce(image_input_tokens, 0)
            + coalesce(video_input_tokens, 0) > coalesce(input_tokens, 0)
            or coalesce(reasoning_output_tokens, 0) + coalesce(audio_output_tokens, 0)
            + coalesce(image_output_tokens, 0) > coalesce(output_tokens, 0)
            or (
                division = 'reported'
                and least(
                    {%- for kind in reported_kinds() %}
                    coalesce({{ kind }}_cost_reported, 0){{ "," if not loop.last }}
                    {%- endfor %}
                ) < 0
            )
            then {{ id }}
    end
{%- endmacro %}

{#- CTEs, the last of them `metered`, for a `with` that has `relation`: rows of `divided`, or sums of
    such rows that are metered alike, with the ids of their prices. Adds for each kind how many were
    charged for (<kind>_quantity). That follows from the prices at which the call was billed, as
    `charges` bills it; where the vendor says what each kind cost, from that: what has no cost of its
    own is in the rest. -#}
{% macro metered(relation) -%}
billed_kinds as (
    select
        *,
        {%- for kind in price_kinds() %}
        case
            when division in ('derived', 'estimated') then {{ kind }}_price_id is not null
            {%- if kind in ('input', 'output') %}
            when division = 'reported' then coalesce(request_cost_reported, 0) = 0
            when division = 'unpriced' then {{ kind }}_tokens is not null
            {%- elif kind in reported_kinds() %}
            when division = 'reported' then coalesce({{ kind }}_cost_reported, 0) <> 0
            {%- endif %}
            else false
        end as bills_{{ kind }},
        {%- endfor %}
        division in ('unsplit', 'unitless')
        or (division = 'unpriced' and coalesce(input_tokens, output_tokens) is null)
            as bills_unsplit
    from {{ relation }}
),

counted_parts as (
    select
        *,
        {%- for kind in price_kinds() if kind not in ('input', 'output', 'reasoning_output') %}
        case when bills_{{ kind }} then coalesce({{ counter_of(kind) }}, 0) else 0 end
            as {{ kind }}_quantity,
        {%- endfor %}
        case when bills_unsplit and division <> 'unitless' then total_tokens end
            as unsplit_quantity
    from billed_kinds
),

counted_reasoning as (
    select
        *,
        case
            when not bills_reasoning_output then 0
            when bills_output then coalesce(reasoning_output_tokens, 0)
            -- All output bills at the price of reasoning, or all of it was.
            else coalesce(output_tokens, 0) - ({{ billed_parts('output') }})
        end as reasoning_output_quantity
    from counted_parts
),

metered as (
    select
        *,
        case
            when bills_input
                then greatest(coalesce(input_tokens, 0) - ({{ billed_parts('input') }}), 0)
            else 0
        end as input_quantity,
        case
            when bills_output
                then
                    greatest(
                        coalesce(output_tokens, 0) - reasoning_output_quantity
                        - ({{ billed_parts('output') }}),
                        0
                    )
            else 0
        end as output_quantity
    from counted_reasoning
)
{%- endmacro %}

{#- CTEs, the last of them `charged_by_kind`, for a `with` that has `relation`, rows as `metered` gives
    them or sums of such rows, and `prices`: one row per row and kind that it was charged for. `key`
    names a row; what else of it is wanted is in `columns`, its currency among them.

    The kinds of a row add up to its cost exactly: the one that costs most takes what rounding leaves,
    or what the vendor's parts leave of its sum. -#}
{% macro charged_by_kind(relation, key, columns) -%}
kinds as (
    {%- for kind in price_kinds() + ['unsplit'] %}
    select '{{ kind }}' as kind
    {{ "union all" if not loop.last }}
    {%- endfor %}
),

unpivoted as (
    select
        {%- for name in key + columns %}
        {{ relation }}.{{ name }},
        {%- endfor %}
        {{ relation }}.division,
        {{ relation }}.cost as whole_cost,
        case
            when kinds.kind <> 'unsplit' or {{ relation }}.division = 'unpriced'
                then kinds.kind
            else {{ relation }}.division
        end as token_kind,
        {{ of_kind(relation, '_quantity', price_kinds() + ['unsplit']) }} as quantity,
        {{ of_kind(relation, '_calls', price_kinds() + ['unsplit']) }} as calls,
        {{ of_kind(relation, '_cost_reported', reported_kinds()) }} as cost_reported,
        {{ of_kind(relation, '_price_id', price_kinds()) }} as price_id
    from {{ relation }}
    cross join kinds
),

listed as (
    select
        {%- for name in key + columns %}
        unpivoted.{{ name }},
        {%- endfor %}
        unpivoted.division,
        unpivoted.whole_cost,
        unpivoted.token_kind,
        unpivoted.quantity,
        unpivoted.calls,
        unpivoted.cost_reported,
        prices.price_id,
        prices.unit_size,
        prices.unit_price,
        cast(unpivoted.quantity as bigint) * prices.price_per_token as amount
    from unpivoted
    left join prices
        on
            unpivoted.price_id = prices.price_id
            and unpivoted.currency = prices.currency
    where
        unpivoted.quantity <> 0
        or coalesce(unpivoted.cost_reported, 0) <> 0
        or (
            unpivoted.division in ('unsplit', 'unitless')
            and unpivoted.token_kind = unpivoted.division
            and unpivoted.whole_cost <> 0
        )
        -- What a call did not use is no row, but each call without a cost is in one.
        or (
            unpivoted.division = 'unpriced'
            and unpivoted.token_kind <> 'output'
            and unpivoted.calls > 0
        )
),

weighed as (
    select
        *,
        case
            when division = 'reported' then coalesce(cost_reported, 0)
            else coalesce({{ as_cost('amount') }}, 0)
        end as weight
    from listed
),

ranked as (
    select
        *,
        sum(weight) over (partition by {{ key | join(', ') }}) as whole_weight,
        count(*) over (partition by {{ key | join(', ') }}) as kinds_of_row,
        row_number() over (
            partition by {{ key | join(', ') }} order by abs(weight) desc, token_kind
        ) as place
    from weighed
),

shared as (
    select
        *,
        case
            when place = 1 or division = 'unpriced' then null
            when division = 'estimated'
                then
                    coalesce(
                        {{ share_of('whole_cost', 'weight', 'whole_weight', 12) }},
                        {{ share_of('whole_cost', 'weight', 'whole_weight', 6) }},
                        0
                    )
            else weight
        end as share
    from ranked
),

charged_by_kind as (
    select
        {%- for name in key + columns %}
        {{ name }},
        {%- endfor %}
        token_kind,
        price_id,
        unit_size,
        unit_price,
        case
            when division = 'unpriced' then null
            -- One kind alone has all of the sum: nothing was apportioned.
            when division = 'estimated' and kinds_of_row > 1 then 'estimated'
            when division = 'derived' then 'derived'
            else 'reported'
        end as split,
        cast(quantity as bigint) as quantity,
        cast(
            case
                when place > 1 then share
                else
                    whole_cost
                    - coalesce(sum(share) over (partition by {{ key | join(', ') }}), 0)
            end as decimal(38, 12)
        ) as cost,
        cast(calls as bigint) as calls
    from shared
)
{%- endmacro %}

{#- What `charged_by_kind` needs of rows of `metered`. -#}
{% macro metered_columns() -%}
    {%- for kind in price_kinds() + ['unsplit'] %}
    {{ kind }}_quantity,
    case when bills_{{ kind }} then calls else 0 end as {{ kind }}_calls,
    {%- endfor %}
    {{ reported_cost_columns() }},
    cost
{%- endmacro %}

{#- What a row has in the column of its kind. -#}
{% macro of_kind(relation, suffix, kinds) -%}
    case kinds.kind
        {%- for kind in kinds %}
        when '{{ kind }}' then {{ relation }}.{{ kind }}{{ suffix }}
        {%- endfor %}
    end
{%- endmacro %}

{#- amount * part / whole, where part and whole are decimals that count to `places`; NULL where the whole
    is 0 or they are too large for it. -#}
{% macro share_of(amount, part, whole, places) -%}
    {{ proportion(
        amount, in_units(part, places), 'nullif(' ~ in_units(whole, places) ~ ', 0)'
    ) }}
{%- endmacro %}

{#- A model that is published, without the name of the database: a view that stands on it goes into the
    published file as it is. -#}
{% macro published_ref(name) -%}
    {{ return(ref(name).include(database=false)) }}
{%- endmacro %}

{#- The kinds that are tokens of a call's input, those of its output, and of these the ones that are
    text. -#}
{% macro input_kinds() -%}
    {{ return(['input'] + parts_of('input')) }}
{%- endmacro %}

{% macro output_kinds() -%}
    {{ return(plain_output_kinds() + parts_of('output')) }}
{%- endmacro %}

{% macro plain_output_kinds() -%}
    {{ return(['output', 'reasoning_output']) }}
{%- endmacro %}

{#- Of rows of daily_charges: the sum of a column over some kinds; 0 where none of them is there, and
    NULL where a row has tokens that nothing tells apart. -#}
{% macro sum_of_kinds(column, kinds) -%}
    case
        when max(case when token_kind = 'unsplit' then 1 else 0 end) = 0
            then cast(
                sum(case when token_kind in ('{{ kinds | join("', '") }}') then {{ column }} else 0 end)
                as {{ 'decimal(38, 12)' if column == 'cost' else 'bigint' }}
            )
    end
{%- endmacro %}
