/*
summary = "How well a text meets a criterion, 0 to 1."
args = [
    "text",
    ["criteria", "VARCHAR", "the criterion, e.g. 'urgent'"],
]
options = [
    ["levels", "VARCHAR[]", "NULL", "levels in words, from the lowest to the highest, e.g. ['low', 'mid', 'high']; the score is the expected level, 0 the lowest and 1 the highest"],
    "examples",
    "model",
    "on_error",
    "on_blank",
]
quoted = ["criteria"]
returns = "DOUBLE"
answer = "score.bind"
example = "SELECT ai_score('HELP, it is burning', 'urgent')"
*/
