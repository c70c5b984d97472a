"""How often a request is repeated, and when no more are sent. Pure: no clock, and random numbers are an argument.

A request is sent ATTEMPTS times at most. All requests of an endpoint also share a budget of repeats: it starts with one
for each concurrent request (at least 20), each new request adds a fifth of one, and each repeat takes one. So every
failure of a server that fails now and then is repeated, while a server that always fails gets one request per row and
not four. After GIVE_UP_ROUNDS failures for each concurrent request (at least 50) in a row, no more are sent; nor are
they after UNREACHABLE attempts in a row that found no server, each begun after the one before had failed.
"""

from __future__ import annotations

import random
from collections.abc import Callable

ATTEMPTS = 4
SHARE = 0.2
LEAST_FLOOR = 20
GIVE_UP_ROUNDS = 4
LEAST_FAILURES = 50
UNREACHABLE = 5

# Before the second attempt between 0 and this, doubled for each further one ("full jitter").
FIRST_WAIT_S = 1.0


class RetryBudget:
    """concurrency: most requests that run at once. successes: requests answered since the work began."""

    def __init__(self, concurrency: int) -> None:
        self._floor = float(max(LEAST_FLOOR, concurrency))
        self._most = 10 * self._floor
        self._left = self._floor
        self._failures = 0
        self._unreachable = 0
        self.successes = 0
        self._unreachable_at = float("-inf")
        self.give_up_after = max(LEAST_FAILURES, GIVE_UP_ROUNDS * concurrency)

    def begin(self) -> None:
        """Work begins after a time without any: earlier failures are forgotten, since the server may be back."""
        self._failures = self._unreachable = self.successes = 0
        self._left = max(self._left, self._floor)

    def requested(self) -> None:
        """A new request, not a repeat."""
        self._left = min(self._most, self._left + SHARE)

    def answered(self) -> None:
        self._failures = self._unreachable = 0
        self.successes += 1

    def unreachable(self, sent: float, now: float) -> bool:
        """Counts an attempt that found no server; returns whether to send no more. Requests that were under way at once
        are one of them."""
        if sent >= self._unreachable_at:
            self._unreachable += 1
            self._unreachable_at = now
        return self._unreachable >= UNREACHABLE

    def failed(self) -> bool:
        """Counts a failure; returns whether to send no more requests."""
        self._failures += 1
        return self._failures >= self.give_up_after

    def take(self) -> bool:
        """Takes one repeat from the budget; False where none is left."""
        if self._left < 1:
            return False
        self._left -= 1
        return True


def wait_before_s(attempt: int, draw: Callable[[], float] = random.random) -> float:
    """Seconds before the attempt of this number; the first repeat is number 2."""
    return draw() * FIRST_WAIT_S * float(2 ** (attempt - 2))
