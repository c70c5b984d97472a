{#- materialized='inlay_head': a head that is trained from the rows of the model, and a table of one row about it.

    The model is a SELECT of labelled rows; rows without a label are left out. With labels=[…] in the place of label it
    is a SELECT of texts, towards which the labels move once (inlay_labels). With call="ai_classify(body, ['bug', 'no'])"
    in the place of text it calibrates that call (inlay_calibrate), which then says calibration=ref('…'). Calls in other
    models say inlay.ai_predict('body', ref('intents')), or model='head:intents' (and ref() in a comment, so that dbt
    knows the order). A head is trained again only where its rows, or what is said of them here, have changed.

    config: text and label, and numeric, categorical, group, kind, levels, method, class_weight, merge_rare, names, model,
    as of inlay_train; or text and labels, and template, model, as of inlay_labels; or call and label, and group, as of
    inlay_calibrate. The head has the name of the model's table. -#}
{% materialization inlay_head, adapter='duckdb', supported_languages=['sql'] %}
    {%- if var('inlay_form', 'call') == 'stored' -%}
        {%- do exceptions.raise_compiler_error(
            "inlay_head: '" ~ model.name ~ "' trains a head, which needs inlay's plugin; the stored form has none. "
            ~ "Build it where inlay is installed, and leave it out here: --exclude config.materialized:inlay_head."
        ) -%}
    {%- endif -%}
    {%- set given = [] -%}
    {%- set labels, call = config.get('labels'), config.get('call') -%}
    {%- set needed = ['label'] if call else ['text'] if labels else ['text', 'label'] -%}
    {%- for option in needed if not config.get(option) -%}
        {%- do exceptions.raise_compiler_error(
            "inlay_head: '" ~ model.name ~ "' does not say which column is the " ~ option ~ ". Type: config("
            ~ "materialized='inlay_head', text='body', label='topic')."
        ) -%}
    {%- endfor -%}
    {%- for option in ['text', 'numeric', 'categorical', 'levels'] if config.get(option) is not none -%}
        {%- set value = config.get(option) -%}
        {%- do given.append(option ~ ' := ' ~ inlay._sql_texts('inlay_head', option, [value] if value is string else value)) -%}
    {%- endfor -%}
    {%- for option in ['label', 'group', 'kind', 'method', 'class_weight', 'merge_rare', 'model']
            if config.get(option) is not none -%}
        {%- do given.append(option ~ ' := ' ~ inlay._sql_string(config.get(option))) -%}
    {%- endfor -%}
    {%- if call -%}
        {%- set given = [] -%}
        {%- for option in ['call', 'label', 'group'] if config.get(option) is not none -%}
            {%- do given.append(option ~ ' := ' ~ inlay._sql_string(config.get(option))) -%}
        {%- endfor -%}
    {%- elif labels -%}
        {%- set given = ['labels := ' ~ inlay._sql_labels('inlay_labels', labels)] -%}
        {%- for option in ['text', 'template', 'model'] if config.get(option) is not none -%}
            {%- do given.append(option ~ ' := ' ~ inlay._sql_string(config.get(option))) -%}
        {%- endfor -%}
    {%- elif config.get('names') is not none -%}
        {%- do given.append('names := ' ~ config.get('names') | string | lower) -%}
    {%- endif -%}

    {%- set existing = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- set labelled = make_temp_relation(target_relation) -%}
    {%- do run_query(create_table_as(True, labelled, compiled_code)) -%}
    {%- set head = run_query(
        'call ' ~ var('inlay_prefix', '') ~ ('inlay_calibrate(' if call else 'inlay_labels(' if labels else 'inlay_train(') ~ inlay._sql_string(this.identifier) ~ ', '
        ~ inlay._sql_string(labelled | string) ~ ', ' ~ given | join(', ') ~ ')'
    ) -%}
    {%- set columns = [] -%}
    {%- for name in head.column_names -%}
        {%- set value = head.rows[0][name] -%}
        {%- if value is none -%}
            {%- do columns.append('null::double as ' ~ name) -%}
        {%- elif value is string -%}
            {%- do columns.append(inlay._sql_string(value) ~ ' as ' ~ name) -%}
        {%- elif value is boolean -%}
            {%- do columns.append((value | string | lower) ~ ' as ' ~ name) -%}
        {%- else -%}
            {%- do columns.append((value | string) ~ ('::bigint' if name in ['rows', 'classes'] else '::double') ~ ' as ' ~ name) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if existing is not none and existing.is_view -%}
        {%- do drop_relation_if_exists(existing) -%}
    {%- endif -%}
    {%- call statement('main') -%}
        create or replace table {{ target_relation }} as select {{ columns | join(', ') }};
    {%- endcall -%}
    {%- do run_query('drop table ' ~ labelled) -%}
    {%- do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(existing, true)) -%}
    {%- do persist_docs(target_relation, model) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
