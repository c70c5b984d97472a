/*
summary = "A text in another language."
args = [
    "text",
    ["language", "VARCHAR", "the language to translate to, in words: 'German'"],
]
options = [
    ["source", "VARCHAR", "NULL", "the language of the text; default: the model decides"],
    "max_tokens",
    "language_model",
    "on_error",
    "on_blank",
]
quoted = ["language"]
returns = "VARCHAR"
answer = "rewrite.bind_translate"
blank = "same"
language_model = true
example = "SELECT ai_translate('Good morning', 'German')"
*/
