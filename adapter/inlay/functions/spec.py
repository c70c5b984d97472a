"""A SQL function described: one file of udfs/, read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from inlay.functions.arrow_texts import arrow_text
from inlay.types import Blank

SETTINGS = frozenset({"labels", "schema", "aspects", "head", "questions"})
"""Names of positional arguments that say how every row is to be answered. All others are row values."""

READ_AS_TEXT = frozenset(
    {"VARCHAR", "JSON", "ENUM", "UUID", "DATE", "BOOLEAN", "DECIMAL", "HUGEINT", "UHUGEINT", '"NULL"'}
    | {f"{unsigned}{size}INT" for unsigned in ("", "U") for size in ("TINY", "SMALL", "BIG")}
    | {"INTEGER", "UINTEGER"}
)
"""Types whose values a function is handed as the text that DuckDB casts them to."""


def as_text(text: str, kind: str = "") -> str:
    """SQL of a value as a model sees it, equal to another only where their bytes are. kind: as of arrow_text()."""
    return f'{arrow_text(text, kind)} COLLATE "C"'


def text_alone(text: str) -> str:
    """SQL that gives a text as it is, by the bytes that it has, and that DuckDB does not bind where it is none: trim()
    takes VARCHAR, JSON and ENUM."""
    return f"trim(({text}), '') COLLATE \"C\""


@dataclass(frozen=True)
class Argument:
    """One argument of a SQL function. `default` is SQL text, or None for a required argument."""

    name: str
    type: str
    note: str
    default: str | None = None

    @property
    def is_setting(self) -> bool:
        return self.name in SETTINGS

    @property
    def in_sql(self) -> str:
        """The name as SQL has it: DuckDB reads `group`, and before 2.0 the others, as keywords unless quoted."""
        return f'"{self.name}"' if self.name in ("group", "numeric", "precision") else self.name

    def exactly(self, text: str, kind: str = "") -> str:
        """SQL that is equal to another value only where a model sees the same: by the collation of a column, texts that
        differ may be equal. kind: as of arrow_text()."""
        return as_text(text, kind) if self.type == "VARCHAR" else f"({text})"


@dataclass(frozen=True)
class FunctionSpec:
    """One file of udfs/: what a SQL function takes, gives and costs, and the macro that defines it.

    answer: 'module.function' of this package that binds a call (registry.py); None for a macro over other functions.
    quoted: arguments that a dbt macro takes as plain words and quotes itself; it takes the others as SQL expressions.
    scores: whether the answer comes with a score for each label. typed: the answer is JSON, which the macro turns into
    a STRUCT of the schema's fields. blank: what a blank text gives, see blanks.py. default_model: the model where a
    call names none. language_model: only a language model answers, so that of the settings is meant.
    """

    name: str
    summary: str
    args: tuple[Argument, ...]
    options: tuple[Argument, ...]
    returns: str
    nulls: str
    cost: str
    example: str
    kind: Literal["scalar", "aggregate", "table"]
    macro: str
    path: Path
    answer: str | None = None
    quoted: tuple[str, ...] = ()
    scores: bool = False
    typed: bool = False
    blank: Blank = "null"
    default_model: str | None = None
    language_model: bool = False

    @property
    def is_scalar(self) -> bool:
        return self.kind == "scalar"

    @property
    def is_table(self) -> bool:
        return self.kind == "table"

    @property
    def setting(self) -> str | None:
        """The name of the argument that says how every row is to be answered, where there is one."""
        return next((argument.name for argument in self.args if argument.is_setting), None)

    @property
    def gives(self) -> str:
        """The type of a call: `returns`, or for typed functions that of their macro."""
        return "STRUCT" if self.typed else self.returns

    @property
    def try_name(self) -> str:
        return f"try_{self.name}"

    @property
    def try_returns(self) -> str:
        scores = ", scores MAP(VARCHAR, DOUBLE)" if self.scores else ""
        return f"STRUCT(value {self.returns}, error VARCHAR, confidence DOUBLE{scores}, model VARCHAR, cached BOOLEAN)"


def named_options(spec: FunctionSpec, given: Any) -> dict[str, Any]:
    """Options by name, from the struct or map in the last place. Through a macro, the last argument of a bare cursor is
    in the place of the first option."""
    options = dict(given or {})
    if spec.options and _are_options(spec, options.get(spec.options[0].name)):
        options |= dict(options.pop(spec.options[0].name))
    return options


def _are_options(spec: FunctionSpec, given: Any) -> bool:
    """Whether a value is a struct or map of options, and not the value of an option."""
    if isinstance(given, list) and given and all(isinstance(pair, tuple) and len(pair) == 2 for pair in given):
        given = dict(given)
    if not isinstance(given, dict):
        return False
    # The value of an option that is itself a struct has other names inside.
    takes_struct = "STRUCT" in spec.options[0].type
    return not takes_struct or set(given) <= {option.name for option in spec.options}
