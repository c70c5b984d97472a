/*
summary = "One row per call and statement since attaching: rows, distinct inputs, known, inferred, failed, tokens, seconds."
args    = []
returns = "TABLE"
nulls   = "-"
pure    = false
cost    = "free"
example = "FROM inlay_ledger()"
*/
CREATE MACRO inlay_ledger() AS TABLE
    SELECT unnest(system.main._inlay_ledger(0), recursive := true);
