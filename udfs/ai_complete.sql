/*
summary = "What a language model replies to a prompt."
args = [
    ["prompt", "VARCHAR", "the user's part of the prompt"],
]
options = [
    ["system", "VARCHAR", "NULL", "the system's part of the prompt, before the user's"],
    ["schema", "STRUCT, VARCHAR[] or VARCHAR", "NULL", "the reply is JSON of this schema, as ai_extract takes it: fields with questions, names, a SQL type or JSON Schema"],
    "max_tokens",
    ["temperature", "DOUBLE", "NULL", "0 (default): always the likeliest token; above it replies are drawn"],
    ["stop", "VARCHAR or VARCHAR[]", "NULL", "texts that end a reply"],
    ["seed", "INTEGER", "NULL", "seed of the draws; default 0"],
    "language_model",
    "on_error",
]
returns = "VARCHAR"
answer = "complete.bind"
blank = "ask"
language_model = true
example = "SELECT ai_complete('Name a colour.', max_tokens := 5)"
*/
