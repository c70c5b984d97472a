/*
summary = "What the texts of a group together answer; texts that do not fit the model at once are read in parts, all of them."
args = [
    ["texts", "VARCHAR", "a text of each row"],
    ["instruction", "VARCHAR", "what to say of them all, e.g. 'What do customers ask for most?'"],
]
options = ["max_tokens", "language_model", "on_error", "on_blank"]
quoted = ["instruction"]
returns = "VARCHAR"
answer = "summarize.bind_agg"
kind = "aggregate"
language_model = true
nulls = "NULL texts are left out; a group without any gives NULL"
example = "SELECT ai_agg(body, 'Which product is named most?') FROM (VALUES ('the lamp is fine'), ('the lamp broke')) t(body)"
*/
