/*
summary = "A vector for a text."
args = [
    ["text", "VARCHAR", "the text"],
]
options = [
    ["task", "VARCHAR", "NULL", "'document' (default) or 'query': which of the model's prompts to put before the text"],
    ["model", "VARCHAR", "NULL", "registered model; NULL means the configured default"],
    ["on_error", "VARCHAR", "NULL", "'null': a failed row is NULL and listed in inlay_errors(); 'raise': the statement stops"],
]
returns = "FLOAT[]"
nulls   = "NULL in any argument gives NULL; no model call"
pure    = true
cost    = "tokens"
errors  = ["UnknownModelError", "CannotServeError", "RowsFailedError"]
example = "SELECT ai_embed('hello')::FLOAT[384]"
*/
CREATE MACRO ai_embed(text, task := NULL, model := NULL, on_error := NULL) AS
    system.main.ai_embed(text, {'task': task, 'model': model, 'on_error': on_error, 'statement': hash(txid_current(), current_query())});
