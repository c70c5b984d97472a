"""Lets a local model write only JSON that is valid for a schema, token by token (llguidance).

    constraint = compile_constraint(tokenizer, model.config.vocab_size, eos_ids, schema)
    state = constraint.start()                      # one for each reply
    fill_masks(states, logits)                      # tokens that are not allowed become -inf
    state.advance(token)                            # the token that was chosen
    state.finished, state.problem                   # whether the reply is complete; why it cannot be valid

Replies are compact JSON in the order of the schema (json_schema/grammar.py), so a finished reply without a problem is
valid. The caller's token limit can still cut a reply, most often within a string.
"""

from __future__ import annotations

import functools
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from llguidance import LLExecutor, LLMatcher, LLTokenizer
from llguidance.hf import from_tokenizer

from inlay.backends.constrained.token_bytes import pieces_of, unwritable, wrapped
from inlay.json_schema.grammar import Grammar, grammar_of, verbatim_grammar
from inlay.locks import new_lock

_KEPT = 64  # constraints of one tokenizer; a statement has one, a dbt project some

_LOCK = new_lock()
_CONSTRAINTS: weakref.WeakKeyDictionary[Any, OrderedDict[Any, Constraint]] = weakref.WeakKeyDictionary()
_TOKENIZERS: weakref.WeakKeyDictionary[Any, dict[Any, Any]] = weakref.WeakKeyDictionary()

Words = npt.NDArray[np.uint32]


