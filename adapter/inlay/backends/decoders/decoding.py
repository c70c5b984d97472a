"""Replies to many prompts on a decoder-only model: one step writes one token of every running reply.

Longer prompts run first. A finished reply makes room for a waiting prompt, so steps stay full whatever the replies'
lengths. The length of a reply is not known, so the budget reserves what earlier replies took. Where running replies
outgrow the budget, those that have written least wait again, and are read again with what they have written.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch

from inlay.backends.base import BatchFailed, Done
from inlay.backends.decoders.causal import CausalReader
from inlay.backends.decoders.replies import Draft, chosen
from inlay.backends.decoders.row_cache import Prefix
from inlay.backends.memory import out_of_memory_unified

# Waiting prompts join when they are this share of all rows: reading a few costs almost as much as reading many.
JOIN_SHARE = 1 / 8

# Every row takes as much cache as the longest; their sum may be this many times the budget.
PADDED = 2

# Tokens reserved for a reply before any is finished, and for the rest of a reply that exceeds its reservation.
_FIRST_GUESS = 32
_AT_LEAST = 8


class Writer:
    """One call of generate(). max_batch_tokens: token budget of running prompts and replies together."""

    def __init__(
        self, reader: CausalReader, drafts: Sequence[Draft], temperature: float, max_batch_tokens: int
    ) -> None:
        self._reader = reader
        self._temperature = temperature
        self._most = max_batch_tokens
        self._waiting = deque(sorted(drafts, key=lambda draft: -draft.length))
        self._live: list[Draft] = []
        self._cache = reader.cache()
        self._prefix: Prefix = []
        self._replied = [0, 0]
        self._outgrown = _FIRST_GUESS
        self._failed: BatchFailed | None = None

    @torch.inference_mode()
    def write(self, stopped: Callable[[], bool], done: Done) -> None:
        """Runs until every reply is finished or stopped() returns True. Raises BatchFailed; where prompts could not be
        read, only after the running replies are finished."""
        with self._blamed(self._waiting):
            self._prefix = self._reader.prefix([draft.ids for draft in self._waiting])
        while (self._waiting or self._live) and not stopped():
            self._send_back()
            joining = self._joining()
            if joining:
                self._read(joining)
            if self._live:
                self._take(self._step(), done)
        if self._failed is not None and not self._live:
            raise self._failed

    def _guess(self) -> float:
        """The expected tokens of a reply."""
        n, tokens = self._replied
        return max(self._outgrown, 1.5 * tokens / n if n else 0)

    def _room(self, draft: Draft) -> float:
        """Tokens to reserve for a prompt and its reply."""
        more = max(self._guess() - len(draft.written), _AT_LEAST)
        return draft.length + min(draft.may_write, more)

    def _fits(self, lengths: Sequence[float]) -> bool:
        return sum(lengths) <= self._most and len(lengths) * max(lengths) <= PADDED * self._most

    def _send_back(self) -> None:
        """Where the replies outgrow the budget, the row that has written least waits again."""
        while len(self._live) > 1 and not self._fits([draft.length + 1 for draft in self._live]):
            self._outgrown = max(self._outgrown, 2 * int(self._guess()))
            place = min(range(len(self._live)), key=lambda i: len(self._live[i].written))
            self._waiting.appendleft(self._live[place])
            self._remove([place])

    def _joining(self) -> list[Draft]:
        """Waiting prompts that fit, where they are enough to be read together."""
        rooms = [self._room(draft) for draft in self._live]
        n_live = len(rooms)
        for draft in self._waiting:
            rooms.append(self._room(draft))
            if len(rooms) > 1 and not self._fits(rooms):
                rooms.pop()
                break
        n_joining = len(rooms) - n_live
        if n_live and n_joining < min(len(self._waiting), JOIN_SHARE * len(rooms)):
            return []
        return [self._waiting.popleft() for _ in range(n_joining)]

    def _read(self, joining: list[Draft]) -> None:
        n_live = len(self._live)
        self._reserve([*self._live, *joining], n_live)
        try:
            with self._blamed(joining):
                self._reader.read(self._cache, [draft.tokens for draft in joining], self._prefix, n_live)
        except BatchFailed as failed:
            self._failed = failed
            self._waiting.clear()
        else:
            self._live += joining

    def _reserve(self, drafts: list[Draft], n_live: int) -> None:
        with self._blamed(drafts):
            kept = max((draft.length for draft in self._live), default=0)
            self._cache.reserve(len(drafts), max(draft.length for draft in drafts) + 1, (n_live, kept))

    def _step(self) -> list[int]:
        """The next token of every running reply."""
        live = self._live
        self._reserve(live, len(live))
        device = self._reader.device
        with self._blamed(live):
            last = [[draft.written[-1] if draft.written else int(draft.ids[-1])] for draft in live]
            at = torch.tensor([draft.length - 1 for draft in live], device=device)
            logits = self._reader.step(self._cache, slice(0, len(live)), torch.tensor(last, device=device), at)
            return chosen(live, logits[:, -1].float(), self._temperature)

    def _take(self, tokens: list[int], done: Done) -> None:
        over = []
        for place, (draft, token) in enumerate(zip(self._live, tokens, strict=True)):
            with self._blamed([draft]):
                is_over = draft.take(token)
            if is_over:
                over.append(place)
                self._replied[0] += 1
                self._replied[1] += len(draft.written)
                done(draft.place, draft.reply())
        self._remove(over)

    def _remove(self, places: list[int]) -> None:
        """The last rows take the places of finished ones, so that running rows stay adjacent."""
        if not places:
            return
        n_left = len(self._live) - len(places)
        holes = [place for place in places if place < n_left]
        last = [place for place in range(n_left, len(self._live)) if place not in places]
        if last:
            self._cache.move(last, holes)
        for hole, place in zip(holes, last, strict=True):
            self._live[hole] = self._live[place]
        del self._live[n_left:]

    @contextlib.contextmanager
    def _blamed(self, drafts: Iterable[Draft]) -> Iterator[None]:
        try:
            with out_of_memory_unified(self._reader.device):
                yield
        except Exception as error:
            raise BatchFailed([draft.place for draft in drafts], error) from error
