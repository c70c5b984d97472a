/*
summary = "Where personal data stands in a text: substr(text, start, length) is each piece."
args = ["text"]
options = ["categories", "max_tokens", "rules_or_language_model", "on_error", "on_blank"]
returns = "STRUCT(category VARCHAR, start INTEGER, length INTEGER, text VARCHAR)[]"
answer = "personal.bind_detect"
model = "rules"
cost = "free with the rules, else tokens"
example = "SELECT ai_detect_pii('Write to jo@example.com')"
*/
