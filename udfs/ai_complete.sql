/*
summary = "What a language model replies to a prompt."
args = [
    ["prompt", "VARCHAR", "the user's part of the prompt"],
]
options = [
    ["system", "VARCHAR", "NULL", "what stands before the prompt as the system's part"],
    ["schema", "VARCHAR, VARCHAR[] or STRUCT", "NULL", "the reply is JSON of this schema, as ai_extract takes it: fields with questions, names, a SQL type or JSON Schema"],
    ["max_tokens", "INTEGER", "NULL", "tokens that a reply may have; NULL means the model's max_output_tokens"],
    ["temperature", "DOUBLE", "NULL", "0 (default): always the likeliest token; above it replies are drawn"],
    ["stop", "VARCHAR or VARCHAR[]", "NULL", "texts that end a reply"],
    ["seed", "INTEGER", "NULL", "of the draws; 0 by default"],
    ["model", "VARCHAR", "NULL", "registered language model; NULL means language_model of the settings, or the default"],
    ["on_error", "VARCHAR", "NULL", "'null': a failed row is NULL and listed in inlay_errors(); 'raise': the statement stops"],
]
returns = "VARCHAR"
language_model = true
nulls   = "NULL in any argument gives NULL; no model call"
pure    = true
cost    = "tokens"
errors  = ["UnknownModelError", "CannotServeError", "RowsFailedError"]
example = "SELECT ai_complete('Name a colour.', max_tokens := 5)"
*/
CREATE MACRO ai_complete(prompt, system := NULL, schema := NULL, max_tokens := NULL, temperature := NULL, stop := NULL, seed := NULL, model := NULL, on_error := NULL) AS
    system.main.ai_complete(prompt, {'system': system, 'schema': schema, 'max_tokens': max_tokens, 'temperature': temperature, 'stop': stop, 'seed': seed, 'model': model, 'on_error': on_error, 'statement': hash(txid_current(), current_query())});
