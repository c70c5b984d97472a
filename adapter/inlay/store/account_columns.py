"""The columns of the account's files, by their SQL types. The tables that people read have the same ones."""

from __future__ import annotations

Columns = dict[str, str]


def texts(names: str) -> Columns:
    return dict.fromkeys(names.split(), "VARCHAR")


def whole_numbers(names: str) -> Columns:
    return dict.fromkeys(names.split(), "BIGINT")


def numbers(names: str) -> Columns:
    return dict.fromkeys(names.split(), "DOUBLE")


LEDGER_COLUMNS = {
    **texts("run invocation node started_at"),
    "statement": "INTEGER",
    **texts("function model fingerprint"),
    **whole_numbers("rows distinct_inputs known inferred failed truncated blank unsure repaired tokens output_tokens"),
    **numbers("seconds loading_seconds cost"),
    **texts("device host"),
}
ERRORS_COLUMNS = {
    **texts("run invocation node failed_at function model call"),
    "inputs": "VARCHAR[]",
    **texts("error"),
}
UNSURE_COLUMNS = {
    **texts("run invocation node left_at function model call"),
    "inputs": "VARCHAR[]",
    **texts("answer"),
    **numbers("confidence"),
}
CERTIFICATES_COLUMNS = {
    **texts("run invocation"),
    "statement": "INTEGER",
    **texts("decided_at node function question model proxy"),
    **numbers("recall precision agreement probability"),
    **whole_numbers("rows inputs asked trained drawn_rows seed"),
    **numbers("lower upper"),
    **whole_numbers("lower_rows lower_drawn lower_wrong upper_rows upper_drawn upper_wrong"),
    **texts("method"),
}
