"""Calls made ready to answer: options over settings, the model described, everything checked once and not per chunk."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa

from inlay.engine.answers import Table
from inlay.engine.question import Question, numbers_question
from inlay.errors import ConfigError, UnknownModelError
from inlay.functions.arrow import answer_schema
from inlay.functions.calibrated import OPTIONS, Calibration, check_can_be_calibrated, with_calibrations
from inlay.functions.calibrations import fitting_calibrations, is_to_be_calibrated, named_calibration
from inlay.functions.cascade.cascade import has_targets
from inlay.functions.contract import Bound, Call
from inlay.functions.decisions import read_questions, structure
from inlay.functions.possible_answers import are_possible
from inlay.functions.registry import bind_of
from inlay.functions.spec import FunctionSpec
from inlay.json_schema import read_schema
from inlay.locks import new_lock
from inlay.models.describe import describe
from inlay.models.head_card import HeadCard, check_name, read_card
from inlay.models.heads import describe_head
from inlay.models.ref import ModelRef
from inlay.settings.read import HEAD
from inlay.settings.schema import Settings
from inlay.store.calls import call_text, record_call
from inlay.store.codecs import Codec, codec_of
from inlay.store.results import Store
from inlay.types import Blank, OnBlank

# What the macros add to every call beside the function's own options.
NOT_OPTIONS = {"statement", "node"}


@dataclass(frozen=True)
class BoundCall:
    """A call that is ready. text: it, as it is written, in one canonical form; see call_text(). blank: what a blank
    text gives. judged: of a calibrated call, the signature of its question without its accuracy, and its
    calibrations."""

    spec: FunctionSpec
    call: Call
    bound: Bound
    on_error: str
    text: str
    blank: Blank = "null"
    judged: str = ""
    calibrations: tuple[HeadCard, ...] = ()

    @property
    def model(self) -> ModelRef:
        return self.call.model

    @property
    def codecs(self) -> list[Codec]:
        """Of the row values."""
        return [codec_of(argument.type) for argument in self.spec.args if not argument.is_setting]

    @cached_property
    def question(self) -> Question:
        """What the answers are stored by: the function's own question, or that of the model's numbers where these are
        the answer."""
        if self.bound.basis is None:
            return numbers_question(self.model, self.bound.prompt)
        return Question(self.spec.name, self.model, self._parts, self.codec(self.schema))

    @property
    def schema(self) -> pa.Schema:
        """Of what is stored of its answers."""
        return answer_schema(self.spec, is_silent=self.bound.is_silent)

    @cached_property
    def _parts(self) -> Mapping[str, Any]:
        assert self.bound.basis is not None
        return {
            "function": self.spec.name,
            "model": self.model.fingerprint,
            "dtype": self.model.dtype,
            "too_long": self.model.too_long,
            "prompts": dict(self.model.prompts),
            **self.bound.basis,
        }

    def question_about(self, schema: pa.Schema) -> Question:
        """The function's own question, where these columns of its answers are wanted."""
        names = tuple(schema.names)
        if names not in self._questions:  # whose signature is made once, and not for every chunk
            self._questions[names] = replace(self.question, answers=self.codec(schema))
        return self._questions[names]

    @cached_property
    def _questions(self) -> dict[tuple[str, ...], Question]:
        return {}

    def codec(self, schema: pa.Schema) -> Table:
        """Of the function's own answers. schema: the columns of them that are wanted."""
        return Table(schema, partial(are_possible, self._parts))

    def record(self, store: Store, structure: str | None) -> None:
        """Says in the store which result set answers this call, so that it can be looked up without Python. As it is
        written: two ways to write one call are two files that lead to one result set. structure: of a typed call, see
        Binding.structure()."""
        question = self.question
        stored = self.bound.basis is not None
        schema = self.schema if stored else pa.schema([("value", pa.list_(pa.float32()))])
        result_set = store.result_set(question.name, question.signature, question.parts, question.about)
        try:
            result_set.make_readable(schema)
            record_call(
                store.folder, self.text, result_set.name, schema.names, self.model.name, structure,
                asks_of_blanks=self.blank == "ask",
            )  # fmt: skip
        except (OSError, pa.ArrowException) as error:
            store.failed(error, 0)


