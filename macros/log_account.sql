{#-
description = "For on-run-end: prints one line per function with rows, distinct inputs, known, inferred, failed, tokens, seconds and device of this run, then why inputs failed. --no-print silences it. Says nothing when no model was asked, and does nothing on compile, show, docs generate or a target without inlay."
arguments = []
-#}
{#- print, not log: it is a result of the run, so it shows under --quiet too. -#}
{% macro log_account() -%}
    {{ return(adapter.dispatch('log_account', 'inlay')()) }}
{%- endmacro %}

{#- Not a refusal: a project keeps its on-run-end line when it runs on a target where inlay does nothing. -#}
{% macro default__log_account() -%}
    {{ return('') }}
{%- endmacro %}

{% macro duckdb__log_account() -%}
    {%- if not execute or flags.WHICH not in ['build', 'run', 'test', 'snapshot', 'retry', 'run-operation'] -%}
        {{ return('') }}
    {%- endif -%}
    {%- if var('inlay_form', 'call') == 'stored' -%}
        {{ return('') }}
    {%- endif -%}
    {%- set prefix = var('inlay_prefix', '') -%}
    {%- set attached = run_query(
        "select count(*) from duckdb_functions() where function_name = " ~ inlay._sql_string(prefix ~ 'inlay_ledger')
    ) -%}
    {%- if not attached.rows[0][0] -%}
        {%- do print("inlay: not attached; add `plugins: [{module: inlay.dbt_plugin}]` to the profile.") -%}
        {{ return('') }}
    {%- endif -%}
    {%- set account = run_query(
        "select function, sum(rows)::bigint, sum(distinct_inputs)::bigint, sum(known)::bigint, sum(inferred)::bigint, "
        ~ "sum(failed)::bigint, sum(tokens)::bigint, round(sum(seconds), 1)::double, "
        ~ "coalesce(string_agg(distinct nullif(device, ''), ', ' order by nullif(device, '')), '-') "
        ~ "from " ~ prefix ~ "inlay_ledger() group by function order by function"
    ) -%}
    {%- set rows = [] -%}
    {%- for row in account.rows -%}
        {%- set values = [row[0]] -%}
        {%- for index in range(1, 7) -%}{%- do values.append(row[index] | int) -%}{%- endfor -%}
        {%- do values.append('%.1f' | format(row[7])) -%}
        {%- do values.append(row[8]) -%}
        {%- do rows.append(values) -%}
    {%- endfor -%}
    {%- if not rows -%}
        {{ return('') }}
    {%- endif -%}
    {%- do print("inlay: what this run asked of the models") -%}
    {%- set columns = ['function', 'rows', 'distinct', 'known', 'inferred', 'failed', 'tokens', 'seconds', 'device'] -%}
    {%- for line in inlay._text_table(columns, rows) -%}
        {%- do print("  " ~ line) -%}
    {%- endfor -%}
    {%- if rows | sum(attribute=5) -%}
        {%- set failures = run_query(
            "select function, error, count(*) from " ~ prefix ~ "inlay_errors() group by all order by 3 desc limit 5"
        ) -%}
        {%- for failure in failures.rows -%}
            {%- do print("  no answer: " ~ failure[2] | int ~ " x " ~ failure[0] ~ ": " ~ failure[1]) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return('') }}
{%- endmacro %}
