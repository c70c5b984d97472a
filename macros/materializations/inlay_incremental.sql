{#- materialized='inlay_incremental': a table that is brought up to date by unique_key.

    The model is written as one whole SELECT, without is_incremental(). Every run evaluates all of it: answers that are
    known come from the result store, so that only new, edited and formerly failed rows reach a model, and a change of
    other columns reaches none. Rows that differ from the table replace what is there, in one transaction.

    config: unique_key (needed); on_schema_change; on_change, what happens when the model's calls changed since it was
    last built (labels, prompts, options, arguments, or the foundation model behind them):
      'backfill'  every row gets the new call's answer (default)
      'append'    rows that are there stay as they are, from now until a --full-refresh; rows with a new unique_key
                  get the new call's answer
      'fail'      the run stops, before anything is inferred
    In the stored form, which needs no inlay, nobody knows what a table was built with: there only 'backfill' works. -#}
{% materialization inlay_incremental, adapter='duckdb', supported_languages=['sql'] %}
    {%- set unique_key = config.get('unique_key') -%}
    {%- set keys = [unique_key] if unique_key is string else unique_key -%}
    {%- set on_change = config.get('on_change', 'backfill') -%}
    {%- if not keys -%}
        {%- do exceptions.raise_compiler_error(
            "inlay_incremental: '" ~ model.name ~ "' has no unique_key. Name the column, or list of columns, that tells "
            ~ "its rows apart: config(unique_key='id')."
        ) -%}
    {%- endif -%}
    {%- if on_change not in ['backfill', 'append', 'fail'] -%}
        {%- do exceptions.raise_compiler_error(
            "inlay_incremental: on_change of '" ~ model.name ~ "' is '" ~ on_change
            ~ "'; it must be 'backfill', 'append' or 'fail'."
        ) -%}
    {%- endif -%}
    {%- set is_stored = var('inlay_form', 'call') == 'stored' -%}
    {%- if is_stored and on_change != 'backfill' -%}
        {%- do exceptions.raise_compiler_error(
            "inlay_incremental: on_change of '" ~ model.name ~ "' is '" ~ on_change ~ "', which needs inlay's plugin: "
            ~ "the stored form cannot tell what the table was built with. Build it with the plugin, or set "
            ~ "on_change='backfill'."
        ) -%}
    {%- endif -%}
    {%- set on_schema_change = incremental_validate_on_schema_change(config.get('on_schema_change'), default='ignore') -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set rebuild = existing is none or existing.is_view or should_full_refresh() -%}
    {%- set place = run_query(
        "select coalesce(path, database_name) from duckdb_databases() where database_name = "
        ~ inlay._sql_string(this.database)
    ).rows[0][0] -%}
    {%- set relation = inlay._sql_string(place ~ ' ' ~ this.schema ~ '.' ~ this.identifier) -%}
    {%- set calls, before = none, none -%}
    {%- if not is_stored -%}
        {%- set calls = run_query("select system.main._inlay_calls(" ~ inlay._sql_string(compiled_code) ~ ")").rows[0][0] -%}
        {%- set before = run_query("select system.main._inlay_built_with(" ~ relation ~ ", null)").rows[0][0] -%}
    {%- endif -%}
    {%- set changed = not rebuild and before and before != calls -%}
    {%- if changed and on_change == 'fail' -%}
        {%- do exceptions.raise_compiler_error(
            "inlay_incremental: what '" ~ model.name ~ "' asks of its models is not what the table was built with "
            ~ "(labels, options, arguments or the model itself changed), and on_change is 'fail'. Nothing was inferred. "
            ~ "To answer every row anew: dbt run --full-refresh -s " ~ model.name ~ ". To keep old rows as they are: "
            ~ "on_change='append'."
        ) -%}
    {%- endif -%}
    {%- set append = changed and on_change == 'append' -%}
    {#- One struct, because NULL is a value like any other in there: with NULL among the keys, a plain NOT IN would find
        no row new, and IN no row to replace. -#}
    {%- set parts = [] -%}
    {%- for column in keys -%}
        {%- do parts.append("'k" ~ loop.index ~ "': " ~ column) -%}
    {%- endfor -%}
    {%- set key = '{' ~ parts | join(', ') ~ '}' -%}
    {%- set is_new = key ~ ' not in (select ' ~ key ~ ' from ' ~ target_relation ~ ')' -%}
    {%- set sql_to_run = compiled_code -%}
    {%- if append -%}
        {%- set sql_to_run = run_query(
            "select system.main._inlay_guarded(" ~ inlay._sql_string(compiled_code) ~ ", " ~ inlay._sql_string(is_new) ~ ")"
        ).rows[0][0] -%}
    {%- endif -%}

    {%- set intermediate = make_intermediate_relation(target_relation) -%}
    {%- set backup = make_backup_relation(target_relation, 'table' if existing is none else existing.type) -%}
    {%- do drop_relation_if_exists(load_cached_relation(intermediate)) -%}
    {%- do drop_relation_if_exists(load_cached_relation(backup)) -%}
    {%- set grant_config = config.get('grants') -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- if rebuild -%}
        {%- call statement('main') -%}
            {{ create_table_as(False, intermediate if existing is not none else target_relation, sql_to_run) }}
        {%- endcall -%}
        {%- if existing is not none -%}
            {%- do adapter.rename_relation(existing, backup) -%}
            {%- do adapter.rename_relation(intermediate, target_relation) -%}
        {%- endif -%}
        {%- do create_indexes(target_relation) -%}
    {%- else -%}
        {%- set fresh = make_temp_relation(target_relation) -%}
        {%- do run_query(create_table_as(True, fresh, sql_to_run)) -%}
        {#- DuckDB casts a STRUCT to another by the names of its fields, and drops those that the other has not. -#}
        {%- set built = {} -%}
        {%- for column in adapter.get_columns_in_relation(existing) -%}
            {%- do built.update({column.name: column.data_type}) -%}
        {%- endfor -%}
        {%- for column in adapter.get_columns_in_relation(fresh) if on_schema_change != 'sync_all_columns' -%}
            {%- set before_type = built.get(column.name, column.data_type) -%}
            {%- if before_type != column.data_type and 'STRUCT(' in before_type ~ column.data_type -%}
                {%- do exceptions.raise_compiler_error(
                    "inlay_incremental: column '" ~ column.name ~ "' of '" ~ model.name ~ "' is " ~ before_type
                    ~ " in the table and " ~ column.data_type ~ " now; new fields would be lost. The new answers are "
                    ~ "stored: dbt run --full-refresh -s " ~ model.name ~ " builds the table from them. To keep rows "
                    ~ "that left the source: on_schema_change='sync_all_columns'."
                ) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- do adapter.expand_target_column_types(from_relation=fresh, to_relation=target_relation) -%}
        {%- set columns = process_schema_changes(on_schema_change, fresh, existing) -%}
        {%- if not columns -%}
            {%- set columns = adapter.get_columns_in_relation(existing) -%}
        {%- endif -%}
        {%- set names = columns | map(attribute='quoted') | join(', ') -%}
        {%- call statement('main') -%}
            {%- if not append %}
            create or replace temp table {{ fresh.identifier }}__changed as
                select {{ names }} from {{ fresh }} except all select {{ names }} from {{ target_relation }};
            delete from {{ target_relation }} where {{ key }} in (select {{ key }} from {{ fresh.identifier }}__changed);
            insert into {{ target_relation }} ({{ names }}) select {{ names }} from {{ fresh }}
                where {{ key }} in (select {{ key }} from {{ fresh.identifier }}__changed);
            drop table {{ fresh.identifier }}__changed;
            {%- else %}
            insert into {{ target_relation }} ({{ names }}) select {{ names }} from {{ fresh }} where {{ is_new }};
            {%- endif %}
        {%- endcall -%}
    {%- endif -%}

    {%- do apply_grants(target_relation, grant_config, should_revoke=should_revoke(existing, rebuild)) -%}
    {%- do persist_docs(target_relation, model) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {%- do drop_relation_if_exists(load_cached_relation(backup)) -%}
    {#- After an append the table still holds the old call's answers: it stays in append mode until it is rebuilt. -#}
    {%- if not append and not is_stored -%}
        {%- do run_query("select system.main._inlay_built_with(" ~ relation ~ ", " ~ inlay._sql_string(calls) ~ ")") -%}
    {%- endif -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
