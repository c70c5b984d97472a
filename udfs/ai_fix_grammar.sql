/*
summary = "A text with its mistakes of spelling and grammar corrected, and nothing else changed."
args = ["text"]
options = ["max_tokens", "language_model", "on_error"]
returns = "VARCHAR"
answer = "rewrite.bind_fix_grammar"
language_model = true
example = "SELECT ai_fix_grammar('He go home yesterday')"
*/
