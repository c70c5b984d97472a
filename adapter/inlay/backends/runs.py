"""Runs of a text's words, and which of them answers a question best. Pure: texts and numbers in, numbers out.

A small language model that writes an answer copies the whole sentence. Which run of words it finds likeliest as an
answer says more, once the run is compared with how likely it is as the answer to questions that any text may be asked:
what is likely whatever is asked answers nothing (domain-conditional likelihood, Holtzman et al. 2021).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from inlay.arrays import Floats

MOST_WORDS = 12
"""Of a run; names, dates, amounts and addresses have fewer."""

FEW_WORDS = 16
"""From so many places on, runs begin only at the likeliest ones."""

BEGINNINGS = 6
"""Likeliest places for each question."""

AGAINST_OTHERS = 1.5
"""How much the comparison with other questions counts beside the likelihood itself."""

NO_RUN = -1e9
"""The score where a text has no words."""

_LETTERS = r"[^\W\u2e80-\U0010ffff]"
# With the marks inside it, and those of an amount before and after it; where a script puts no blanks between words,
# each character is one.
_WORD = re.compile(rf"[$€£¥#+-]?{_LETTERS}+(?:[^\w\s]+{_LETTERS}+)*[%°€]?|[^\W\x00-\u2e7f]")
_END_OF_SENTENCE = re.compile(r"[.;!?…]\s|[。！？；]|\n")

Run = tuple[int, int]
"""(first, one past the last) letter."""


@dataclass(frozen=True)
class Spans:
    """Questions about a text, each answered by a run of its words.

    before: begins every prompt; the text follows after a blank. after: template of what follows the text, with {pair}
    for the question; an answer begins after a blank and ends with the line. questions: a run is found for each. others:
    those that any text may be asked.
    """

    before: str
    after: str
    questions: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def width(self) -> int:
        """Numbers for each text: for each question the run's first letter, one past its last, and its score."""
        return 3 * len(self.questions)

    @property
    def endings(self) -> list[str]:
        """What follows the text, for each question and each of the others."""
        return [self.after.replace("{pair}", question) for question in (*self.questions, *self.others)]


Likely = Callable[[Sequence[str]], Floats]
"""Float [questions and others, texts]: the log-likelihoods of texts that stand in the place of the answer."""


def best_runs(text: str, spans: Spans, beginnings: Likely, answers: Likely) -> Floats:
    """The numbers of a text, see Spans.width. beginnings: how likely answers are to begin with the first token of these
    texts. answers: how likely these texts are as whole answers."""
    words = words_of(text)
    k = len(spans.questions)
    if not words:
        return np.tile(np.array([0, 0, NO_RUN], dtype=np.float32), k)
    first = list(range(len(words)))
    if len(words) > FEW_WORDS:
        lines = [text[words[i][0] : words[min(i + MOST_WORDS, len(words)) - 1][1]] for i in first]
        likely = risen(beginnings(lines), k)
        first = sorted(set(np.argsort(-likely, axis=1, kind="stable")[:, :BEGINNINGS].ravel().tolist()))
    runs = [run for i in first for run in runs_from(text, words[i : i + MOST_WORDS])]
    scores = risen(answers([text[start:end] for start, end in runs]), k)
    best = scores.argmax(axis=1)
    found = [[*runs[place], scores[j, place]] for j, place in enumerate(best.tolist())]
    return np.array(found, dtype=np.float32).ravel()


def words_of(text: str) -> list[Run]:
    """Where the words are.

    >>> [("It's $7.50, Ann (o'Neil)"[a:b]) for a, b in words_of("It's $7.50, Ann (o'Neil)")]
    ["It's", '$7.50', 'Ann', "o'Neil"]
    """
    return [match.span() for match in _WORD.finditer(text)]


def runs_from(text: str, words: Sequence[Run]) -> list[Run]:
    """The runs that begin with the first of these words and stay within its sentence.

    >>> runs_from("for two. Now", [(0, 3), (4, 7), (9, 12)])
    [(0, 3), (0, 7)]
    """
    start = words[0][0]
    runs = []
    for _, end in words:
        if _END_OF_SENTENCE.search(text, start, end):
            break
        runs.append((start, end))
    return runs


def risen(likely: Floats, k: int) -> Floats:
    """Of the first k rows, each number and by how much it is above the mean of the other rows."""
    own, others = likely[:k], likely[k:]
    return np.asarray(own + AGAINST_OTHERS * (own - others.mean(axis=0)), dtype=np.float32)
