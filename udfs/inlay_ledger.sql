/*
summary = "One row per call and statement since attaching: rows, distinct inputs, known, inferred, failed, tokens, seconds."
args = []
returns = "TABLE"
example = "FROM inlay_ledger()"
*/
