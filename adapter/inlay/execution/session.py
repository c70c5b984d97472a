"""The composition root: one Session per DuckDB database instance, holding what its functions need."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from inlay.arrays import Bools, Ints, array_numbers, numbers_array, true_places
from inlay.engine.cancel import Token
from inlay.engine.foresight import ForeseenGeneration, Foresight
from inlay.engine.generation import Generation
from inlay.engine.inference import Inference, Outcome, Told, about_model, numbers_name, numbers_question
from inlay.engine.limits import Limits
from inlay.engine.pool import loaded_models
from inlay.engine.result_cache import Memory
from inlay.errors import ConfigError, InlayError, NotAttachedError, RowsFailedError, UnknownModelError
from inlay.execution.ledger import EXCERPT, Entry, Ledger
from inlay.execution.progress import Progress
from inlay.functions.arrow import answer_schema, answer_table, detail_array, value_array
from inlay.functions.cascade.cascade import has_targets
from inlay.functions.configured import configured_definitions
from inlay.functions.contract import Answers, Ask, Bound, Call, Closeness
from inlay.functions.registry import bind_of
from inlay.functions.spec import FunctionSpec
from inlay.json_schema import read_schema
from inlay.models.describe import describe
from inlay.models.locate import local_folder
from inlay.models.ref import ModelRef
from inlay.settings.read import WITHOUT_FILES
from inlay.settings.schema import Settings
from inlay.store.account import Account, Failure, call_of, read_certificates, read_errors, read_ledger
from inlay.store.calls import call_text, record_call
from inlay.store.inputs import Inputs, distinct_inputs
from inlay.store.keys import signature
from inlay.store.parts import with_inputs
from inlay.store.results import Store
from inlay.store.shelf import Shelf

_numbers = itertools.count(1)

# What the macros add to every call beside the function's own options.
_OURS = {"statement", "node"}

# Texts whose vectors are asked for at once; a killed process has lost no more.
VECTORS_AT_A_TIME = 8_192


class Session:
    """Settings, definitions, models, results and account of one database instance."""

    def __init__(self, settings: Settings) -> None:
        self.number = next(_numbers)
        self.attached = True
        self.ledger = Ledger()
        self.memory = Memory(settings.memory_mb * 1_000_000)
        self._views: re.Pattern[str] | None = None
        self._lock = threading.Lock()
        self._models: dict[str, ModelRef] = {}
        self._calls: dict[tuple[str, str], tuple[Call, Bound]] = {}
        self._recorded: set[str] = set()
        self._where: tuple[str | None, str] = (None, "")
        self.store: Store | None = None
        self.account: Account | None = None
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Takes new settings; what is known stays known, since keys hold everything that can change an answer."""
        self.settings = settings
        self.specs: dict[str, FunctionSpec] = configured_definitions(settings)
        names = [spec.name for spec in self.specs.values() if not spec.is_table]
        self._call_pattern = re.compile(
            rf'{settings.prefix}(?:try_)?(?:{"|".join(map(re.escape, names))})"?\s*\(', re.IGNORECASE
        )
        self._named = re.compile("|".join(re.escape(settings.prefix + name) for name in self.specs), re.IGNORECASE)
        self.memory.budget_bytes = settings.memory_mb * 1_000_000
        self.progress = Progress(settings.progress)
        where = (settings.store, settings.store_mode)
        if where != self._where:  # with the same store, its index and this run's account go on
            self.store, self.account = open_store(settings), None
            self._where = where
        if self.store is not None and self.account is None:
            self.account = Account(self.store)
        self.inference: Inference = Inference(
            self.memory,
            self.store,
            store_vectors=settings.store_vectors,
            store_inputs=settings.store_inputs,
            limits=Limits.of(settings),
        )
        self.generation = Generation(self.inference)
        with self._lock:
            self._models.clear()
            self._calls.clear()
            self._recorded.clear()  # another default model answers the same words

    def calls(self, sql: str) -> bool:
        """Whether a text may call one of the functions."""
        return self._call_pattern.search(sql) is not None

    def may_need_macros(self, sql: str) -> bool:
        """Whether a statement names a function of ours, a table function too, or a view that calls one."""
        return self._named.search(sql) is not None or self.may_call(sql)

    def may_call(self, sql: object) -> bool:
        """Whether a statement may call one of the functions, by itself or through a view: all that every other
        statement costs."""
        return isinstance(sql, str) and (
            self.calls(sql) or (self._views is not None and self._views.search(sql) is not None)
        )

    def plan_views(self, names: Iterable[str]) -> None:
        """Statements that mention one of these views are planned from here on."""
        found = "|".join(re.escape(name) for name in names)
        self._views = re.compile(rf"\b(?:{found})\b", re.IGNORECASE) if found else None

    def model(self, name: str, function: str | None = None) -> ModelRef:
        """The described model of a registered name. Raises UnknownModelError, or what describing it raises."""
        with self._lock:
            found = self._models.get(name)
        if found is None:
            entry = self.settings.models.get(name)
            if entry is None:
                error = UnknownModelError.named(name, self.settings.models)
                raise UnknownModelError(f"{function}: {error}") if function else error
            found = describe(entry, device=self.settings.device, dtype=self.settings.dtype)
            with self._lock:
                self._models[name] = found
        return found

    def answer(
        self,
        function: str,
        columns: list[pa.Array],
        labels: Any,
        options: Mapping[str, Any],
        *,
        statement: int | None = None,
        detail: bool = False,
        n_rows: int | None = None,
        whole: bool = False,
        counts: pa.Array | None = None,
    ) -> pa.Array:
        """One value per row of `columns`, which are strings of equal length; NULL where any of them is NULL.

        detail gives the struct of try_ai_*. n_rows: how many rows of the statement these stand for, where they were
        made distinct before; for the ledger. whole: these are all the inputs that the statement has for this call, so
        that targets (recall, precision, agreement) may be met by a cascade; else the exact model answers every row.
        counts: how many rows of the statement each of these stands for; one if not given.

        Raises ConfigError or ModelError before any row is touched, and RowsFailedError when rows failed and on_error
        is 'raise'.
        """
        if not self.attached:
            raise NotAttachedError(
                f"{function}: inlay was detached from this database. Attach again: inlay.attach(con)"
            )
        spec = self.specs[function]
        call, bound = self._bound(spec, labels, options)
        on_error = self.on_error(function, options)
        said = json.dumps([labels, {k: v for k, v in options.items() if k not in _OURS}], default=str, sort_keys=True)
        valid = _valid_rows(columns)
        node = str(options.get("node") or "")
        entry = self.ledger.begin(
            statement, function, call.model, said, len(columns[0]) if n_rows is None else n_rows, node
        )
        try:
            rows = columns if valid.true_count == len(valid) else [column.filter(valid) for column in columns]
            inputs = distinct_inputs(rows, are_distinct=n_rows is not None)
            if whole and bound.cascade is not None and not self.planning and len(inputs):
                stands_for = _rows_of_each(inputs, valid, counts)
                found = self._within_targets(spec, call, bound, inputs, stands_for, entry, said, detail)
            else:
                found = self._answers(spec, call, bound, inputs, entry, len(columns[0]), detail)
        finally:
            self.ledger.end(
                entry, loaded_models().get(call.model.fingerprint, "") if entry.tokens or entry.inferred else ""
            )
            if self.account is not None:
                self.account.write(self.ledger.account_rows)
        if found.errors and not self.planning:
            self._report(call, labels, inputs, found.errors, on_error, node)
        if detail:
            decided_by = call.model.name if found.models is None else found.models
            made = detail_array(found.table, found.errors, decided_by, found.known)
        else:
            made = value_array(found.table)
        return _spread(made, inputs.inverse, valid)

    def closeness(self, function: str, labels: Any, options: Mapping[str, Any]) -> Closeness | None:
        """How a call's answer is made of a cosine; None where it is not. Raises ConfigError or ModelError."""
        return self._bound(self.specs[function], labels, options)[1].closeness

    def vectors(
        self,
        function: str,
        sides: tuple[pa.Array, pa.Array],
        labels: Any,
        options: Mapping[str, Any],
        *,
        statement: int | None,
        n_rows: int,
    ) -> list[Outcome]:
        """The unit vectors that a call's closeness is made of: of each row value's distinct texts, without NULL.

        In the ledger the texts are the inputs, not the pairs of them. A text that got no answer is listed once, with
        the first of the other side. n_rows: rows of the statement that the texts come from.
        """
        call, bound = self._bound(self.specs[function], labels, options)
        if bound.closeness is None:
            raise ConfigError(f"{function}: its answers are not made of cosines.")
        said = json.dumps([labels, {k: v for k, v in options.items() if k not in _OURS}], default=str, sort_keys=True)
        node = str(options.get("node") or "")
        entry = self.ledger.begin(statement, function, call.model, said, n_rows, node)
        n_texts = sum(map(len, sides))
        try:
            outcomes = []
            for texts, purpose in zip(sides, bound.closeness.purposes, strict=True):
                inputs = distinct_inputs([texts], are_distinct=True)
                parts = []
                # What a killed process loses is one part.
                for start in range(0, len(texts), VECTORS_AT_A_TIME):
                    part = texts.slice(start, VECTORS_AT_A_TIME)
                    with self.progress.working(f"{function} {call.model.name}", n_texts) as told:
                        ask = self._asking(call.model, told, entry)
                        parts.append(ask.vectors(part.to_pylist(), purpose))
                    self.ledger.count(
                        entry,
                        inputs.keys[start : start + VECTORS_AT_A_TIME],
                        parts[-1].known,
                        {} if self.planning else parts[-1].errors,
                        **ask.spent(),
                    )
                outcomes.append(_joined(parts, call.model.width))
        finally:
            self.ledger.end(
                entry, loaded_models().get(call.model.fingerprint, "") if entry.tokens or entry.inferred else ""
            )
            if self.account is not None:
                self.account.write(self.ledger.account_rows)
        failed = [
            ((i, 0) if side == 0 else (0, i), reason)
            for side, outcome in enumerate(outcomes)
            for i, reason in sorted(outcome.errors.items())
        ]
        if failed and not self.planning and all(map(len, sides)):
            pairs = [side.take(pa.array([at[k] for at, _ in failed])) for k, side in enumerate(sides)]
            listed = {place: reason for place, (_, reason) in enumerate(failed)}
            self._report(call, labels, distinct_inputs(pairs, are_distinct=True), listed, "null", node)
        return outcomes

    def _answers(
        self,
        spec: FunctionSpec,
        call: Call,
        bound: Bound,
        inputs: Inputs,
        entry: Entry,
        n_rows: int,
        detail: bool,
    ) -> Found:
        """What is stored, and for the rest what the function answers now, in the order of the distinct inputs. Without
        detail only the values."""
        schema = answer_schema(spec)
        if not detail:
            schema = pa.schema([schema.field("value")])
        n = len(inputs)
        if not n:
            return Found(schema.empty_table(), {}, np.zeros(0, dtype=np.bool_))
        stored, own, table = self._stored(spec, call, bound, inputs, entry, schema)
        known = np.zeros(n, dtype=np.bool_)
        known[stored] = True
        missing = np.flatnonzero(~known)
        known[own] = False
        if not len(missing):
            self.ledger.count(entry, inputs.keys, known, {})
            return Found(_in_order([table], stored), {}, known)
        asked = inputs if not len(stored) else inputs.take(missing)
        texts = [column.to_pylist() for column in asked.columns]
        with self.progress.working(f"{call.function} {call.model.name}", n_rows) as told:
            ask = self._asking(call.model, told, entry)
            answers = bound.answer(texts, ask)
        errors = {int(missing[i]): reason for i, reason in answers.errors.items()}
        known[missing] = answers.known
        made = answer_table(answers, spec)
        shelf = self._shelf(spec, call, bound)
        # Of a plan nothing is kept: without the numbers of new labels it has no answers even to known texts.
        if shelf is not None and self.store is not None and not self.planning:
            good = np.array([i for i in range(len(missing)) if i not in answers.errors], dtype=np.int64)
            kept = made.take(numbers_array(good))
            if self.settings.store_inputs:
                kept = with_inputs(kept, [[column[i] for i in good] for column in texts])
            self.store.publish(shelf, asked.keys[good], kept)
        self.ledger.count(
            entry,
            inputs.keys,
            known,
            {} if self.planning else errors,
            **ask.spent(),
        )
        answered = _in_order([table, made.select(schema.names)], np.concatenate([stored, missing]))
        return Found(answered, errors, known)

    def _within_targets(
        self,
        spec: FunctionSpec,
        call: Call,
        bound: Bound,
        inputs: Inputs,
        counts: Ints,
        entry: Entry,
        said: str,
        detail: bool,
    ) -> Found:
        """Answers of which some are the proxy's. What the exact model says goes the way of any exact answer, to the
        store too; what the proxy says is stored nowhere. Which inputs are asked does not depend on what is stored, so
        the same inputs get the same answers again."""
        assert bound.cascade is not None
        proxy = bound.cascade.proxy
        parts: list[tuple[Ints, Found]] = []

        def exact(places: Ints) -> list[Any]:
            found = self._answers(spec, call, bound, inputs.take(places), entry, len(places), detail)
            parts.append((places, found))
            values: list[Any] = found.table["value"].to_pylist()
            return values

        line = self.ledger.begin(entry.statement, call.function, proxy, said, int(counts.sum()), entry.node)
        try:
            with self.progress.working(f"{call.function} {proxy.name}", int(counts.sum())) as told:
                ask = self._asking(proxy, told, line)
                routed = bound.cascade(
                    [column.to_pylist() for column in inputs.columns],
                    ask,
                    exact,
                    ids=np.ascontiguousarray(inputs.keys[:, :8]).view(np.uint64)[:, 0],
                    counts=counts,
                    seed=int(signature(answer_question(spec, call, bound))[:15], 16),
                )
            self.ledger.count(
                line,
                inputs.keys,
                routed.known,
                {},
                **ask.spent(),
            )
        finally:
            self.ledger.end(line, loaded_models().get(proxy.fingerprint, "") if line.tokens or line.inferred else "")
        for question, certificate in routed.certificates:
            self.ledger.certify(entry, proxy.name, question, certificate)
        if self.account is not None:
            self.account.certified(self.ledger.certificate_rows)
        rest = np.flatnonzero(~routed.asked)
        guessed = Answers([routed.values[i] for i in rest], {}, routed.known[rest])
        schema = answer_schema(spec) if detail else pa.schema([answer_schema(spec).field("value")])
        parts.append((rest, Found(answer_table(guessed, spec).select(schema.names), {}, routed.known[rest])))
        known = np.zeros(len(inputs), dtype=np.bool_)
        errors: dict[int, str] = {}
        for places, found in parts:
            known[places] = found.known
            errors.update({int(places[i]): reason for i, reason in found.errors.items()})
        table = _in_order([found.table for _, found in parts], np.concatenate([places for places, _ in parts]))
        names = pa.array([proxy.name, call.model.name]).take(numbers_array(routed.asked.astype(np.int64)))
        return Found(table, errors, known, names)

    def _asking(self, model: ModelRef, told: Told, entry: Entry) -> Ask:
        return Ask(self.inference, self.generation, model, Token(), told, entry.number, planning=self.planning)

    def _stored(
        self, spec: FunctionSpec, call: Call, bound: Bound, inputs: Inputs, entry: Entry, schema: pa.Schema
    ) -> tuple[Ints, list[int], pa.Table]:
        """(positions of the inputs whose answers are stored; those among them that this statement's call computed
        itself, as far as that is known; the answers to the former in their order)."""
        if self.store is None:
            return np.zeros(0, dtype=np.int64), [], schema.empty_table()
        shelf = self._shelf(spec, call, bound)
        if shelf is None:
            return self._stored_numbers(self.store, call, bound, inputs, entry, schema)
        shelf.refresh(entry.number)
        stored, table = shelf.find(inputs.keys, schema.names)
        return stored, [], schema.empty_table() if table is None else table.cast(schema)

    def _stored_numbers(
        self, store: Store, call: Call, bound: Bound, inputs: Inputs, entry: Entry, schema: pa.Schema
    ) -> tuple[Ints, list[int], pa.Table]:
        """The same where the model's numbers are the answer: the engine would find them too, but a row at a time."""
        question = numbers_question(call.model, bound.prompt, pair=False)
        shelf = store.shelf(numbers_name(call.model), question, about_model(call.model))
        shelf.refresh(entry.number)
        stored, table = shelf.find(inputs.keys)
        if table is None:
            return stored, [], schema.empty_table()
        own = []
        if self.memory.has_rows_of(entry.number):
            signed = bytes.fromhex(shelf.signature)
            own = self.memory.owned([signed + inputs.keys[i].tobytes() for i in stored], entry.number)
        for field in list(schema)[1:]:
            table = table.append_column(field, pa.nulls(len(table), field.type))
        return stored, stored[own].tolist(), table.cast(schema)

    def _shelf(self, spec: FunctionSpec, call: Call, bound: Bound) -> Shelf | None:
        """Where answers of this call are stored; None without a store, and where the model's numbers, which are
        stored anyway, are the answer."""
        if self.store is None or bound.basis is None:
            return None
        return self.store.shelf(spec.name, answer_question(spec, call, bound), about_model(call.model))

    @property
    def planning(self) -> bool:
        return isinstance(self.inference, Foresight)

    def plan(self) -> Foresight:
        """From here on no model runs: calls answer what is known, and count the rest."""
        self.inference = foresight = Foresight(self.inference)
        self.generation = ForeseenGeneration(foresight)
        self.account = None
        return foresight

    def _record(self, spec: FunctionSpec, call: Call, bound: Bound, labels: Any, options: Mapping[str, Any]) -> None:
        """Says in the store which shelf answers this call, so that it can be looked up without Python."""
        if self.store is None or not self.store.writable or self.planning:
            return
        # As it is written: two ways to write one call are two files that lead to one shelf.
        written = call_text(spec.name, labels, options)
        if written in self._recorded:
            return
        self._recorded.add(written)
        if bound.basis is None:
            name, question = numbers_name(call.model), numbers_question(call.model, bound.prompt, pair=False)
            schema = pa.schema([("value", pa.list_(pa.float32()))])
        else:
            name, question, schema = spec.name, answer_question(spec, call, bound), answer_schema(spec)
        shelf = self.store.shelf(name, question, about_model(call.model))
        try:
            shelf.make_readable(schema)
            structure = read_schema(spec.name, labels).structure if spec.typed else None
            record_call(self.store.folder, written, shelf.name, schema.names, call.model.name, structure)
        except (OSError, pa.ArrowException) as error:
            self.store.failed(error, 0)

    def _bound(self, spec: FunctionSpec, labels: Any, options: Mapping[str, Any]) -> tuple[Call, Bound]:
        """The checked call; the same settings are checked once, not at every chunk."""
        known = {option.name for option in spec.options} | _OURS
        given = self._given(spec.name, options)
        for name in _OURS:
            given.pop(name, None)
        for name in (*given, *options):
            if name not in known:
                raise ConfigError.unknown_option(spec.name, name, known - _OURS)
        # Not sorted: the order of a schema's fields is part of what is asked.
        key = (spec.name, json.dumps([labels, given], default=str))
        with self._lock:
            bound = self._calls.get(key)
        if bound is None:
            name = given.get("model") or self.default_model(spec)
            if not isinstance(name, str):
                raise ConfigError(f"{spec.name}: model is {name!r}; it must be the name of a registered model.")
            proxy = self._proxy(spec, given) if has_targets(given) else None
            call = Call(spec.name, self.model(name, spec.name), given, labels, proxy)
            bound = call, bind_of(spec.name)(call)
            with self._lock:
                self._calls[key] = bound
        self._record(spec, *bound, labels, options)
        return bound

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

    def _proxy(self, spec: FunctionSpec, given: Mapping[str, Any]) -> ModelRef:
        """What stands in for the exact model where it is sure: the model named, or the default."""
        name = given.get("proxy") or self.settings.model
        if not isinstance(name, str):
            raise ConfigError(f"{spec.name}: proxy is {name!r}; it must be the name of a registered embedding model.")
        return self.model(name, spec.name)

    def _given(self, function: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Options of a call over those of the configuration."""
        asked = {name: value for name, value in options.items() if value is not None}
        return {**self.settings.functions.get(function, {}), **asked}

    def has_targets(self, function: str, options: Mapping[str, Any]) -> bool:
        """Whether a call is to be answered within targets, which hold over all of its inputs together."""
        return has_targets(self._given(function, options))

    def on_error(self, function: str, options: Mapping[str, Any]) -> str:
        asked = options.get("on_error") or self.settings.functions.get(function, {}).get("on_error")
        if asked not in (None, "null", "raise"):
            raise ConfigError(f"{function}: on_error is {asked!r}; it must be 'null' or 'raise'.")
        return asked or self.settings.on_error

    def _report(
        self,
        call: Call,
        labels: Any,
        inputs: Inputs,
        errors: Mapping[int, str],
        on_error: str,
        node: str,
    ) -> None:
        listed = [(" | ".join(inputs.row(i)), reason) for i, reason in sorted(errors.items())]
        for text, reason in listed:
            self.ledger.fail(call.function, call.model.name, text, reason)
        if self.account is not None:
            said = call_of(labels, {**call.options, "model": call.model.name})
            self.account.failed(
                [
                    Failure(node, call.function, call.model.name, said, inputs.row(i), reason)
                    for i, reason in sorted(errors.items())
                ]
            )
        if on_error == "raise":
            raise RowsFailedError.listed(call.function, [(text[:60], reason) for text, reason in listed])

    @contextlib.contextmanager
    def unaccounted(self) -> Iterator[None]:
        """What is asked meanwhile is in no ledger."""
        kept = self.ledger, self.account
        self.ledger, self.account = Ledger(), None
        try:
            yield
        finally:
            self.ledger, self.account = kept

    def close_account(self) -> None:
        """Writes the ledger as it stands now."""
        if self.account is not None:
            self.account.write(self.ledger.account_rows, now=True)

    def history_table(self) -> list[dict[str, Any]]:
        """The ledger of every run in the store, this one included."""
        if self.store is None:
            return []
        self.close_account()
        rows: list[dict[str, Any]] = read_ledger(self.store.folder).to_pylist()
        return rows

    def certificates_table(self) -> list[dict[str, Any]]:
        """What cascades promised: in this session, and before it in every run in the store."""
        own = self.ledger.certificate_rows()
        if self.store is None:
            return [{"run": None, **row} for row in own]
        run = None if self.account is None else self.account.run
        earlier = [row for row in read_certificates(self.store.folder).to_pylist() if row["run"] != run]
        return earlier + [{"run": run, **row} for row in own]

    def failures_table(self) -> list[dict[str, Any]]:
        """Every input that got no answer, in every run in the store."""
        if self.store is None:
            return []
        rows = read_errors(self.store.folder).to_pylist()
        named = ("run", "failed_at", "node", "function", "model")
        return [
            {**{name: row[name] for name in named}, "input": " | ".join(row["inputs"])[:EXCERPT], "error": row["error"]}
            for row in rows
        ]

    def models_table(self) -> list[dict[str, Any]]:
        """One row per registered model; a model that is not on this machine is listed with the reason."""
        loaded = loaded_models()
        rows = []
        for name, entry in sorted(self.settings.models.items()):
            row: dict[str, Any] = {
                "model": name, "task": entry.task, "source": entry.source, "backend": entry.backend or "torch",
                "width": None, "max_tokens": entry.max_tokens, "fingerprint": None, "device": None, "status": "here",
                "is_default": name == self.settings.model,
            }  # fmt: skip
            if not entry.source.startswith(WITHOUT_FILES) and local_folder(entry) is None:
                row["status"] = "not on this machine"
            else:
                try:
                    ref = self.model(name)
                    row |= {
                        "task": ref.task, "backend": ref.backend, "width": ref.width, "max_tokens": ref.max_tokens,
                        "fingerprint": ref.fingerprint, "device": loaded.get(ref.fingerprint),
                    }  # fmt: skip
                    row["status"] = "loaded" if row["device"] else "here"
                except InlayError as error:
                    row["status"] = str(error)
            rows.append(row)
        return rows


@dataclass(frozen=True)
class Found:
    """Answers to distinct inputs: columns of answer_schema(), reasons by position of those that failed, and which
    were known before this statement. models: the name of the one that decided each, where it was not always the
    call's."""

    table: pa.Table
    errors: Mapping[int, str]
    known: Bools
    models: pa.Array | None = None


def open_store(settings: Settings) -> Store | None:
    return Store(settings.store, settings.store_mode) if settings.store and settings.store_mode != "off" else None


def answer_question(spec: FunctionSpec, call: Call, bound: Bound) -> dict[str, Any]:
    """Everything but the input that decides an answer: what is hashed into its signature."""
    return {
        "function": spec.name,
        "model": call.model.fingerprint,
        "dtype": call.model.dtype,
        "too_long": call.model.too_long,
        "prompts": dict(call.model.prompts),
        **(bound.basis or {}),
    }


def _joined(parts: list[Outcome], width: int) -> Outcome:
    """Rows and errors of parts that follow each other."""
    rows = [part.rows for part in parts]
    return Outcome(
        np.concatenate(rows) if rows else np.zeros((0, width), dtype=np.float32),
        {
            place * VECTORS_AT_A_TIME + i: reason
            for place, part in enumerate(parts)
            for i, reason in part.errors.items()
        },
    )


def _valid_rows(columns: list[pa.Array]) -> pa.Array:
    valid = columns[0].is_valid()
    for column in columns[1:]:
        valid = pc.and_(valid, column.is_valid())
    return valid


def _rows_of_each(inputs: Inputs, valid: pa.Array, counts: pa.Array | None) -> Ints:
    """How many rows stand behind each distinct input. counts: of the rows before they were made distinct."""
    ones = np.ones(valid.true_count, dtype=np.int64)
    each = ones if counts is None else array_numbers(counts.filter(valid))
    if inputs.inverse is None:
        return np.asarray(each, dtype=np.int64)
    places = array_numbers(inputs.inverse)
    return np.bincount(places, weights=each, minlength=len(inputs)).astype(np.int64)


def _in_order(tables: list[pa.Table], positions: Ints) -> pa.Table:
    """Rows that answer the inputs at these positions, which are all there are, in the order of the inputs."""
    joined = pa.concat_tables([table for table in tables if len(table)] or tables[:1])
    if not len(positions) or (np.diff(positions) == 1).all():
        return joined
    places = np.empty(len(positions), dtype=np.int64)
    places[positions] = np.arange(len(positions))
    return joined.take(numbers_array(places))


def _spread(answers: pa.Array, inverse: pa.Array | None, valid: pa.Array) -> pa.Array:
    """Answers of distinct rows back to all rows, NULL where the input was NULL."""
    if not len(answers):
        return pa.nulls(len(valid), answers.type)
    n_valid = len(answers) if inverse is None else len(inverse)
    if n_valid == len(valid):
        return answers if inverse is None else answers.take(inverse)
    where = np.zeros(len(valid), dtype=np.int64)
    where[true_places(valid)] = np.arange(n_valid) if inverse is None else array_numbers(inverse)
    # With numbers of Python's in an expression pyarrow would import pandas: see numbers_array().
    return answers.take(pc.if_else(valid, numbers_array(where), pa.nulls(len(valid), pa.int64())))
