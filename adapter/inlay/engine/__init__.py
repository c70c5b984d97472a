"""Rows to model answers: tokenising, batching, devices, failures. Knows nothing of SQL."""
