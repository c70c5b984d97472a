/*
summary = "A text in fewer words; a text that is too long for the model is read in parts, all of it."
args = [
    ["text", "VARCHAR", "the text"],
]
options = [
    ["max_words", "INTEGER", "NULL", "about how many words; NULL leaves it to the model"],
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
example = "SELECT ai_summarize('The parcel came late, the box was torn, and one cup was broken.', max_words := 5)"
*/
CREATE MACRO ai_summarize(text, max_words := NULL, max_tokens := NULL, model := NULL, on_error := NULL) AS
    system.main.ai_summarize(text, {'max_words': max_words, 'max_tokens': max_tokens, 'model': model, 'on_error': on_error, 'statement': hash(txid_current(), current_query())});
