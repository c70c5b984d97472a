"""What of a reply is the prompt's own, with the prompts as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from inlay.backends.base import filled
from inlay.backends.decoders.replies import loops
from inlay.functions.echoes import Echo, instructions_of, own_words, without_echoes
from inlay.functions.prompt_files import FOLDER, prompt_file, prompt_files

WRITES = ("ai_summarize", "ai_summarize_agg", "ai_agg", "ai_translate", "ai_fix_grammar")


@pytest.mark.parametrize("function", WRITES)
def test_a_prompt_said_again_is_no_answer(function: str) -> None:
    assert (FOLDER / f"{function}.toml").is_file() and isinstance(FOLDER, Path)
    for file in prompt_files(function).values():
        template = file.with_values(length=" in at most 9 words", source="", labels="").user
        asked = instructions_of(file.system, template)
        assert asked
        whole = filled(template, "The parcel came late.", "French").content
        for said in (whole.splitlines()[-1], f"  {whole.splitlines()[-1]}\n\nThe parcel came late.", file.system):
            with pytest.raises(Echo):
                own_words(said, asked)
        # What stands between the marks is the text's own, and so is what goes before a closing one.
        tag = whole.partition("<text")[2][:16]
        assert tag
        for said in (
            "Late.\n</text-1a2b3c4d>\n\nAnd on",
            "<text-1a2b3c4d>\nLate.\n</text-1a2b3c4d>",
            " Late. \n</texts-",
        ):
            assert own_words(said, asked) == "Late."
        for mark in ("</text-1a2b3c4d>", "<texts-1a2b3c4d>\n</texts-1a2b3c4d>"):
            with pytest.raises(Echo, match="marks and nothing else"):
                own_words(mark, asked)


def test_words_like_an_instruction_are_an_answer() -> None:
    asked = instructions_of(prompt_file("ai_summarize").system, prompt_file("ai_summarize").with_values(length="").user)
    for text in ("Summaries are due on Monday.", "The text between us is over.", "a < b, </b>"):
        assert own_words(text, asked) == text


def test_each_reply_for_itself() -> None:
    values, errors = without_echoes(["fine", None, "Mend the text. fine"], {1: "before"}, ["mend the text"])
    assert values == ["fine", None, None] and errors[1] == "before" and "begins with the instruction" in errors[2]


@pytest.mark.parametrize("period", [1, 2, 7, 40])
def test_a_loop_is_seen_and_a_list_is_not(period: int) -> None:
    start = [900 + i for i in range(30)]
    assert loops(start + list(range(period)) * (200 // period + 4))
    assert not loops(start + list(range(period)) * 2 + list(range(300, 400)))
    assert not loops([token for i in range(60) for token in (5, 6, 1000 + i, 7)])
