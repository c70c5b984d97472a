/*
summary = "Several questions about a text, from one reading of it: a STRUCT with value, probability and distribution for each."
args = [
    "text",
    ["questions", "STRUCT or VARCHAR", "{'team': {'choice': ['billing', 'delivery']}, 'urgency': {'levels': ['low', 'high']}, 'refund': 'wants money back'}, or the same as JSON; a constant; see docs/decisions.md"],
]
options = ["model", "on_error", "on_blank"]
returns = "VARCHAR"
answer = "decide.bind"
typed = true
nulls = "NULL text gives NULL; a model behind an endpoint gives no probabilities"
example = "SELECT ai_decide('pay me back at once', {'team': {'choice': ['billing', 'delivery']}}).team.value"
# As in ai_extract: with the empty text DuckDB asks for the type when it knows the questions.
*/
CREATE MACRO ai_decide(text, questions, model := NULL, on_error := NULL, on_blank := NULL) AS
    from_json(system.main.ai_decide(text, questions, {'model': model, 'on_error': on_error, 'on_blank': on_blank, 'statement': hash(txid_current(), current_query())}), concat(left([questions]::VARCHAR, 0), system.main._inlay_decisions(questions)));
