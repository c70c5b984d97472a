"""When the next request to an endpoint may be sent. Pure: the time and the random numbers are arguments.

All requests of an endpoint in this process pass one gate. It is closed while the server wants a pause (429), and limits
the rate by two buckets: requests a minute, and tokens a minute. A request takes the most that it may use, prompt and
longest reply, and returns what it did not use: this is how providers count.

The server's rate need not be known: each refusal doubles the time between two requests, and each answer shortens it a
little. So a few requests in a hundred are refused, and not all waiting ones whenever a pause ends.
"""

from __future__ import annotations

import random
from collections.abc import Callable

# A request bucket is small: providers divide a minute's requests into seconds and smaller parts. A token bucket holds
# ten seconds' worth, since tokens reserved by running requests are missing from it until they are answered.
REQUEST_BURST_S = 0.02
TOKEN_BURST_S = 10.0

# A pause whose length the server does not say: between 0 and this, doubled for each one in a row.
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 60.0

# Between two requests, once one was refused. At one refusal for 69 answers it stays as it is.
LEAST_GAP_S = 0.001
FIRST_GAP_S = 0.005
LONGEST_GAP_S = 1.0
GAP_AFTER_ANSWER = 0.99

# Of a request or a token. Without it the rest of a sum may be a wait too short to move a clock.
_ROUNDING = 1e-6


class Bucket:
    """An amount per minute, enforced by waiting. `held` falls below 0 where one request takes more than the bucket: it
    passes when the bucket is full, and the next one waits longer."""

    def __init__(self, per_minute: float, burst_s: float, now: float) -> None:
        self.per_s = per_minute / 60
        self.most = max(self.per_s * burst_s, 1.0)
        self.held = self.most
        self._filled = now

    def wait_s(self, now: float, amount: float) -> float:
        """Seconds until that much can be taken."""
        self.held = min(self.most, self.held + (now - self._filled) * self.per_s)
        self._filled = now
        missing = min(amount, self.most) - self.held
        return missing / self.per_s if missing > _ROUNDING else 0.0

    def take(self, amount: float) -> None:
        self.held -= amount

    def give_back(self, amount: float) -> None:
        """A negative amount takes more."""
        self.held = min(self.most, self.held + amount)


class Gate:
    """All times are seconds of one monotonic clock."""

    def __init__(
        self,
        requests_per_minute: float | None,
        tokens_per_minute: float | None,
        now: float,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._requests = None if requests_per_minute is None else Bucket(requests_per_minute, REQUEST_BURST_S, now)
        self._tokens = None if tokens_per_minute is None else Bucket(tokens_per_minute, TOKEN_BURST_S, now)
        self._draw = draw
        self._paused_at = float("-inf")
        self._paused_until = float("-inf")
        self._pauses = 0
        self._refused_since: float | None = None
        self._gap_s = 0.0
        self._next_at = float("-inf")

    def wait_s(self, now: float, tokens: int) -> float:
        """Seconds until a request of so many tokens may go; 0 when it may now."""
        wait = max(self._paused_until, self._next_at) - now
        if self._requests is not None:
            wait = max(wait, self._requests.wait_s(now, 1))
        if self._tokens is not None:
            wait = max(wait, self._tokens.wait_s(now, tokens))
        return max(0.0, wait)

    def take(self, now: float, tokens: int) -> None:
        self._next_at = now + self._gap_s
        if self._requests is not None:
            self._requests.take(1)
        if self._tokens is not None:
            self._tokens.take(tokens)

    def settle(self, taken: int, used: int) -> None:
        """A request that took so many tokens used so many."""
        if self._tokens is not None:
            self._tokens.give_back(taken - used)

    def refuse(self, now: float, sent: float, asked_s: float | None) -> float:
        """Notes that the server refused a request sent at `sent`; asked_s: the pause that it asked for, if any. Returns
        the seconds until the gate opens. Requests sent before the pause began do not lengthen it, unless the server
        asks for more."""
        new = sent >= self._paused_at
        if asked_s:
            self._paused_until = max(self._paused_until, now + asked_s)
        elif new:
            longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**self._pauses)
            self._paused_until = max(self._paused_until, now + self._draw() * longest)
        if new:
            self._paused_at = now
            if not self._pauses:  # further ones without an answer say nothing about the pace
                self._gap_s = min(LONGEST_GAP_S, max(FIRST_GAP_S, 2 * self._gap_s))
            self._pauses = min(self._pauses + 1, 10)
        if self._refused_since is None:
            self._refused_since = now
        return max(0.0, self._paused_until - now)

    def begin(self) -> None:
        """Work begins after a time without any: refusals from before that are forgotten."""
        self._pauses = 0
        self._refused_since = None

    def answered(self) -> None:
        self._pauses = 0
        self._refused_since = None
        self._gap_s = self._gap_s * GAP_AFTER_ANSWER if self._gap_s > LEAST_GAP_S else 0.0

    def refused_for_s(self, now: float) -> float:
        """Seconds since the first refusal that no answer has followed."""
        return 0.0 if self._refused_since is None else now - self._refused_since
