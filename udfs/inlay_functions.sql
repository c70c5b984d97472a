/*
summary = "The SQL functions: arguments, result, cost, an example."
args = []
returns = "TABLE"
example = "FROM inlay_functions()"
*/