class Constraint:
    """A schema compiled for a tokenizer. Made by compile_constraint()."""

    def __init__(self, matcher: Any, vocab_size: int, n_tokens: int, eos_ids: tuple[int, ...]) -> None:
        self.vocab_size = vocab_size
        self.eos_ids = eos_ids
        self.n_words = (n_tokens + 31) // 32
        self.ends = np.zeros(self.n_words, np.uint32)
        for token in eos_ids:
            self.ends[token // 32] |= np.uint32(1 << token % 32)
        self._matcher = matcher
        self._lock = new_lock()

    def start(self) -> State:
        """The state of an empty reply."""
        with self._lock:
            return State(self, self._matcher.deep_copy())


class State:
    """The progress of one reply. Used by one thread at a time.

    finished: whether the reply is complete; only an end token may follow. problem: why no continuation is valid, or
    None; the mask then allows only an end token.
    """

    def __init__(self, constraint: Constraint, matcher: Any) -> None:
        self.constraint = constraint
        self.matcher = matcher
        self.finished = False
        self.problem: str | None = None

    def advance(self, token_id: int) -> None:
        """Adds a token that the mask allows. Raises ValueError for any other."""
        if self.finished or self.problem is not None:
            allowed = token_id in self.constraint.eos_ids
            self.finished = True
        elif token_id in self.constraint.eos_ids:
            allowed = self.finished = bool(self.matcher.is_accepting())
        else:
            allowed = self.matcher.consume_token(token_id)
            self.finished = allowed and bool(self.matcher.is_stopped())
            error = "" if allowed else self.matcher.get_error()
            if error and "satisfy" not in error:
                self.problem, allowed = _too_complex(error), True
        if not allowed:
            raise ValueError(f"token {token_id} is not allowed here: the mask forbids it")

    def closed(self, words: Words) -> None:
        """Corrects llguidance's mask of this state: allows an end token where nothing else can follow."""
        if not self.finished and self.problem is None:
            if not self.matcher.is_accepting():
                words &= ~self.constraint.ends  # a model may end its replies with a token that is text elsewhere
            error = self.matcher.get_error() if self.matcher.is_error() else ""
            if error and "NoExtension" not in error:
                self.problem = _too_complex(error)
            elif error or not words.any():
                self.problem = "nothing that the model can write at this point fits the schema"
        if self.finished or self.problem is not None:
            words[:] = self.constraint.ends


def compile_constraint(
    tokenizer: Any, vocab_size: int, eos_ids: Sequence[int], schema: str, *, max_string: int | None = None
) -> Constraint:
    """The constraint of a schema, kept for the next call with the same tokenizer.

    tokenizer: a PreTrainedTokenizerFast. vocab_size: the width of the logits, which may be more or less than the
    tokenizer has tokens. schema: ReplySchema.text. max_string: length limit, in characters, of a string that has
    neither maxLength nor pattern nor format.

    Raises ValueError with the reason where the schema cannot be enforced, or the tokenizer cannot write it.
    """
    with _LOCK:
        kept = _CONSTRAINTS.setdefault(tokenizer, OrderedDict())
        key = (vocab_size, tuple(eos_ids), schema, max_string)
        if key not in kept:
            kept[key] = _compiled(tokenizer, vocab_size, tuple(eos_ids), grammar_of(schema, max_string))
            if len(kept) > _KEPT:
                kept.popitem(last=False)
        kept.move_to_end(key)
        return kept[key]


def compile_verbatim(tokenizer: Any, vocab_size: int, eos_ids: Sequence[int], text: str, pieces: int) -> Constraint:
    """The constraint of a reply that is 1 to `pieces` runs of words of the text, one a line. Raises ValueError for a
    text without any."""
    with _LOCK:
        return _compiled(tokenizer, vocab_size, tuple(eos_ids), verbatim_grammar(text, pieces))


def fill_masks(states: Sequence[State | None], logits: torch.Tensor) -> None:
    """Sets the logits of tokens that are not allowed to -inf. logits: [rows, vocab_size], on any device. A row whose
    state is None is not changed. Masks are computed on all cores, without the interpreter lock."""
    rows = [i for i, state in enumerate(states) if state is not None]
    present = [state for state in states if state is not None]
    if not present:
        return
    words = np.zeros((len(present), max(state.constraint.n_words for state in present)), np.uint32)
    jobs = [(state.matcher, i) for i, state in enumerate(present) if not state.finished and state.problem is None]
    if jobs:
        _executor().unsafe_compute_mask_ptr(jobs, words.ctypes.data, words.shape[1] * 4, len(present))
    width = logits.shape[1]
    for state, own in zip(present, words, strict=True):
        state.closed(_within(own[: state.constraint.n_words], width))
    forbidden = _spread(~words, width, logits.device)
    if len(rows) == len(logits):
        logits.masked_fill_(forbidden, float("-inf"))
    else:
        logits[rows] = logits[rows].masked_fill(forbidden, float("-inf"))


def _within(words: Words, width: int) -> Words:
    """The words, without bits of tokens for which there are no logits."""
    words[(width + 31) // 32 :] = 0
    if width % 32 and width // 32 < len(words):
        words[width // 32] &= np.uint32((1 << width % 32) - 1)
    return words


def _spread(bits: Words, width: int, device: torch.device) -> torch.Tensor:
    """Bits to bool [rows, width]. A GPU gets the packed bits: an eighth of the transfer."""
    missing = (width + 31) // 32 - bits.shape[1]
    if missing > 0:
        bits = np.pad(bits, ((0, 0), (0, missing)), constant_values=np.uint32(0xFFFFFFFF))
    if device.type == "cpu":
        return torch.from_numpy(
            np.unpackbits(bits.view(np.uint8), axis=1, count=width, bitorder="little").view(np.bool_)
        )
    return spread_there(torch.from_numpy(bits.view(np.uint8)).to(device), width)


def spread_there(packed: torch.Tensor, width: int) -> torch.Tensor:
    """[rows, width] of bool from [rows, bytes] of uint8, lowest bit first, where the bytes are."""
    bits = (packed.unsqueeze(-1) >> torch.arange(8, dtype=torch.uint8, device=packed.device)) & 1
    return bits.reshape(len(packed), -1)[:, :width].bool()


@functools.cache
def _executor() -> Any:
    return LLExecutor()


def _compiled(tokenizer: Any, vocab_size: int, eos_ids: tuple[int, ...], grammar: Grammar) -> Constraint:
    if not eos_ids:
        raise ValueError("the model has no token that ends a reply")
    n_tokens = max(vocab_size, len(tokenizer))
    kept = _TOKENIZERS.setdefault(tokenizer, {})
    if (n_tokens, eos_ids) not in kept:
        reader = _tokenizer(tokenizer, n_tokens, eos_ids)
        kept[n_tokens, eos_ids] = (reader, pieces_of(reader, eos_ids))
    reader, pieces = kept[n_tokens, eos_ids]
    missing = unwritable(pieces, grammar.literals)
    if missing is not None:
        raise ValueError(f"the model's vocabulary has no tokens for {missing!r}, so it cannot write this JSON")
    matcher = LLMatcher(reader, LLMatcher.grammar_from_lark(grammar.text), log_level=0)
    if matcher.is_error():
        raise ValueError(f"the schema cannot be enforced: {_reason(matcher.get_error())}")
    constraint = Constraint(matcher, vocab_size, n_tokens, eos_ids)
    start = constraint.start()
    fill_masks([start], torch.zeros(1, vocab_size))
    if start.problem is not None:
        raise ValueError(f"the schema cannot be enforced: {start.problem}")
    return constraint


def _too_complex(message: str) -> str:
    return f"the schema is too complex for the grammar engine: {_reason(message)}"


def _reason(message: str) -> str:
    """llguidance's message, without the grammar that it prints with it."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if "Regex is empty" in message:
        return "no text without quotes, backslashes and control characters fits its pattern and length"
    if "Unable to determine if regex is empty" in message:
        return "a pattern and a length are too complex together: remove minLength or maxLength"
    reason = next((line for line in lines if line.startswith("error:")), lines[0] if lines else "no reason given")
    return reason.removeprefix("error:").strip()


def _tokenizer(tokenizer: Any, n_tokens: int, eos_ids: tuple[int, ...]) -> Any:
    try:
        return from_tokenizer(tokenizer, n_vocab=n_tokens, eos_token=list(eos_ids), slices=LLTokenizer.json_slices())
    except ValueError:
        # llguidance supports two encodings of bytes as tokens; token_bytes.py adds one.
        return LLTokenizer(
            wrapped(tokenizer, n_tokens, eos_ids[0]),
            n_vocab=n_tokens,
            eos_token=list(eos_ids),
            slices=LLTokenizer.json_slices(),
        )
