"""What a rule that needs answers may ask of a statement that is being answered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from inlay.parsing.statement import Statement
from inlay.planner.lookups import Answers
from inlay.planner.pair_join import JoinByCall


class Run(Protocol):
    """statement: as the rules have left it so far. stages: its calls in the order in which they are answered. answers:
    where those are that were answered ahead. unguarded: the statement before a rule made it look at answered
    rows alone, where one did. done: calls that need no further answers. stopped: whether a rule has
    found all rows that the statement needs."""

    statement: Statement
    unguarded: Statement | None
    answers: dict[int, Answers]
    done: set[int]
    stopped: bool

    @property
    def stages(self) -> list[int]: ...

    def stage(self, number: int, texts: Iterable[str] | None = None) -> None:
        """Answers one call's inputs: those of the given marked queries, or all that reach it. Raises Unplannable."""
        ...

    def rows(self, text: str) -> list[tuple[Any, ...]]:
        """The rows of a marked query that looks answers up. Raises Unplannable."""
        ...

    def binds(self, text: str) -> bool:
        """Whether DuckDB takes a marked query."""
        ...

    def join(self, join: JoinByCall) -> None:
        """Joins by the pairs that fulfil the call. Raises Unplannable where the call is better asked as it stands."""
        ...

    def weight(self, number: int) -> float:
        """What a call's model costs, relative to others. Raises Unplannable where there is no such model."""
        ...

    def table(self, number: int) -> str:
        """The name of the table that a call's answers are in."""
        ...

    def failed(self, number: int) -> bool:
        """Whether an input of the call got no answer, and the statement is to stop there."""
        ...

    def is_guessed(self, number: int) -> bool:
        """Whether answers to the call are guesses."""
        ...

    def depends(self, numbers: Iterable[int]) -> None:
        """What is asked of each of these calls depends on the answers of all of them."""
        ...

    def undecided_are(self, numbers: Iterable[int]) -> None:
        """Only when the statement runs is it decided which of these is asked first."""
        ...

    def changed(self, statement: Statement, rule: str, note: str) -> None:
        """The statement is this one from here on. note: for people."""
        ...
