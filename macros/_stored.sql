{#-
description = "A lookup of stored answers in plain SQL. Reads the var inlay_store, or INLAY_STORE."
arguments = [
    ["name", "string", "name of the SQL function"],
    ["texts", "list[string]", "SQL expressions, in order"],
    ["options", "dict[string, any]", "Jinja values by option name"],
    ["setting", "optional[list[any]]", "'labels', 'schema' or 'aspects', and its value; none where the function has no such argument"],
    ["is_aggregate", "bool", "whether the first text is one of each row of a group"],
    ["blank", "string", "what a blank text gives: 'null', 'same' or 'ask'"],
]
-#}
{#- Plain SQL over the Parquet files of the result store, that any DuckDB reads without Python; NULL where nothing is
    stored. `inlay infer` computes what is missing. Which files: <store>/calls/<md5 of the call's text>.json says so
    (see _call_text).
    An aggregate's texts are one input: the JSON list that the function's own SQL macro makes of a group's. -#}
{% macro _stored(name, texts, options, setting, is_aggregate, blank) -%}
    {%- set store = var('inlay_store', env_var('INLAY_STORE', '')) -%}
    {%- if not store -%}
        {%- do exceptions.raise_compiler_error(
            "inlay." ~ name ~ ": the stored form needs to know the store. Set the var inlay_store, or INLAY_STORE, to "
            ~ "its folder or address; from another folder than dbt's, an absolute path."
        ) -%}
    {%- endif -%}
    {%- if setting is not none and setting[0] == 'labels' and setting[1] is string -%}
        {%- do exceptions.raise_compiler_error(
            "inlay." ~ name ~ ": labels is the SQL expression '" ~ setting[1] ~ "'; the stored form needs a list in Jinja."
        ) -%}
    {%- endif -%}
    {%- set call = inlay._call_text(name, options, setting) -%}
    {%- set file = inlay._sql_string(store ~ '/calls/' ~ local_md5(call) ~ '.json') -%}
    {%- if not run_query("select count(*) from glob(" ~ file ~ ")").rows[0][0] -%}
        {%- do exceptions.raise_compiler_error(
            "inlay." ~ name ~ " in '" ~ model.name ~ "': the store " ~ store ~ " has no answers to this call: " ~ call
            ~ ". Type, where inlay is installed: inlay infer --store " ~ store
        ) -%}
    {%- endif -%}
    {%- set stored = fromjson(run_query("select content from read_text(" ~ file ~ ")").rows[0][0]) -%}
    {%- set digests = [] -%}
    {%- for text in texts -%}
        {%- set input = '(' ~ text ~ ')' -%}
        {%- if is_aggregate and loop.first -%}
            {%- set input = 'to_json(list(' ~ input ~ ' order by ' ~ input ~ ') filter (where ' ~ input
                ~ ' is not null))' -%}
        {%- endif -%}
        {%- do digests.append('sha256(' ~ input ~ '::varchar)') -%}
    {%- endfor -%}
    {%- set key = digests[0] if digests | length == 1 else 'sha256(' ~ digests | join(' || ') ~ ')' -%}
    {#- Inside the subquery only names that begin with _inlay are added, so a column `key` or `value` of the model keeps
        its meaning. any_value, because two processes may have stored one key twice. -#}
    {%- set columns = [] -%}
    {%- for column in ['key'] + stored.columns -%}
        {%- do columns.append(column ~ ' as _inlay_' ~ column) -%}
    {%- endfor -%}
    {%- set source = '(select ' ~ columns | join(', ') ~ ' from read_parquet('
        ~ inlay._sql_string(store ~ '/results/' ~ stored.shelf ~ '/*.parquet') ~ '))' -%}
    {%- set where = ' from ' ~ source ~ ' where _inlay_key = unhex(' ~ key ~ '))' -%}
    {#- Answers that were stored to blank texts, by an earlier version, are not looked up. -#}
    {%- set blanks = [] -%}
    {%- if 'ask' not in [blank, stored.blank] and options.on_blank != 'answer' -%}
        {%- for text in (texts if blank == 'null' else texts[:1]) -%}
            {%- do blanks.append(inlay._is_blank(text, is_aggregate and loop.first)) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- set is_blank = '(case when ' ~ (blanks or ['false']) | join(' or ') ~ ' then ' -%}
    {%- set returned = '(' ~ texts[0] ~ ')::varchar' if blank == 'same' else 'null' -%}
    {%- if not name.startswith('try_') -%}
        {%- set value = '(select any_value(_inlay_value)' ~ where -%}
        {%- if blanks -%}
            {%- set value = is_blank ~ returned ~ ' else ' ~ value ~ ' end)' -%}
        {%- endif -%}
        {#- Of ai_extract JSON is stored, and the type that its schema has in DuckDB is known to Python alone. -#}
        {{ return('from_json(' ~ value ~ ', ' ~ inlay._sql_string(stored.structure) ~ ')' if stored.structure else value) }}
    {%- endif -%}
    {%- set confidence = '_inlay_confidence' if 'confidence' in stored.columns else 'null::double' -%}
    {%- set scores = "'scores': _inlay_scores, " if 'scores' in stored.columns else '' -%}
    {%- set model_name = inlay._sql_string(stored.model) -%}
    {%- set found = "(select any_value({'value': _inlay_value, 'error': null::varchar, 'confidence': " ~ confidence ~ ', '
        ~ scores ~ "'model': " ~ model_name ~ ", 'cached': true})" ~ where -%}
    {%- set unknown = "{'value': null, 'error': 'not in the result store; type: inlay infer', 'confidence': null, "
        ~ ("'scores': null, " if scores else '') ~ "'model': " ~ model_name ~ ", 'cached': false}" -%}
    {%- if blank == 'same' -%}
        {%- set returned = "{'value': " ~ returned ~ ", 'error': null, 'confidence': null, 'model': " ~ model_name
            ~ ", 'cached': true}" -%}
    {%- endif -%}
    {{ return((is_blank ~ returned if blanks else '(case') ~ ' when ' ~ key ~ ' is not null then coalesce(' ~ found ~ ', '
        ~ unknown ~ ') end)') }}
{%- endmacro %}
