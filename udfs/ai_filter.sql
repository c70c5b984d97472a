/*
summary = "Whether a statement holds for a text."
args = [
    ["text", "VARCHAR", "the text, or a row of columns that the statement names, {'a': x, 'b': y}"],
    ["predicate", "VARCHAR", "the statement, e.g. 'the customer is angry'; of a row '{a} and {b} are the same product'"],
]
options = [
    ["threshold", "DOUBLE", "NULL", "lowest score that is TRUE; an embedding model needs it, an NLI model defaults to 0.5"],
    "examples",
    ["recall", "DOUBLE", "NULL", "smallest share of the TRUE rows that must be found; a proxy may then say FALSE; default: all; see docs/cascades.md"],
    ["precision", "DOUBLE", "NULL", "smallest share of the rows answered TRUE that must be right; a proxy may then say TRUE; default: all; before DuckDB 2.0 its name needs the quotes"],
    "accuracy",
    "calibration",
    "probability",
    "proxy",
    "model",
    "on_error",
    "on_blank",
]
quoted = ["predicate"]
returns = "BOOLEAN"
answer = "filter.bind"
nulls = "NULL in any argument gives NULL, so a WHERE drops the row; no model call"
example = "SELECT ai_filter('refund me now!', 'the customer wants money back', threshold := 0.3)"
*/
