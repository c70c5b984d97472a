"""Rows asked about one after the other: which is next, what was answered, and what is taken back."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from inlay.arrays import Floats
from inlay.errors import ConfigError
from inlay.labelling.kept import Kept
from inlay.parsing.quoting import literal

FIXED = 9
"""Labels that have a digit each. More are listed anew for each row, the likeliest first."""


class Desk:
    """texts: the rows, best first. labels: in the order in which people see them. shares: [rows, labels] how likely
    each is. about: what is labelled, in words. n_labelled: texts that had their label before. Thread-safe."""

    def __init__(
        self, texts: Sequence[str], labels: Sequence[str], shares: Floats, kept: Kept, about: str, n_labelled: int
    ) -> None:
        self._texts, self.labels, self._shares, self.kept = texts, labels, shares, kept
        self.about, self._before = about, n_labelled
        self._given: list[str | None] = []  # of the rows so far; None where one was skipped
        self._lock = threading.Lock()

    @property
    def n_answered(self) -> int:
        return sum(label is not None for label in self._given)

    @property
    def summary(self) -> str:
        left = len(self._texts) - len(self._given)
        return (
            f"{self.about}: {self.n_answered:,} labelled now, {self._before + self.n_answered:,} in all, in "
            f"{self.kept.name}; {left:,} to go"
        )

    @property
    def advice(self) -> str:
        """What to type next."""
        source = self.kept.source if "'" not in self.kept.source else f"FROM {self.kept.source}"
        return f"CALL inlay_train('my_head', {literal(source)}, text := 'text', label := 'label')"

    def state(self) -> dict[str, Any]:
        """What the page shows."""
        with self._lock:
            return self._state()

    def answer(self, place: int, label: str | None) -> dict[str, Any]:
        """The label of the row that is asked about, or None to skip it. place: its number; that of another row, from
        a page that is out of date, changes nothing."""
        with self._lock:
            if place == len(self._given) < len(self._texts):
                if label is not None:
                    if label not in self.labels:
                        raise ConfigError(f"label: {label!r} is none of {', '.join(self.labels)}.")
                    self.kept.put(self._texts[place], label)
                self._given.append(label)
            return self._state()

    def undo(self, place: int) -> dict[str, Any]:
        """Takes back what was said of the row before."""
        with self._lock:
            if place == len(self._given) > 0:
                if self._given[-1] is not None:
                    self.kept.remove(self._texts[place - 1])
                self._given.pop()
            return self._state()

    def _state(self) -> dict[str, Any]:
        place = len(self._given)
        state = {
            "place": place, "rows": len(self._texts), "answered": self.n_answered, "about": self.about,
            "skipped": place - self.n_answered, "labelled": self._before + self.n_answered, "kept": self.kept.name,
            "is_done": place == len(self._texts), "advice": self.advice,
        }  # fmt: skip
        if place < len(self._texts):
            shares = [float(share) for share in self._shares[place]]
            likely = max(range(len(shares)), key=shares.__getitem__)
            order = range(len(shares))
            if len(shares) > FIXED:
                order = sorted(order, key=lambda k: -shares[k])  # type: ignore[assignment]
            state["text"], state["likely"] = self._texts[place], self.labels[likely]
            state["labels"] = [{"name": self.labels[k], "share": shares[k]} for k in order]
        return state
