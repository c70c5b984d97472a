/*
summary = "How many tokens the model reads for a text, special tokens included, before any cut."
args = [
    ["text", "VARCHAR", "the text"],
]
options = [
    ["model", "VARCHAR", "NULL", "registered model; NULL means the configured default"],
    ["on_error", "VARCHAR", "NULL", "'null': a failed row is NULL and listed in inlay_errors(); 'raise': the statement stops"],
]
returns = "INTEGER"
nulls   = "NULL in any argument gives NULL; no model call"
pure    = true
cost    = "cpu"
errors  = ["UnknownModelError", "CannotServeError", "RowsFailedError"]
example = "SELECT ai_count_tokens('hello world')"
*/
CREATE MACRO ai_count_tokens(text, model := NULL, on_error := NULL) AS
    system.main.ai_count_tokens(text, {'model': model, 'on_error': on_error, 'statement': hash(txid_current(), current_query())});