class Binding:
    """The models and bound calls of one session, for as long as its settings hold. Thread-safe."""

    def __init__(self, settings: Settings, specs: Mapping[str, FunctionSpec]) -> None:
        self.settings = settings
        self.specs = specs
        self._lock = new_lock()
        self._models: dict[str, ModelRef] = {}
        self._calls: dict[str, BoundCall] = {}

    def model(self, name: str, function: str | None = None) -> ModelRef:
        """The described model of a registered name, or the trained head of a name such as head:intents. Raises
        UnknownModelError, or what describing it raises."""
        entry = self.settings.models.get(name)
        source = name if entry is None else entry.source
        if source.startswith(HEAD):
            return self._head(name, source.removeprefix(HEAD))
        with self._lock:
            described = self._models.get(name)
        if described is None:
            if entry is None:
                error = UnknownModelError.named(name, self.settings.models)
                raise UnknownModelError(f"{function}: {error}") if function else error
            described = describe(entry, device=self.settings.device, dtype=self.settings.dtype)
            with self._lock:
                self._models[name] = described
        return described

    def _head(self, name: str, reference: str) -> ModelRef:
        """Read anew each time, since it may have been trained anew meanwhile: which version is meant, a file says."""
        card = read_card(Path(self.settings.heads), reference)
        with self._lock:
            described = self._models.get(card.fingerprint)
        if described is None or described.name != name:
            described = describe_head(name, card, self.model(card.base), Path(self.settings.heads))
            with self._lock:
                self._models[card.fingerprint] = described
        return described

    def bound(self, function: str, labels: Any, options: Mapping[str, Any]) -> BoundCall:
        """The checked call. Raises ConfigError or ModelError."""
        key = repr((function, labels, [given for given in options.items() if given[0] not in NOT_OPTIONS]))
        with self._lock:
            call = self._calls.get(key)
        if call is not None and self._is_current(call):
            return call
        call = self._bind(self.specs[function], labels, options, call_text(function, labels, options))
        with self._lock:
            self._calls[key] = call
        return call

    def _is_current(self, call: BoundCall) -> bool:
        """Whether the heads that it means are still the ones that their names mean."""
        heads = [ref for ref in (call.model, *call.call.heads.values()) if ref.base is not None]
        if not all(self.model(ref.name) is ref for ref in heads):
            return False
        return not call.judged or self._calibrations(call.call, call.judged) == call.calibrations

    def heads_of(self, spec: FunctionSpec, setting: Any) -> dict[str, ModelRef]:
        """By name, the trained heads that a call's questions name."""
        if spec.setting != "questions":
            return {}
        asked = read_questions(spec.name, setting)
        return {each.head: self.model(f"{HEAD}{each.head}", spec.name) for each in asked if each.head}

    def _bind(self, spec: FunctionSpec, labels: Any, options: Mapping[str, Any], text: str) -> BoundCall:
        given = {name: value for name, value in self.given(spec.name, options).items() if name not in NOT_OPTIONS}
        _check_names(spec, [*given, *options])
        on_error = self.on_error(spec.name, options)
        name = self.model_name(spec, labels, given)
        if not isinstance(name, str):
            raise ConfigError(f"{spec.name}: model is {name!r}; it must be the name of a registered model.")
        proxy = self.proxy(spec, given) if has_targets(given) else None
        model, heads = self.model(name, spec.name), self.heads_of(spec, labels)
        call = Call(spec.name, model, given, labels, proxy, self.settings.prompts_folder, heads)
        blank = self._blank(spec, given)
        if not is_to_be_calibrated(spec, call):
            return BoundCall(spec, call, bind_of(spec)(call), on_error, text, blank)
        judged = self.judged(spec, labels, given)
        question = judged.question.signature
        cards = self._calibrations(call, question)
        found = [Calibration.read(Path(self.settings.heads), card) for card in cards]
        bound = with_calibrations(call, judged.bound, found)
        return BoundCall(spec, call, bound, on_error, text, blank, question, cards)

    def judged(self, spec: FunctionSpec, labels: Any, given: Mapping[str, Any]) -> BoundCall:
        """The call without its accuracy, by whose question a calibration is found. given: its options. Raises
        ConfigError for those that a calibration does not go with."""
        _check_names(spec, given)
        left = {name: value for name, value in given.items() if name not in (*OPTIONS, *NOT_OPTIONS)}
        model = self.model(str(self.model_name(spec, labels, left)), spec.name)
        call = Call(spec.name, model, left, labels, None, self.settings.prompts_folder, is_calibrated=True)
        check_can_be_calibrated(call)
        return BoundCall(spec, call, bind_of(spec)(call), "null", call_text(spec.name, labels, left))

    def _calibrations(self, call: Call, question: str) -> tuple[HeadCard, ...]:
        """Those that the call names, or that were made for its question. Raises ConfigError where there are none."""
        heads = Path(self.settings.heads)
        if (named := call.options.get("calibration")) is not None:
            return (named_calibration(call, heads, named, question),)
        return fitting_calibrations(call, heads, question)

    def model_name(self, spec: FunctionSpec, labels: Any, given: Mapping[str, Any]) -> Any:
        """The name of the model that a call means. given: its options, over those of the configuration."""
        if spec.setting == "head":
            if not isinstance(labels, str):
                raise ConfigError(f"{spec.name}: head is {labels!r}; it must be the name of a head, e.g. 'intents'.")
            named = labels.removeprefix(HEAD)
            check_name(named.partition("@")[0])
            return f"{HEAD}{named}"
        return given.get("model") or self.default_model(spec)

    def default_model(self, spec: FunctionSpec) -> str:
        """The model of a call that names none."""
        configured = self.settings.functions.get(spec.name, {}).get("model")
        if configured is not None:
            return str(configured)
        if spec.default_model is not None:
            return spec.default_model
        if spec.language_model and self.settings.language_model is not None:
            return self.settings.language_model
        return self.settings.model

    def proxy(self, spec: FunctionSpec, given: Mapping[str, Any]) -> ModelRef:
        """What stands in for the exact model where it is sure: the model named, or the default."""
        name = given.get("proxy") or self.settings.model
        if not isinstance(name, str):
            raise ConfigError(f"{spec.name}: proxy is {name!r}; it must be the name of a registered embedding model.")
        return self.model(name, spec.name)

    def given(self, function: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Options of a call over those of the configuration."""
        asked = {name: value for name, value in options.items() if value is not None}
        return {**self.settings.functions.get(function, {}), **asked}

    def structure(self, spec: FunctionSpec, setting: Any) -> str:
        """What from_json() of DuckDB makes of the answers of a typed call."""
        if spec.setting == "questions":
            return structure(read_questions(spec.name, setting), self.heads_of(spec, setting))
        if spec.setting != "head":
            return read_schema(spec.name, setting).structure
        card = self.model(self.model_name(spec, setting, {}), spec.name).card
        assert card is not None
        return json.dumps([card.answer.removesuffix("[]")] if card.answer.endswith("[]") else card.answer)

    def has_targets(self, function: str, options: Mapping[str, Any]) -> bool:
        """Whether a call is to be answered within targets, which hold over all of its inputs together."""
        return has_targets(self.given(function, options))

    def needs_all(self, function: str, options: Mapping[str, Any], is_first: bool) -> bool:
        """Whether answers depend on all inputs of a call together. is_first: whether none of them has an answer yet;
        labels that moved towards some inputs cannot answer others, and such a call is then refused."""
        return self.has_targets(function, options) or (is_first and bool(self.given(function, options).get("adapt")))

    def _blank(self, spec: FunctionSpec, given: Mapping[str, Any]) -> Blank:
        asked = given.get("on_blank")
        if asked not in (None, *get_args(OnBlank)):
            raise ConfigError(f"{spec.name}: on_blank is {asked!r}; it must be 'skip' or 'answer'.")
        return "ask" if asked == "answer" else spec.blank

    def on_error(self, function: str, options: Mapping[str, Any]) -> str:
        asked = options.get("on_error") or self.settings.functions.get(function, {}).get("on_error")
        if asked not in (None, "null", "raise"):
            raise ConfigError(f"{function}: on_error is {asked!r}; it must be 'null' or 'raise'.")
        return asked or self.settings.on_error


def _check_names(spec: FunctionSpec, options: Iterable[str]) -> None:
    known = {option.name for option in spec.options}
    if (unknown := next((name for name in options if name not in known | NOT_OPTIONS), None)) is not None:
        raise ConfigError.unknown_option(spec.name, unknown, known)
