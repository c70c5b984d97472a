/*
summary = "Values out of a text: a STRUCT with a field for each question."
args = [
    "text",
    ["schema", "STRUCT, VARCHAR[] or VARCHAR", "{'field': 'question'}, a list of names, a SQL type such as 'STRUCT(name VARCHAR, age INTEGER)', or JSON Schema; a constant (for one that differs from row to row see ai_extract_json)"],
]
options = ["instructions", "verbatim", "max_tokens", "language_model", "on_error", "on_blank"]
returns = "VARCHAR"
answer = "extract.bind"
language_model = true
typed = true
nulls = "NULL text gives NULL; a field that the text does not answer is NULL"
example = "SELECT ai_extract('Ann, 41, from Oslo', {'name': 'Who is it?', 'town': 'Where from?'}).town"
# left([schema]…, 0) is the empty text. With it DuckDB waits for the call to ask whether the structure is a constant;
# without it, it asks when the macro is made.
*/
CREATE MACRO ai_extract(text, schema, instructions := NULL, verbatim := NULL, max_tokens := NULL, model := NULL, on_error := NULL, on_blank := NULL) AS
    from_json(system.main.ai_extract(text, schema, {'instructions': instructions, 'verbatim': verbatim, 'max_tokens': max_tokens, 'model': model, 'on_error': on_error, 'on_blank': on_blank, 'statement': hash(txid_current(), current_query())}), concat(left([schema]::VARCHAR, 0), system.main._inlay_structure(schema)));
