"""The journal of batches at a provider, in the store that will have their results.

batches/<name>.json    see backends/openai_batch_journal.py
"""

from __future__ import annotations

import json
from typing import Any

from inlay.store.folder import Folder

BATCHES = "batches"


class StoredJournal:
    """A BatchJournal in a result store. Raises OSError where the store cannot be written to: a batch that nobody could
    find again must not be made."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder

    def load(self, name: str) -> dict[str, Any]:
        file = f"{BATCHES}/{name}.json"
        return dict(json.loads(self.folder.read(file))) if self.folder.exists(file) else {}

    def save(self, name: str, state: dict[str, Any]) -> None:
        self.folder.publish(f"{BATCHES}/{name}.json", json.dumps(state).encode())
