/*
summary = "How well a text meets a criterion, 0 to 1."
args = [
    "text",
    ["criteria", "VARCHAR", "the criterion, e.g. 'urgent'"],
]
options = ["model", "on_error", "on_blank"]
quoted = ["criteria"]
returns = "DOUBLE"
answer = "score.bind"
example = "SELECT ai_score('HELP, it is burning', 'urgent')"
*/
