{#- Written by `make docs` from udfs/ai_complete.sql; edit there. -#}
{#- ai_complete(prompt, system=none, schema=none, max_tokens=none, temperature=none, stop=none, seed=none, model=none,
    on_error=none): SQL expression of type VARCHAR. -#}
{% macro ai_complete(
    prompt, system=none, schema=none, max_tokens=none, temperature=none, stop=none, seed=none, model=none, on_error=none
) -%}
    {{ return(adapter.dispatch('ai_complete', 'inlay')(
        prompt, system=system, schema=schema, max_tokens=max_tokens, temperature=temperature, stop=stop, seed=seed,
        model=model, on_error=on_error
    )) }}
{%- endmacro %}

{% macro default__ai_complete(
    prompt, system=none, schema=none, max_tokens=none, temperature=none, stop=none, seed=none, model=none, on_error=none
) -%}
    {{ return(inlay._unsupported('ai_complete')) }}
{%- endmacro %}

{% macro duckdb__ai_complete(
    prompt, system=none, schema=none, max_tokens=none, temperature=none, stop=none, seed=none, model=none, on_error=none
) -%}
    {%- set arguments = [prompt] -%}
    {%- set options = {
        'system': system, 'schema': schema, 'max_tokens': max_tokens, 'temperature': temperature, 'stop': stop,
        'seed': seed, 'model': model, 'on_error': on_error
    } -%}
    {{ return(inlay._call('ai_complete', arguments, options, blank='ask')) }}
{%- endmacro %}
