/*
summary = "Values out of a text, as JSON; the schema may differ from row to row."
args = [
    "text",
    ["schema", "STRUCT, VARCHAR[] or VARCHAR", "as of ai_extract"],
]
options = ["instructions", "verbatim", "max_tokens", "language_model", "on_error", "on_blank"]
returns = "VARCHAR"
answer = "extract.bind"
language_model = true
nulls = "NULL text gives NULL; a field that the text does not answer is null"
example = "SELECT ai_extract_json('Ann, 41, from Oslo', ['name', 'town'])"
*/
