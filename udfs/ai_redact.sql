/*
summary = "A text with personal data replaced by [EMAIL], [CARD] and so on."
args = ["text"]
options = ["categories", "max_tokens", "rules_or_language_model", "on_error", "on_blank"]
returns = "VARCHAR"
answer = "personal.bind_redact"
blank = "same"
model = "rules"
cost = "free with the rules, else tokens"
example = "SELECT ai_redact('Write to jo@example.com')"
*/
