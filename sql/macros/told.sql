{#- What llm-usage tells a single run, by environment: dbt reads the whole project anew, for longer than
    it builds a night, whenever a variable differs from the last run's. For the same reason they are
    asked for only while dbt executes: one that is asked for while it reads becomes part of what it
    read. A plain `dbt build` is told nothing. -#}

{#- Whether data tests look at all of history, or only at the days that the last run touched. -#}
{% macro tests_all() -%}
    {{ return(not execute or env_var('LLM_USAGE_TEST_ALL', 'true') == 'true') }}
{%- endmacro %}

{#- The sources that this run builds as they were last published, see held.sql. -#}
{% macro held_sources() -%}
    {{ return(fromjson(env_var('LLM_USAGE_HELD_SOURCES', '[]')) if execute else []) }}
{%- endmacro %}

{#- Whether this run makes no view and no seed, as they stand as it would make them. -#}
{% macro leaves_out_views() -%}
    {{ return(execute and env_var('LLM_USAGE_LEFT_OUT_VIEWS', 'false') == 'true') }}
{%- endmacro %}

{#- A hash of all macros, by which a changed one rebuilds every day; empty where nobody told it. -#}
{% macro macros_checksum() -%}
    {{ return(env_var('LLM_USAGE_MACROS_CHECKSUM', '') if execute else '') }}
{%- endmacro %}

{#- The time zone of the settings: a zone that they name is meant, and every day is made anew in it.
    Empty where nobody told it. -#}
{% macro timezone_of_settings() -%}
    {{ return(env_var('LLM_USAGE_TIMEZONE', '') if execute else '') }}
{%- endmacro %}
