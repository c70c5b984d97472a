"""The composition root: one Session per DuckDB database instance, holding what its functions need."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from inlay.backends.base import Bools, Ints
from inlay.config import Settings
from inlay.definitions import all_definitions
from inlay.engine.cancel import Token
from inlay.engine.foresight import Foresight
from inlay.engine.inference import Inference, about_model, numbers_name, numbers_question
from inlay.engine.limits import Limits
from inlay.engine.pool import loaded_models
from inlay.errors import ConfigError, InlayError, NotAttachedError, RowsFailedError, UnknownModelError
from inlay.functions.arrow import answer_schema, answer_table, detail_array, value_array
from inlay.functions.contract import Ask, Bound, Call
from inlay.functions.registry import FUNCTIONS
from inlay.ledger import EXCERPT, Entry, Ledger
from inlay.models.describe import describe
from inlay.models.locate import local_folder
from inlay.progress import Progress
from inlay.store.account import Account, Failure, call_of, read_errors, read_ledger
from inlay.store.calls import call_text, record_call
from inlay.store.keys import input_keys
from inlay.store.memory import Memory
from inlay.store.parts import with_inputs
from inlay.store.results import Store
from inlay.store.shelf import Shelf
from inlay.store.vectors import numbers_array
from inlay.types import FunctionSpec, ModelRef

_numbers = itertools.count(1)

# What the macros add to every call beside the function's own options.
_OURS = {"statement", "node"}


class Session:
    """Settings, definitions, models, results and account of one database instance."""

    def __init__(self, settings: Settings) -> None:
        self.number = next(_numbers)
        self.attached = True
        self.ledger = Ledger()
        self.memory = Memory(settings.memory_mb * 1_000_000)
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
        self.specs: dict[str, FunctionSpec] = all_definitions(settings.functions_folders)
        names = [spec.name for spec in self.specs.values() if spec.is_scalar]
        self._call_pattern = re.compile(
            rf'{settings.prefix}(?:try_)?(?:{"|".join(map(re.escape, names))})"?\s*\(', re.IGNORECASE
        )
        self.memory.budget_bytes = settings.memory_mb * 1_000_000
        self.progress = Progress(settings.progress)
        where = (settings.store, settings.store_mode)
        if where != self._where:  # with the same store, its index and this run's account go on
            self.store, self.account = open_store(settings), None
            self._where = where
        if self.store is not None and self.account is None:
            self.account = Account(self.store)
        limits = Limits(settings.max_rows, settings.max_tokens, settings.max_seconds, settings.max_cost)
        self.inference: Inference = Inference(
            self.memory,
            self.store,
            store_vectors=settings.store_vectors,
            store_inputs=settings.store_inputs,
            limits=limits,
        )
        with self._lock:
            self._models.clear()
            self._calls.clear()
            self._recorded.clear()  # another default model answers the same words

    def may_call(self, sql: object) -> bool:
        """Whether a statement may call one of the functions at all: all that every other statement costs."""
        return isinstance(sql, str) and self._call_pattern.search(sql) is not None

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
    ) -> pa.Array:
        """One value per row of `columns`, which are strings of equal length; NULL where any of them is NULL.

        detail gives the struct of try_ai_*. n_rows: how many rows of the statement these stand for, where they were
        made distinct before; for the ledger. Raises ConfigError or ModelError before any row is touched, and
        RowsFailedError when rows failed and on_error is 'raise'.
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
            distinct, inverse = _distinct([column.filter(valid) for column in columns])
            found = self._answers(spec, call, bound, distinct, entry, len(columns[0]), detail)
        finally:
            self.ledger.end(
                entry, loaded_models().get(call.model.fingerprint, "") if entry.tokens or entry.inferred else ""
            )
            if self.account is not None:
                self.account.write(self.ledger.account_rows)
        if found.errors and not self.planning:
            self._report(call, labels, distinct, found.errors, on_error, node)
        if detail:
            made = detail_array(found.table, found.errors, call.model.name, found.known)
        else:
            made = value_array(found.table)
        return _spread(made, inverse, valid)

    def _answers(
        self,
        spec: FunctionSpec,
        call: Call,
        bound: Bound,
        distinct: list[list[str]],
        entry: Entry,
        n_rows: int,
        detail: bool,
    ) -> Found:
        """What is stored, and for the rest what the function answers now, in the order of the distinct inputs. Without
        detail only the values."""
        schema = answer_schema(spec)
        if not detail:
            schema = pa.schema([schema.field("value")])
        if not distinct[0]:
            return Found(schema.empty_table(), {}, np.zeros(0, dtype=np.bool_))
        keys = input_keys(distinct)
        shelf = self._shelf(spec, call, bound)
        stored: Ints = np.zeros(0, dtype=np.int64)
        tables: list[pa.Table] = []
        if shelf is not None:
            shelf.refresh(entry.number)
            stored, table = shelf.find(keys, schema.names)
            if table is not None:
                tables.append(table.cast(schema))
        known = np.zeros(len(keys), dtype=np.bool_)
        known[stored] = True
        missing = np.flatnonzero(~known)
        errors: dict[int, str] = {}
        ask = None
        if len(missing):
            columns = distinct if not len(stored) else [[column[i] for i in missing] for column in distinct]
            with self.progress.working(f"{call.function} {call.model.name}", n_rows) as told:
                ask = Ask(self.inference, call.model, Token(), told, entry.number, planning=self.planning)
                answers = bound.answer(columns, ask)
            errors = {int(missing[i]): reason for i, reason in answers.errors.items()}
            known[missing] = answers.known
            made = answer_table(answers, spec)
            tables.append(made.select(schema.names))
            # Of a plan nothing is kept: without the numbers of new labels it has no answers even to known texts.
            if shelf is not None and self.store is not None and not self.planning:
                good = [i for i in range(len(missing)) if i not in answers.errors]
                kept = made.take(pa.array(good, type=pa.int64()))
                if self.settings.store_inputs:
                    kept = with_inputs(kept, [[column[i] for i in good] for column in columns])
                self.store.publish(shelf, [keys[missing[i]] for i in good], kept)
        if ask is None:
            self.ledger.count(entry, keys, known.tolist(), errors)
        else:
            self.ledger.count(
                entry,
                keys,
                known.tolist(),
                {} if self.planning else errors,
                tokens=ask.tokens,
                truncated=ask.truncated,
                cost=ask.tokens / 1e6 * call.model.cost_per_million_tokens,
                loading_seconds=ask.loading_seconds,
            )
        if not len(stored):
            return Found(tables[0], errors, known)
        places = np.empty(len(keys), dtype=np.int64)
        places[np.concatenate([stored, missing])] = np.arange(len(keys))
        return Found(pa.concat_tables(tables).take(numbers_array(places)), errors, known)

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
            record_call(self.store.folder, written, shelf.name, schema.names, call.model.name)
        except (OSError, pa.ArrowException) as error:
            self.store.failed(error, 0)

    def _bound(self, spec: FunctionSpec, labels: Any, options: Mapping[str, Any]) -> tuple[Call, Bound]:
        """The checked call; the same settings are checked once, not at every chunk."""
        known = {option.name for option in spec.options} | _OURS
        given = {
            **self.settings.functions.get(spec.name, {}),
            **{key: value for key, value in options.items() if value is not None},
        }
        for name in _OURS:
            given.pop(name, None)
        for name in (*given, *options):
            if name not in known:
                raise ConfigError.unknown_option(spec.name, name, known - _OURS)
        key = (spec.name, json.dumps([labels, given], sort_keys=True, default=str))
        with self._lock:
            bound = self._calls.get(key)
        if bound is None:
            name = given.get("model") or self.settings.model
            if not isinstance(name, str):
                raise ConfigError(f"{spec.name}: model is {name!r}; it must be the name of a registered model.")
            call = Call(spec.name, self.model(name, spec.name), given, labels)
            bound = call, FUNCTIONS[spec.name](call)
            with self._lock:
                self._calls[key] = bound
        self._record(spec, *bound, labels, options)
        return bound

    def on_error(self, function: str, options: Mapping[str, Any]) -> str:
        asked = options.get("on_error") or self.settings.functions.get(function, {}).get("on_error")
        if asked not in (None, "null", "raise"):
            raise ConfigError(f"{function}: on_error is {asked!r}; it must be 'null' or 'raise'.")
        return asked or self.settings.on_error

    def _report(
        self,
        call: Call,
        labels: Any,
        distinct: list[list[str]],
        errors: Mapping[int, str],
        on_error: str,
        node: str,
    ) -> None:
        listed = [(" | ".join(column[i] for column in distinct), reason) for i, reason in sorted(errors.items())]
        for text, reason in listed:
            self.ledger.fail(call.function, call.model.name, text, reason)
        if self.account is not None:
            said = call_of(labels, {**call.options, "model": call.model.name})
            self.account.failed(
                [
                    Failure(node, call.function, call.model.name, said, tuple(column[i] for column in distinct), reason)
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
            if not entry.source.startswith("fake:") and local_folder(entry) is None:
                row["status"] = "not on this machine"
            else:
                try:
                    ref = self.model(name)
                    row |= {
                        "task": ref.task, "width": ref.width, "max_tokens": ref.max_tokens,
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
    were known before this statement."""

    table: pa.Table
    errors: Mapping[int, str]
    known: Bools


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


def _valid_rows(columns: list[pa.Array]) -> pa.Array:
    valid = columns[0].is_valid()
    for column in columns[1:]:
        valid = pc.and_(valid, column.is_valid())
    return valid


def _distinct(columns: list[pa.Array]) -> tuple[list[list[str]], pa.Array]:
    """Distinct rows as one list per column, and for each row which of them it is."""
    if len(columns) == 1:
        encoded = columns[0].dictionary_encode()
        return [encoded.dictionary.to_pylist()], encoded.indices
    places: dict[tuple[str, ...], int] = {}
    rows = zip(*(column.to_pylist() for column in columns), strict=True)
    inverse = pa.array([places.setdefault(row, len(places)) for row in rows], type=pa.int32())
    return [list(column) for column in zip(*places, strict=True)] if places else [[] for _ in columns], inverse


def _spread(answers: pa.Array, inverse: pa.Array, valid: pa.Array) -> pa.Array:
    """Answers of distinct rows back to all rows, NULL where the input was NULL."""
    if not len(answers):
        return pa.nulls(len(valid), answers.type)
    if inverse.null_count == 0 and len(inverse) == len(valid):
        return answers.take(inverse)
    where = np.full(len(valid), -1, dtype=np.int64)
    where[np.asarray(valid.to_numpy(zero_copy_only=False), dtype=np.bool_)] = inverse.to_numpy(zero_copy_only=False)
    places = numbers_array(where)
    return answers.take(pc.if_else(pc.less(places, 0), None, places))
