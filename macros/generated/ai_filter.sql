{#- Written by `make docs` from udfs/ai_filter.sql; edit there. -#}
{#- ai_filter(text, predicate, threshold=none, examples=none, recall=none, precision=none, accuracy=none,
    calibration=none, probability=none, proxy=none, model=none, on_error=none, on_blank=none): SQL expression of type
    BOOLEAN. -#}
{% macro ai_filter(
    text, predicate, threshold=none, examples=none, recall=none, precision=none, accuracy=none, calibration=none,
    probability=none, proxy=none, model=none, on_error=none, on_blank=none
) -%}
    {{ return(adapter.dispatch('ai_filter', 'inlay')(
        text, predicate, threshold=threshold, examples=examples, recall=recall, precision=precision, accuracy=accuracy,
        calibration=calibration, probability=probability, proxy=proxy, model=model, on_error=on_error, on_blank=on_blank
    )) }}
{%- endmacro %}

{% macro default__ai_filter(
    text, predicate, threshold=none, examples=none, recall=none, precision=none, accuracy=none, calibration=none,
    probability=none, proxy=none, model=none, on_error=none, on_blank=none
) -%}
    {{ return(inlay._unsupported('ai_filter')) }}
{%- endmacro %}

{% macro duckdb__ai_filter(
    text, predicate, threshold=none, examples=none, recall=none, precision=none, accuracy=none, calibration=none,
    probability=none, proxy=none, model=none, on_error=none, on_blank=none
) -%}
    {%- set arguments = [text, inlay._sql_option('ai_filter', 'predicate', predicate)] -%}
    {%- set options = {
        'threshold': threshold, 'examples': examples, 'recall': recall, 'precision': precision, 'accuracy': accuracy,
        'calibration': calibration, 'probability': probability, 'proxy': proxy, 'model': model, 'on_error': on_error,
        'on_blank': on_blank
    } -%}
    {{ return(inlay._call('ai_filter', arguments, options)) }}
{%- endmacro %}
