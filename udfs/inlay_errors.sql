/*
summary = "The rows that got no answer since attaching, with the reason."
args    = []
returns = "TABLE"
nulls   = "-"
pure    = false
cost    = "free"
example = "FROM inlay_errors()"
*/
CREATE MACRO inlay_errors() AS TABLE
    SELECT unnest(system.main._inlay_errors(0), recursive := true);
