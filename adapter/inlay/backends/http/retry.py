"""How often a request is repeated, and when an endpoint is given up. Pure: no clock, and the dice are an argument.

A request is sent ATTEMPTS times at most. All requests of an endpoint share a budget besides: it holds `floor` repeats
at the start (one for each request that may be under way, and at least 20), each new request adds a fifth of one, and
each repeat takes one. So a server that fails now and then has everything repeated, while one that fails always is asked
once a row and not four times; and after GIVE_UP_ROUNDS failures for each request that may be under way (at least 50),
with no answer between them, it is given up.
"""

from __future__ import annotations

import random
from collections.abc import Callable

ATTEMPTS = 4
SHARE = 0.2
LEAST_FLOOR = 20
GIVE_UP_ROUNDS = 4
LEAST_FAILURES = 50

# Before the second attempt between 0 and this, doubled for each further one ("full jitter").
FIRST_WAIT_S = 1.0


class RetryBudget:
    """concurrency: requests that may be under way at once."""

    def __init__(self, concurrency: int) -> None:
        self._floor = float(max(LEAST_FLOOR, concurrency))
        self._most = 10 * self._floor
        self._left = self._floor
        self._failures = 0
        self.give_up_after = max(LEAST_FAILURES, GIVE_UP_ROUNDS * concurrency)

    def begin(self) -> None:
        """Work begins where none was under way: what was before is forgotten, so that a server that has come back is
        not judged by it."""
        self._failures = 0
        self._left = max(self._left, self._floor)

    def asked(self) -> None:
        """A new request, not a repeat."""
        self._left = min(self._most, self._left + SHARE)

    def answered(self) -> None:
        self._failures = 0

    def failed(self) -> bool:
        """Whether the endpoint is to be given up."""
        self._failures += 1
        return self._failures >= self.give_up_after

    def take(self) -> bool:
        """One repeat, if there is one left."""
        if self._left < 1:
            return False
        self._left -= 1
        return True


def wait_before_s(attempt: int, draw: Callable[[], float] = random.random) -> float:
    """Seconds before the attempt of this number; the first repeat is number 2."""
    return draw() * FIRST_WAIT_S * float(2 ** (attempt - 2))
