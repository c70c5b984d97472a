/*
summary = "The ledger of every run that used this result store, also of other processes: what each call of each statement did."
args    = []
returns = "TABLE"
nulls   = "-"
pure    = false
cost    = "free"
example = "FROM inlay_history()"
*/
CREATE MACRO inlay_history() AS TABLE
    SELECT unnest(system.main._inlay_history(0), recursive := true);
