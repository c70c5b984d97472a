"""Where a model runs decides who asks it."""

from __future__ import annotations

from collections.abc import Iterator

from inlay.engine.executors.local import Local
from inlay.engine.executors.remote import Remote
from inlay.engine.question import Question
from inlay.engine.resolve import Finished, Work
from inlay.store.inputs import Inputs


class Models:
    """Asks models, in this process or behind an endpoint."""

    claims = True

    def __init__(self) -> None:
        self._local = Local()
        self._remote = Remote()

    def run(self, question: Question, inputs: Inputs, work: Work) -> Iterator[Finished]:
        executor = self._local if question.model.endpoint is None else self._remote
        return executor.run(question, inputs, work)
