"""The machine's cache: what is made from files and could be made again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(*parts: str) -> Path:
    """A folder inside inlay's own below XDG_CACHE_HOME, by default ~/.cache. It need not exist."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base, "inlay", *parts)
