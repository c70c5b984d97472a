{#-
description = "For a SELECT list: ai_extract with a column for each field of the schema, instead of one STRUCT."
arguments = [
    ["text", "string", "SQL expression of the text"],
    ["schema", "any", "as of ai_extract"],
    ["instructions", "optional[string]", "as of ai_extract"],
    ["max_tokens", "optional[int]", "as of ai_extract"],
    ["model", "optional[string]", "as of ai_extract"],
    ["on_error", "optional[string]", "as of ai_extract"],
    ["on_blank", "optional[string]", "as of ai_extract"],
]
-#}
{% macro ai_extract_columns(text, schema, instructions=none, max_tokens=none, model=none, on_error=none, on_blank=none) -%}
    {{ return(adapter.dispatch('ai_extract_columns', 'inlay')(
        text, schema, instructions=instructions, max_tokens=max_tokens, model=model, on_error=on_error,
        on_blank=on_blank
    )) }}
{%- endmacro %}

{% macro default__ai_extract_columns(text, schema, instructions=none, max_tokens=none, model=none, on_error=none, on_blank=none) -%}
    {{ return(inlay._unsupported('ai_extract_columns')) }}
{%- endmacro %}

{% macro duckdb__ai_extract_columns(text, schema, instructions=none, max_tokens=none, model=none, on_error=none, on_blank=none) -%}
    {%- set extracted = inlay.ai_extract(
        text, schema, instructions=instructions, max_tokens=max_tokens, model=model, on_error=on_error,
        on_blank=on_blank
    ) -%}
    {{ return('unnest(' ~ extracted ~ ')') }}
{%- endmacro %}
