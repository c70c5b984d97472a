"""Tests of a language model with real weights: they are skipped where nobody has fetched it."""

from __future__ import annotations

import pytest

from inlay.models.locate import local_folder
from inlay.settings.read import read_settings

needs_smollm2 = pytest.mark.skipif(
    local_folder(read_settings({}).models["smollm2"]) is None, reason="smollm2 is not here: inlay models add smollm2"
)
