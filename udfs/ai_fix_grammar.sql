/*
summary = "A text with its mistakes of spelling and grammar mended, and nothing else changed."
args = [
    ["text", "VARCHAR", "the text"],
]
options = [
    ["max_tokens", "INTEGER", "NULL", "tokens that a reply may have; NULL means the model's max_output_tokens"],
    ["model", "VARCHAR", "NULL", "registered language model; NULL means language_model of the settings, or the default"],
    ["on_error", "VARCHAR", "NULL", "'null': a failed row is NULL and listed in inlay_errors(); 'raise': the statement stops"],
]
returns = "VARCHAR"
language_model = true
nulls   = "NULL in any argument gives NULL; no model call"
pure    = true
cost    = "tokens"
errors  = ["UnknownModelError", "CannotServeError", "RowsFailedError"]
example = "SELECT ai_fix_grammar('He go home yesterday')"
*/
CREATE MACRO ai_fix_grammar(text, max_tokens := NULL, model := NULL, on_error := NULL) AS
    system.main.ai_fix_grammar(text, {'max_tokens': max_tokens, 'model': model, 'on_error': on_error, 'statement': hash(txid_current(), current_query())});
