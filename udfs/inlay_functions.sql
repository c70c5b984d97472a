/*
summary = "The SQL functions: arguments, result, cost, an example."
args    = []
returns = "TABLE"
nulls   = "-"
pure    = false
cost    = "free"
example = "FROM inlay_functions()"
*/
CREATE MACRO inlay_functions() AS TABLE
    SELECT unnest(system.main._inlay_functions(0), recursive := true);
