"""Prompts in a model's own chat template, as token ids.

The template is rendered once with marks in place of the system message and the user message, and split at the marks;
the text around them is the scaffold. A prompt is its messages put into the scaffold and tokenised as one text, so its
tokens are those of transformers' apply_chat_template. The exception are messages that spell out control tokens: these
stay text (control_tokens.py).

A template that changes its messages is rendered for each prompt. A model without a template gets the system message, an
empty line, the user message and a line break, or the user message alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jinja2 import TemplateError

from inlay.backends.base import Choices, Encoded, Prompt
from inlay.backends.chat.control_tokens import GuardedTokenizer, Ids
from inlay.backends.pretrained import quiet
from inlay.errors import ModelError
from inlay.locks import new_lock
from inlay.models.ref import ModelRef

# From Unicode's private use area; a template has no reason to change them.
_MARKS = ("\uf1a0", "\uf1a1")
_AROUND = " \n"
_TOO_OLD = (
    "the text has a control token of the model, which this version of transformers cannot keep as text in the model's "
    "chat template: pip install -U transformers"
)
_SANITIZE = "sanitize_control_tokens"  # an option of apply_chat_template in newer versions of transformers 5

# Messages for testing a scaffold: templates are known to change such texts.
_PROBES = ("x", "\n\n x {{y}} <b>\n", " é  \n\n")


@dataclass(frozen=True)
class Scaffold:
    """The text around the messages of a prompt: one piece more than there are messages. trims: per message, whether the
    template strips white space at its beginning and at its end. control: all control tokens, in order."""

    pieces: tuple[str, ...]
    trims: tuple[tuple[bool, bool], ...]
    control: tuple[int, ...] = ()

    def filled(self, parts: Sequence[str]) -> list[tuple[str, bool]]:
        """(piece, whether it is data) in order."""
        pieces = [(self.pieces[0], False)]
        for part, (left, right), after in zip(parts, self.trims, self.pieces[1:], strict=True):
            part = part.lstrip() if left else part
            pieces += [(part.rstrip() if right else part, True), (after, False)]
        return pieces

    def text(self, parts: Sequence[str]) -> str:
        return "".join(piece for piece, _ in self.filled(parts))


class ChatPrompts:
    """Callable from several threads at once.

    tokenizer: a tokenizer of transformers that is used here only. ends: ids of the tokens that end a reply.
    """

    def __init__(self, ref: ModelRef, tokenizer: Any, ends: Sequence[int], *, encoder_decoder: bool) -> None:
        self._ref = ref
        self._tokenizer = tokenizer
        self._encoder_decoder = encoder_decoder
        self._options = {"enable_thinking": False, **dict(ref.chat_template_options)}
        self._keeps_text = _SANITIZE in inspect.signature(tokenizer.apply_chat_template).parameters
        self._lock = new_lock()
        template = tokenizer.chat_template
        self._has_template = bool(template)
        source = template if isinstance(template, str) else "\n".join((template or {}).values())
        self.guarded = GuardedTokenizer(tokenizer, source)
        # A base model's prompt has no closing token: the reply continues the prompt.
        self._leaves_out = len(self.guarded.closing) if not (self._has_template or encoder_decoder) else 0
        self._takes_system = self._has_template and self._renders_system()
        self._scaffolds = {n_parts: self._scaffold(n_parts) for n_parts in (1, 2)}
        self._lead, self._end = self._answer(ends)

    def encode(self, system: str, prompts: Sequence[Prompt], reply_tokens: int) -> list[Encoded | str]:
        """Each prompt's tokens, with room for reply_tokens more, or the reason why it cannot be read."""
        encoded = self._ids(system, [prompt.content for prompt in prompts])
        room = self._ref.max_tokens - (0 if self._encoder_decoder else reply_tokens)
        rows: list[Encoded | str] = []
        for prompt, ids in zip(prompts, encoded, strict=True):
            if isinstance(ids, str):
                rows.append(ids)
            elif not len(ids):
                rows.append("the prompt is empty: the tokenizer finds no token in it")
            elif len(ids) <= room:
                rows.append(Encoded(ids))
            elif self._ref.too_long == "error":
                rows.append(self._too_long(len(ids), reply_tokens))
            else:
                rows.append(self._cut(system, prompt, len(ids), room, reply_tokens))
        return rows

    def questions(
        self,
        choices: Choices,
        texts: Sequence[str],
        pairs: Sequence[str] | None,
        answer_tokens: int,
        tags: Sequence[str] | None = None,
    ) -> list[tuple[Ids, int]]:
        """(tokens up to where the answer begins, number of tokens before any cut) for each text. A text that leaves no
        room for the answer is cut, unless that is an error; the answer is then counted too.

        Raises ValueError with the reason for a text that cannot be read."""
        prompts = self._questions(choices, texts, pairs, tags)
        room = self._ref.max_tokens - (0 if self._encoder_decoder else answer_tokens)
        rows = []
        for prompt, ids in zip(prompts, self._ids(choices.system, [prompt.content for prompt in prompts]), strict=True):
            if isinstance(ids, str):
                raise ValueError(ids)
            if len(ids) <= room or self._ref.too_long == "error":
                rows.append((ids, len(ids) + (0 if len(ids) <= room else answer_tokens)))
                continue
            cut = self._cut(choices.system, prompt, len(ids), room, answer_tokens)
            if isinstance(cut, str):
                raise ValueError(cut)
            rows.append((cut.ids, len(ids) + answer_tokens))
        return rows

    def _questions(
        self,
        choices: Choices,
        texts: Sequence[str],
        pairs: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
    ) -> list[Prompt]:
        """The prompt for each text. Where the model has no template, spaces at the end of the question are removed:
        tokenizers join them to the first word of the answer."""
        if not self._has_template and not choices.system:
            choices = replace(choices, user=choices.user.rstrip(" "))
        return choices.prompts(texts, pairs, tags)

    def options(self, choices: Choices) -> list[list[int]]:
        """Each option's tokens in the place of the answer, which may differ from the tokens of the option alone."""
        (prompt,) = self._questions(choices, ["x"], ["x"])
        before = self._rendered(choices.system, prompt.content)
        lead = self._lead
        if not self._has_template and not self._encoder_decoder:
            lead = "" if before.endswith("\n") else " "
        (alone,) = self.guarded.encode([before], special=False)
        options = []
        for option in choices.options:
            (both,) = self.guarded.encode([f"{before}{lead}{option}"], special=False)
            rest = both[len(alone) :]
            if self._encoder_decoder:
                (rest,) = self.guarded.encode([option], special=False)
            elif not np.array_equal(both[: len(alone)], alone):
                rest = np.array(self.guarded.following(f"{lead}{option}"), dtype=np.int32)
            if self.guarded.controls(rest):
                rest = np.array(self.guarded.as_data(f"{lead}{option}", first=self._encoder_decoder), dtype=np.int32)
            options.append(rest.tolist())
        return options

    @property
    def end(self) -> int | None:
        """The token that ends an answer, where the model has one."""
        return self._end

    def _ids(self, system: str, contents: Sequence[str]) -> list[Ids | str]:
        parts = [(system, content) if system else (content,) for content in contents]
        scaffold = self._scaffolds[2 if system else 1]
        if scaffold is None:
            return [self._rendered_ids(each) for each in parts]
        encoded = self._tokens([scaffold.text(each) for each in parts])
        rows: list[Ids | str] = []
        for each, ids in zip(parts, encoded, strict=True):
            as_written = tuple(self.guarded.controls(ids)) == scaffold.control
            if as_written and not any(self.guarded.spells_unknown(part) for part in each):
                rows.append(ids)
            else:
                rows.append(self._as_data(scaffold, each))
        return rows

    def _tokens(self, texts: Sequence[str]) -> list[Ids]:
        encoded = self.guarded.encode(texts, special=not self._has_template)
        return [ids[: len(ids) - self._leaves_out] for ids in encoded]

    def _as_data(self, scaffold: Scaffold, parts: Sequence[str]) -> Ids | str:
        try:
            ids = self.guarded.joined(scaffold.filled(parts))
        except ValueError as error:
            return str(error)
        if not self._has_template:
            closing = self.guarded.closing if self._encoder_decoder else []
            ids = np.array([*self.guarded.opening, *ids, *closing], dtype=np.int32)
        return ids

    def _rendered_ids(self, parts: Sequence[str]) -> Ids | str:
        """By transformers, for templates that are rendered for each prompt. Where it is too old to keep a row's control
        tokens as text, a prompt that has others than a harmless one is refused."""
        try:
            with self._lock:
                options = {**self._options, **({_SANITIZE: True} if self._keeps_text else {})}
                ids = _applied(self._tokenizer, self._messages(parts), options)
                harmless = (
                    ids if self._keeps_text else _applied(self._tokenizer, self._messages(["x"] * len(parts)), options)
                )
        except (TemplateError, ValueError, TypeError) as error:
            return f"the model's chat template refuses this prompt: {error}"
        if self.guarded.controls(ids) != self.guarded.controls(harmless):
            return _TOO_OLD
        return ids

    def _too_long(self, n_tokens: int, reply_tokens: int) -> str:
        window = self._ref.max_tokens
        if n_tokens > window or self._encoder_decoder:
            reason = f"the prompt has {n_tokens:,} tokens; model {self._ref.name!r} reads {window:,}"
        else:
            reason = (
                f"the prompt has {n_tokens:,} tokens and its reply may have {reply_tokens:,}; model "
                f"{self._ref.name!r} takes {window:,} for both"
            )
        return f"{reason}. Shorten the text, set a smaller max_tokens, or set too_long = 'truncate' for this model"

    def _cut(self, system: str, prompt: Prompt, n_tokens: int, room: int, reply_tokens: int) -> Encoded | str:
        """The prompt with as much of the beginning of prompt.text as fits."""
        offsets = self.guarded.offsets(prompt.text)
        keep = len(offsets) - (n_tokens - room)
        if keep <= 0:  # unless the template writes the text several times, there is no room for any of it
            keep = len(offsets) * max(room, 0) // n_tokens
        while keep > 0:
            (ids,) = self._ids(system, [prompt._replace(text=prompt.text[: offsets[keep - 1][1]]).content])
            if isinstance(ids, str):
                return ids
            if len(ids) <= room:
                return Encoded(ids, truncated=True)
            keep -= len(ids) - room
        return (
            f"the prompt has {n_tokens:,} tokens, and does not fit even without the row's text: model "
            f"{self._ref.name!r} takes {self._ref.max_tokens:,}, {reply_tokens:,} of them for the reply. "
            "Set a smaller max_tokens, or use a model with a larger window"
        )

    def _renders_system(self) -> bool:
        """Whether the template uses a system message: some refuse it, some drop it."""
        messages = [{"role": "system", "content": _MARKS[0]}, {"role": "user", "content": "x"}]
        try:
            return _MARKS[0] in self._render(messages)
        except (TemplateError, TypeError, ValueError):
            return False

    def _messages(self, parts: Sequence[str]) -> list[dict[str, str]]:
        if len(parts) == 2 and not self._takes_system:
            return [{"role": "user", "content": "\n\n".join(parts)}]
        roles = ("system", "user")[-len(parts) :]
        return [{"role": role, "content": part} for role, part in zip(roles, parts, strict=True)]

    def _scaffold(self, n_parts: int) -> Scaffold | None:
        """None where the template has to be rendered for each prompt."""
        scaffold: Scaffold | None
        if self._has_template:
            try:
                text = self._render(self._messages([f"{_AROUND}{mark}{_AROUND}" for mark in _MARKS[:n_parts]]))
            except (TemplateError, TypeError, ValueError) as error:
                raise ModelError(
                    f"model {self._ref.name!r}: its chat template cannot be rendered: {error}. Correct "
                    f"chat_template_options in [models.{self._ref.name}], or remove the template from the model's "
                    "folder."
                ) from error
            scaffold = _cut_at_marks(text, n_parts)
            if scaffold is None or not all(self._agrees(scaffold, probe) for probe in _PROBES):
                return None
        else:
            scaffold = Scaffold(("", "\n\n", "\n") if n_parts == 2 else ("", ""), ((False, False),) * n_parts)
        (ids,) = self._tokens([scaffold.text(["x"] * n_parts)])
        return replace(scaffold, control=tuple(self.guarded.controls(ids)))

    def _agrees(self, scaffold: Scaffold, probe: str) -> bool:
        parts = [probe] * len(scaffold.trims)
        return self._render(self._messages(parts)) == scaffold.text(parts)

    def _rendered(self, system: str, content: str) -> str:
        parts = (system, content) if system else (content,)
        scaffold = self._scaffolds[len(parts)]
        return self._render(self._messages(parts)) if scaffold is None else scaffold.text(parts)

    def _render(self, messages: list[dict[str, str]], *, opened: bool = True) -> str:
        with self._lock, quiet():
            return str(
                self._tokenizer.apply_chat_template(
                    messages, tokenize=False, add_generation_prompt=opened, **self._options
                )
            )

    def _answer(self, ends: Sequence[int]) -> tuple[str, int | None]:
        """(white space before an answer, end token after it) in a reply that the template writes."""
        usual = self._tokenizer.eos_token_id
        end = usual if usual in ends else next(iter(ends), None)
        if not self._has_template:
            return "", end
        messages = self._messages(["x"])
        try:
            before = self._render(messages)
            replied = self._render([*messages, {"role": "assistant", "content": _MARKS[0]}], opened=False)
        except (TemplateError, TypeError, ValueError):
            return "", end
        lead, mark, after = replied[len(before) :].partition(_MARKS[0])
        if not replied.startswith(before) or not mark or lead.strip():
            return "", end
        (ids,) = self.guarded.encode([after], special=False)
        return lead, next((number for number in ids.tolist() if number in ends), end)


def _applied(tokenizer: Any, messages: list[dict[str, str]], options: dict[str, Any]) -> Ids:
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False, **options)
    return np.array(ids, dtype=np.int32)


def _cut_at_marks(text: str, n_parts: int) -> Scaffold | None:
    """None where a mark does not occur exactly once, or the white space around it is stripped in part."""
    pieces: list[str] = []
    trims: list[tuple[bool, bool]] = []
    for mark in _MARKS[:n_parts]:
        before, matched, text = text.partition(mark)
        if not matched or mark in text or any(other in before for other in _MARKS):
            return None
        left, right = not before.endswith(_AROUND), not text.startswith(_AROUND)
        trims.append((left, right))
        pieces.append(before if left else before.removesuffix(_AROUND))
        text = text if right else text.removeprefix(_AROUND)
    return Scaffold((*pieces, text), tuple(trims))
