/*
summary = "Values out of a text, as JSON; the schema may differ from row to row."
args = [
    ["text", "VARCHAR", "the text"],
    ["schema", "STRUCT, VARCHAR[] or VARCHAR", "as of ai_extract"],
]
options = [
    ["instructions", "VARCHAR", "NULL", "more to say to the model"],
    ["max_tokens", "INTEGER", "NULL", "tokens that a reply may have; NULL means the model's max_output_tokens"],
    ["model", "VARCHAR", "NULL", "registered language model; NULL means language_model of the settings, or the default"],
    ["on_error", "VARCHAR", "NULL", "'null': a failed row is NULL and listed in inlay_errors(); 'raise': the statement stops"],
]
returns = "VARCHAR"
language_model = true
nulls   = "NULL text gives NULL; a field that the text does not answer is null"
pure    = true
cost    = "tokens"
errors  = ["UnknownModelError", "CannotServeError", "RowsFailedError"]
example = "SELECT ai_extract_json('Ann, 41, from Oslo', ['name', 'town'])"
*/
CREATE MACRO ai_extract_json(text, schema, instructions := NULL, max_tokens := NULL, model := NULL, on_error := NULL) AS
    system.main.ai_extract_json(text, schema, {'instructions': instructions, 'max_tokens': max_tokens, 'model': model, 'on_error': on_error, 'statement': hash(txid_current(), current_query())});
