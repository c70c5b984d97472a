"""Batches at a provider are written down in the result store, and only there."""

from __future__ import annotations

from pathlib import Path

import pytest

import inlay
from inlay.store.batch_journal import StoredJournal
from inlay.store.folder import open_folder

REMOTE = {"source": "openai:gpt", "base_url": "http://127.0.0.1:9/v1", "batch": True}


def test_what_was_saved_last_is_found_by_another_process(tmp_path: Path) -> None:
    journal = StoredJournal(open_folder(str(tmp_path)))
    assert journal.load("ab") == {}
    journal.save("ab", {"batches": [1]})
    journal.save("ab", {"batches": [1, 2]})
    journal.save("cd", {})
    assert StoredJournal(open_folder(str(tmp_path))).load("ab") == {"batches": [1, 2]}


def test_batches_need_a_store_that_may_be_written_to(tmp_path: Path) -> None:
    inlay.connect(model="fake", store=str(tmp_path / "store")).close()
    for settings in ({}, {"store": str(tmp_path / "store"), "store_mode": "read-only"}):
        with (
            inlay.connect(model="remote", models={"remote": REMOTE}, **settings) as con,
            pytest.raises(Exception, match=r"batch = true.*Set a writable store"),
        ):
            con.execute("select ai_complete('a')")
