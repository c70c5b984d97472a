/*
summary = "A vector for a text."
args = ["text"]
options = [
    ["task", "VARCHAR", "NULL", "'document' (default) or 'query': which of the model's prompts to put before the text"],
    "model",
    "on_error",
    "on_blank",
]
returns = "FLOAT[]"
answer = "embed.bind"
example = "SELECT ai_embed('hello')::FLOAT[384]"
*/
