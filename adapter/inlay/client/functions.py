"""The Python functions that DuckDB calls: answers, tables, and what the macros ask for.

None of them holds its session. DuckDB may call a function of a database that was detached or closed (see attach.py).
What answers is imported when DuckDB calls. DuckDB evaluates annotations of functions that it is given, so Arrow is not
named there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inlay.client.macros import has_function
from inlay.client.original_errors import remember
from inlay.client.sessions import IDENTITY, attached_session, owner_of
from inlay.client.table_functions import TABLES
from inlay.engine import cancel
from inlay.errors import ConfigError, InlayError, InterruptedQueryError, NotAttachedError
from inlay.execution.session import Session
from inlay.explanation.call_digests import built_with, calls_digest, scalar_specs
from inlay.explanation.lineage import column_comments
from inlay.functions.spec import FunctionSpec
from inlay.parsing.calls import guarded
from inlay.parsing.twins import TWIN

if TYPE_CHECKING:
    import pyarrow as pa

_STRUCTURE = "_inlay_structure"
_HEAD_STRUCTURE = "_inlay_head_structure"
_DECISIONS = "_inlay_decisions"


def refuse_training(function: str) -> str:
    """DuckDB holds the connection while it runs a table function, and reading the rows needs it."""
    here = {
        "inlay_train": "inlay.train_head(con, 'intents', 'labelled_rows', text='body', label='intent')",
        "inlay_labels": "inlay.freeze_labels(con, 'topics', 'tickets', text='body', labels=['delivery', 'refund'])",
        "inlay_mislabelled": "inlay.mislabelled(con, 'labelled_rows', text='body', label='intent')",
        "inlay_to_label": "inlay.to_label(con, 'tickets', text='body', labels=['delivery', 'refund'])",
        "inlay_calibrate": (
            "inlay.calibrate(con, 'topics', 'labelled_rows', label='topic', "
            "call=\"ai_classify(body, ['bug', 'praise'])\")"
        ),
    }
    raise ConfigError(
        f"{function}: that is done by planned connections, with CALL {function}(…) as a statement of its own. Here "
        f"type in Python: {here[function]}"
    )


def _structure(session: Session, schema: str) -> str | None:
    """From the schema of a call of ai_extract to what from_json() makes of its answer."""
    from inlay.json_schema import read_schema

    return read_schema("ai_extract", schema).structure


def _plan(session: Session, nodes: list[dict[str, Any]]) -> str:
    """The plan of compiled dbt models."""
    from inlay.client.dbt_plan import plan_nodes  # and all that explains, which most processes do without

    owner = owner_of(session.number)
    if owner is None:
        raise NotAttachedError("plan: the connection that was attached is closed. Attach again: inlay.attach(con)")
    return plan_nodes(session, owner, nodes)


def _report(session: Session, run: str, with_inputs: bool) -> str:
    """The page of this session, of the run that is named, or of the store's latest run."""
    from inlay.reports.page import page
    from inlay.reports.runs import session_report

    return page(session_report(session, run), with_inputs=with_inputs)


# What the macros ask for; not for people. Values of one row → text.
_TEXT_FUNCTIONS: dict[str, Callable[..., str | None]] = {
    _STRUCTURE: _structure,
    # The same of a trained head.
    _HEAD_STRUCTURE: lambda session, head: session.binding.structure(session.specs["ai_predict"], head),
    # The same of the questions of ai_decide.
    _DECISIONS: lambda session, questions: session.binding.structure(session.specs["ai_decide"], questions),
    # From a connection that trains no head.
    "_inlay_train": lambda session, name: refuse_training("inlay_train"),
    "_inlay_labels": lambda session, name: refuse_training("inlay_labels"),
    "_inlay_calibrate": lambda session, name: refuse_training("inlay_calibrate"),
    "_inlay_mislabelled": lambda session, relation: refuse_training("inlay_mislabelled"),
    "_inlay_to_label": lambda session, relation: refuse_training("inlay_to_label"),
    "_inlay_calls": calls_digest,
    "_inlay_built_with": built_with,
    "_inlay_column_comments": column_comments,
    "_inlay_plan": _plan,
    "_inlay_report": _report,
    "_inlay_guarded": lambda session, sql, condition: guarded(sql, condition, scalar_specs(session)),
}


@dataclass(frozen=True)
class ArrowFunction:
    """A Python function over columns, as DuckDB takes it. returns: its SQL type."""

    name: str
    call: Callable[..., pa.Array]
    returns: str

    @property
    def has_side_effects(self) -> bool:
        """DuckDB asks for a type while it binds, which it does of functions without side effects alone."""
        return self.name not in (_STRUCTURE, _HEAD_STRUCTURE, _DECISIONS, TWIN)


def functions_of(session: Session) -> Iterator[ArrowFunction]:
    """Everything that DuckDB calls; last the one by which the session is found, so that where it is, all others are."""
    prefix, number = session.settings.prefix, session.number
    for spec in session.specs.values():
        if has_function(spec):
            yield ArrowFunction(prefix + spec.name, _answers(number, spec, detail=False), spec.returns)
            yield ArrowFunction(prefix + spec.try_name, _answers(number, spec, detail=True), spec.try_returns)
    for table in TABLES:
        yield ArrowFunction(table.function, table.of_session(number), table.returns)
    for name, text in _TEXT_FUNCTIONS.items():
        yield ArrowFunction(name, _texts(number, name, text), "VARCHAR")
    yield ArrowFunction(TWIN, lambda *args: _same(None, args, "string"), "VARCHAR")
    yield ArrowFunction(IDENTITY, lambda *args: _same(number, args, "int32"), "INTEGER")


def _same(value: int | None, args: tuple[pa.ChunkedArray, ...], kind: str) -> pa.Array:
    """One value for every row."""
    import pyarrow as pa

    from inlay.arrays import column_of

    return column_of([value] * len(args[0]), pa.type_for_alias(kind))


def _answers(number: int, spec: FunctionSpec, *, detail: bool) -> Callable[..., pa.Array]:
    name = spec.try_name if detail else spec.name

    def answers(*args: Any) -> Any:
        from inlay.client.arguments import answer_call

        try:
            return answer_call(attached_session(number, name), spec, name, args, detail)
        except KeyboardInterrupt:
            # From a handler that is not ours. DuckDB would turn it into text.
            cancel.interrupt()
            raise InterruptedQueryError(f"{name}: interrupted by Ctrl-C; finished rows are kept.") from None
        except InlayError as error:
            remember(error)
            raise

    return answers


def _texts(number: int, name: str, text: Callable[..., str | None]) -> Callable[..., pa.Array]:
    def texts(*args: Any) -> Any:
        import pyarrow as pa

        rows = zip(*(arg.to_pylist() for arg in args), strict=True)
        return pa.array([text(attached_session(number, name), *row) for row in rows], type=pa.string())

    return texts
