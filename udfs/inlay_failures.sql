/*
summary = "Every input that got no answer in any run that used this result store, with the reason; `inlay retry` tries them again."
args    = []
returns = "TABLE"
nulls   = "-"
pure    = false
cost    = "free"
example = "FROM inlay_failures()"
*/
CREATE MACRO inlay_failures() AS TABLE
    SELECT unnest(system.main._inlay_failures(0), recursive := true);
