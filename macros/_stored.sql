{#- _stored(name, texts, options, setting, is_aggregate): the stored form of a call. Plain SQL over the Parquet files of
    the result store, that any DuckDB reads without Python; NULL where nothing is stored. `inlay infer` computes what is
    missing. Which files: <store>/calls/<md5 of the call>.json says so; adapter/inlay/store/calls.py writes the same
    text. The texts of a group are one input: the JSON list that the SQL function's own macro in udfs/ makes of them. -#}
{% macro _stored(name, texts, options, setting, is_aggregate) -%}
    {%- set store = var('inlay_store', env_var('INLAY_STORE', '')) -%}
    {%- if not store -%}
        {%- do exceptions.raise_compiler_error(
            "inlay." ~ name ~ ": the stored form needs to know the store. Set the var inlay_store, or INLAY_STORE, to "
            ~ "its folder or address; from another folder than dbt's, an absolute path."
        ) -%}
    {%- endif -%}
    {%- set setting_name, given = setting or ('', none) -%}
    {%- if setting_name == 'labels' and given is string -%}
        {%- do exceptions.raise_compiler_error(
            "inlay." ~ name ~ ": labels is the SQL expression '" ~ given ~ "'; the stored form needs a list in Jinja."
        ) -%}
    {%- endif -%}
    {%- set function = name[4:] if name.startswith('try_') else name -%}
    {%- set said = {} -%}
    {%- for option, value in options.items() if value is not none and option != 'on_error' -%}
        {#- The order of a mapping's fields matters, and the call's own keys are sorted: so it stands there as text. -#}
        {%- set value = value | float if value is number else tojson(value) if value is mapping else value -%}
        {%- do said.update({option: value}) -%}
    {%- endfor -%}
    {%- set asked = tojson(given) if given is mapping else given -%}
    {%- if given is not none and given is not string and given is not mapping -%}
        {%- set asked = [] -%}
        {%- for entry in given -%}
            {%- do asked.append([entry.label, entry.get('description')] if entry is mapping else [entry, none]) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- set call = tojson([function, asked, said], sort_keys=true) -%}
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
        {%- if is_aggregate and loop.first -%}
            {%- set text = 'to_json(list(' ~ text ~ ' order by ' ~ text ~ ') filter (where (' ~ text ~ ') is not null))' -%}
            {%- do digests.append('sha256((' ~ text ~ ')::varchar)') -%}
        {%- else -%}
            {%- do digests.append('sha256((' ~ text ~ ')::varchar)') -%}
        {%- endif -%}
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
    {%- if not name.startswith('try_') -%}
        {{ return('(select any_value(_inlay_value)' ~ where) }}
    {%- endif -%}
    {%- set confidence = '_inlay_confidence' if 'confidence' in stored.columns else 'null::double' -%}
    {%- set scores = "'scores': _inlay_scores, " if 'scores' in stored.columns else '' -%}
    {%- set model_name = inlay._sql_string(stored.model) -%}
    {%- set found = "(select any_value({'value': _inlay_value, 'error': null::varchar, 'confidence': " ~ confidence ~ ', '
        ~ scores ~ "'model': " ~ model_name ~ ", 'cached': true})" ~ where -%}
    {%- set unknown = "{'value': null, 'error': 'not in the result store; type: inlay infer', 'confidence': null, "
        ~ ("'scores': null, " if scores else '') ~ "'model': " ~ model_name ~ ", 'cached': false}" -%}
    {{ return('case when ' ~ key ~ ' is not null then coalesce(' ~ found ~ ', ' ~ unknown ~ ') end') }}
{%- endmacro %}
