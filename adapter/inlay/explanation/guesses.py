"""What stands for answers that no model has given yet, so that DuckDB can estimate what depends on them.

Drawn as often as the known answers of that call; where too few are known, by a stated assumption. The same input of the
same call is guessed alike whenever it is explained.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from inlay.arrays import Bools, array_flags, array_numbers, column_of, flags_array, numbers_array
from inlay.execution.answering import Answered
from inlay.functions.sentiment import SENTIMENTS
from inlay.parsing.statement import Call

ENOUGH = 30
"""Known answers of a call that may speak for its unknown ones: a share of them is within some 18 points, 19 times in
20. Below that an assumption stands, and says so."""

POOL = 10_000
"""Known answers of a call that guesses are drawn from."""


@dataclass
class Guessed:
    """Of the answers in one table: how many are guessed, of which known ones, or by which assumption."""

    n_unknown: int = 0
    pool: pa.Array | None = None
    assumed: str = ""

    def text(self, of: str) -> str:
        n = f"{self.n_unknown:,} answer{'s' * (self.n_unknown != 1)}"
        verb = "is" if self.n_unknown == 1 else "are"
        if self.assumed:
            return f"{n} of {of} {verb} not known yet; assumed here: {self.assumed}"
        known = 0 if self.pool is None else len(self.pool)
        return f"{n} of {of} {verb} not known yet; taken to be like {known:,} that are"


class DrawnGuesses:
    """Guesses by the table of answers that they stand in."""

    def __init__(self) -> None:
        self.tables: dict[str, Guessed] = defaultdict(Guessed)

    def n_unknown(self, table: str) -> int:
        return self.tables[table].n_unknown

    def fill(self, call: Call, written: str, table: str, labels: Any, answered: Answered) -> pa.StructArray:
        details = answered.details()
        is_pending = array_flags(answered.spread(flags_array(answered.pending)))
        values = self._guessed(call, written, self.tables[table], labels, answered, details, is_pending)
        fields = {kind.name: details.field(kind.name) for kind in details.type}
        fields["value"] = values
        return pa.StructArray.from_arrays(list(fields.values()), names=list(fields), mask=pc.invert(details.is_valid()))

    def _guessed(
        self,
        call: Call,
        written: str,
        guessed: Guessed,
        labels: Any,
        answered: Answered,
        details: pa.StructArray,
        is_pending: Bools,
    ) -> pa.Array:
        """The values, with guesses where they are not known."""
        values = details.field("value")
        known = values.filter(flags_array(~is_pending)).drop_null()
        if len(known):
            pool = known if guessed.pool is None else pa.concat_arrays([guessed.pool, known])
            guessed.pool = pool.slice(0, POOL)
        places = np.flatnonzero(is_pending)
        if not len(places):
            return values
        guessed.n_unknown += len(places)
        draws = _draws(written, answered, is_pending)
        if guessed.pool is not None and len(guessed.pool) >= ENOUGH:
            guessed.assumed = ""
            drawn = guessed.pool.take(numbers_array((draws % len(guessed.pool)).astype(np.int64)))
        else:
            drawn, guessed.assumed = _assumed(call, _labels(call, labels, answered), draws, values.type)
        order = np.arange(len(draws), len(draws) + len(values))
        order[places] = np.arange(len(draws))
        return pa.concat_arrays([drawn, values]).take(numbers_array(order))


def _labels(call: Call, labels: Any, answered: Answered) -> Sequence[str]:
    if call.spec.name == "ai_sentiment":
        return SENTIMENTS
    if call.spec.setting not in (None, "labels"):
        return ()  # a schema or aspects: no answer is one of them
    if labels is None:
        return answered.call.model.labels
    return [label["label"] if isinstance(label, dict) else str(label) for label in labels]


def _draws(call: str, answered: Answered, is_pending: Bools) -> Any:
    """A random number for each pending row of a call: the same whenever it is explained, and unlike other calls'."""
    salt = hashlib.blake2b(call.encode(), digest_size=16).digest()
    keys = [key.tobytes() for key in answered.inputs.keys]
    digests = b"".join(hashlib.blake2b(key, digest_size=8, salt=salt).digest() for key in keys)
    of_inputs = np.frombuffer(digests, dtype=np.uint64) >> np.uint64(1)
    of_rows = array_numbers(answered.spread(numbers_array(of_inputs.astype(np.int64))))  # any where there is no input
    return of_rows[is_pending].astype(np.uint64)


def _assumed(call: Call, labels: Sequence[str], draws: Any, kind: pa.DataType) -> tuple[pa.Array, str]:
    """Guesses where too little is known, and how they were made."""
    returns = call.spec.returns
    if returns == "BOOLEAN":
        return flags_array(draws % 2 == 0), "half of them true"
    if returns == "DOUBLE":
        return column_of((draws / 2.0**63).tolist(), kind), "spread evenly from 0 to 1"
    if returns == "VARCHAR" and labels:
        each = "each label as often as any other"
        return column_of([labels[i] for i in (draws % len(labels)).tolist()], kind), each
    if returns == "VARCHAR[]" and labels:
        made = [[label for i, label in enumerate(labels) if draw >> (i % 60) & 1] for draw in draws.tolist()]
        return column_of(made, kind), "each label for half of them"
    return pa.nulls(len(draws), kind), "NULL"
