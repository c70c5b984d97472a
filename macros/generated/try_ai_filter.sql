{#- Written by `make docs` from udfs/ai_filter.sql; edit there. -#}
{#- try_ai_filter(text, predicate, threshold=none, examples=none, recall=none, precision=none, accuracy=none,
    calibration=none, probability=none, proxy=none, model=none, on_error=none, on_blank=none): SQL expression of type
    STRUCT(value BOOLEAN, error VARCHAR, confidence DOUBLE, model VARCHAR, cached BOOLEAN). -#}
{% macro try_ai_filter(
    text, predicate, threshold=none, examples=none, recall=none, precision=none, accuracy=none, calibration=none,
    probability=none, proxy=none, model=none, on_error=none, on_blank=none
) -%}
    {{ return(adapter.dispatch('try_ai_filter', 'inlay')(
        text, predicate, threshold=threshold, examples=examples, recall=recall, precision=precision, accuracy=accuracy,
        calibration=calibration, probability=probability, proxy=proxy, model=model, on_error=on_error, on_blank=on_blank
    )) }}
{%- endmacro %}

{% macro default__try_ai_filter(
    text, predicate, threshold=none, examples=none, recall=none, precision=none, accuracy=none, calibration=none,
    probability=none, proxy=none, model=none, on_error=none, on_blank=none
) -%}
    {{ return(inlay._unsupported('try_ai_filter')) }}
{%- endmacro %}

{% macro duckdb__try_ai_filter(
    text, predicate, threshold=none, examples=none, recall=none, precision=none, accuracy=none, calibration=none,
    probability=none, proxy=none, model=none, on_error=none, on_blank=none
) -%}
    {%- set arguments = [text, inlay._sql_option('try_ai_filter', 'predicate', predicate)] -%}
    {%- set options = {
        'threshold': threshold, 'examples': examples, 'recall': recall, 'precision': precision, 'accuracy': accuracy,
        'calibration': calibration, 'probability': probability, 'proxy': proxy, 'model': model, 'on_error': on_error,
        'on_blank': on_blank
    } -%}
    {{ return(inlay._call('try_ai_filter', arguments, options)) }}
{%- endmacro %}
