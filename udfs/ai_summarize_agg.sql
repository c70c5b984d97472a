/*
summary = "The summary of the texts of a group; texts that do not fit the model at once are read in parts, all of them."
args = [
    ["texts", "VARCHAR", "a text of each row"],
]
options = ["max_words", "max_tokens", "language_model", "on_error", "on_blank"]
returns = "VARCHAR"
answer = "summarize.bind_summarize_agg"
kind = "aggregate"
language_model = true
nulls = "NULL texts are left out; a group without any gives NULL"
example = "SELECT ai_summarize_agg(body) FROM (VALUES ('the lamp is fine'), ('the lamp broke')) t(body)"
*/
