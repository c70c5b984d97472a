/*
summary = "What the texts of a group together answer; texts that do not fit the model at once are read in parts, all of them."
args = [
    ["texts", "VARCHAR", "a text of each row"],
    ["instruction", "VARCHAR", "what to say of them all, e.g. 'What do customers ask for most?'"],
]
options = [
    ["max_tokens", "INTEGER", "NULL", "tokens that a reply may have; NULL means the model's max_output_tokens"],
    ["model", "VARCHAR", "NULL", "registered language model; NULL means language_model of the settings, or the default"],
    ["on_error", "VARCHAR", "NULL", "'null': a failed row is NULL and listed in inlay_errors(); 'raise': the statement stops"],
]
returns = "VARCHAR"
kind    = "aggregate"
language_model = true
nulls   = "NULL texts are left out; a group without any gives NULL"
pure    = true
cost    = "tokens"
errors  = ["UnknownModelError", "CannotServeError", "RowsFailedError"]
example = "SELECT ai_agg(body, 'Which product is named most?') FROM (VALUES ('the lamp is fine'), ('the lamp broke')) t(body)"
*/
CREATE MACRO ai_agg(texts, instruction, max_tokens := NULL, model := NULL, on_error := NULL) AS
    system.main.ai_agg(to_json(list(texts ORDER BY texts) FILTER (WHERE texts IS NOT NULL))::VARCHAR, instruction, {'max_tokens': max_tokens, 'model': model, 'on_error': on_error, 'statement': hash(txid_current(), current_query())});
