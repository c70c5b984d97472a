/*
summary = "What each call with targets promised, and by which sample: one row per question, of this session and of every run that used the result store."
args    = []
returns = "TABLE"
nulls   = "-"
pure    = false
cost    = "free"
example = "FROM inlay_certificates()"
*/
CREATE MACRO inlay_certificates() AS TABLE
    SELECT unnest(system.main._inlay_certificates(0), recursive := true);
