{#- Written by `make docs` from udfs/ai_complete.sql; edit there. -#}
{#- try_ai_complete(prompt, system=none, schema=none, max_tokens=none, temperature=none, stop=none, seed=none,
    model=none, on_error=none): SQL expression of type STRUCT(value VARCHAR, error VARCHAR, confidence DOUBLE, model
    VARCHAR, cached BOOLEAN). -#}
{% macro try_ai_complete(
    prompt, system=none, schema=none, max_tokens=none, temperature=none, stop=none, seed=none, model=none, on_error=none
) -%}
    {{ return(adapter.dispatch('try_ai_complete', 'inlay')(
        prompt, system=system, schema=schema, max_tokens=max_tokens, temperature=temperature, stop=stop, seed=seed,
        model=model, on_error=on_error
    )) }}
{%- endmacro %}

{% macro default__try_ai_complete(
    prompt, system=none, schema=none, max_tokens=none, temperature=none, stop=none, seed=none, model=none, on_error=none
) -%}
    {{ return(inlay._unsupported('try_ai_complete')) }}
{%- endmacro %}

{% macro duckdb__try_ai_complete(
    prompt, system=none, schema=none, max_tokens=none, temperature=none, stop=none, seed=none, model=none, on_error=none
) -%}
    {%- set arguments = [prompt] -%}
    {%- set options = {
        'system': system, 'schema': schema, 'max_tokens': max_tokens, 'temperature': temperature, 'stop': stop,
        'seed': seed, 'model': model, 'on_error': on_error
    } -%}
    {{ return(inlay._call('try_ai_complete', arguments, options, blank='ask')) }}
{%- endmacro %}
