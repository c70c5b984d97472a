"""Folders that transformers 5 saved answer alike under every transformers: as if they were written in 4's words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import inlay
from inlay.errors import ModelError
from support.installed_versions import TRANSFORMERS
from support.tiny_language_models import TinyLanguageModels, change_json

pytest_plugins = ("support.tiny_models", "support.tiny_language_models")


def saved(language_models: TinyLanguageModels, **config: Any) -> Path:
    folder = language_models.copy("llama")
    kept = json.loads((folder / "config.json").read_text("utf-8"))
    named = {"rope_theta": None, "rope_scaling": None, "rope_parameters": None, **config}
    described = {name: value for name, value in {**kept, **named}.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(described), "utf-8")
    change_json(folder / "tokenizer_config.json", tokenizer_class="TokenizersBackend")
    return folder


def scores(folder: Path) -> list[float]:
    with inlay.connect(models={"m": {"source": str(folder)}}, model="m") as con:
        rows = con.sql(
            "select (d->>'$.probability')::double from (select to_json(ai_decide('late again, and broken' || i, "
            "{'q': {'choice': ['bug', 'praise']}})).q as d from range(3) r(i))"
        ).fetchall()
        return [row[0] for row in rows]


@pytest.mark.parametrize("scaling", [{}, {"rope_type": "linear", "factor": 4.0}], ids=["plain", "scaled"])
def test_rotations_have_the_base_that_was_saved(language_models: TinyLanguageModels, scaling: dict[str, Any]) -> None:
    in_words_of_4 = {"rope_theta": 20.0, **({"rope_scaling": scaling} if scaling else {})}
    of_4 = scores(saved(language_models, **in_words_of_4))
    assert (
        scores(saved(language_models, rope_parameters={"rope_type": "default", **scaling, "rope_theta": 20.0})) == of_4
    )
    assert scores(saved(language_models)) != of_4


@pytest.mark.skipif(TRANSFORMERS >= 5, reason="transformers 5 reads its own words")
def test_words_that_4_does_not_have_are_refused(language_models: TinyLanguageModels) -> None:
    rope = {"full_attention": {"rope_theta": 20.0}, "sliding_attention": {"rope_theta": 10.0}}
    with pytest.raises(ModelError, match="saved by transformers 5"):
        scores(saved(language_models, rope_parameters=rope))
