"""What the fake embedding model gives, computed beside it."""

from __future__ import annotations

from typing import Any

import numpy as np

from inlay.backends.fake import fake_row


def unit(rows: Any) -> Any:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def fake_vectors(texts: list[str]) -> Any:
    return unit(np.stack([fake_row(text, 8) for text in texts]).astype(np.float64))
