/*
summary = "What a head that was trained from labelled rows answers, of the type of its labels."
args = [
    ["text", "VARCHAR", "the text; for a head of several columns a row with them, {'subject': subject, 'body': body}"],
    ["head", "VARCHAR", "name of the head, perhaps with a version, 'intents' or 'intents@3f2a9c01b7de'; a constant"],
]
options = ["accuracy", "probability", "on_error", "on_blank"]
returns = "VARCHAR"
answer = "predict.bind"
scores = true
typed = true
quoted = ["head"]
nulls = "NULL text gives NULL"
example = "SELECT ai_predict('my card was swallowed', 'intents')"
# As in ai_extract: with the empty text DuckDB asks for the type when it knows the head's name.
*/
CREATE MACRO ai_predict(text, head, accuracy := NULL, probability := NULL, on_error := NULL, on_blank := NULL) AS
    from_json(system.main.ai_predict(text, head, {'accuracy': accuracy, 'probability': probability, 'on_error': on_error, 'on_blank': on_blank, 'statement': hash(txid_current(), current_query())}), concat(left([head]::VARCHAR, 0), system.main._inlay_head_structure(head)));
