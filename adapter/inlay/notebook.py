"""%inlay and %%inlay: SQL in a cell of a notebook, on an attached DuckDB connection.

    %load_ext inlay

    %%inlay
    select body, ai_sentiment(body) as feeling from reviews where id = $wanted

Nothing of a notebook is imported before IPython asks for this file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import duckdb
from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, needs_local_scope, no_var_expand

from inlay.client.api import explain, sql
from inlay.client.relation import ExplainRelation, Relation
from inlay.client.sessions import find_session, native_connection
from inlay.client.shown import computed
from inlay.errors import InlayError
from inlay.parsing.kinds import is_query
from inlay.parsing.tokens import words

_FLAGS = ("--explain", "--analyze", "--df")


@dataclass
class _Request:
    """The options and the SQL of a cell."""

    query: str
    connection: Any = None
    keep: str | None = None
    explain: bool = False
    analyze: bool = False
    df: bool = False


class ShownRelation(Relation):
    """A relation that is computed when it is made, so that its errors fail the cell and not its display."""

    def __init__(self, relation: Relation) -> None:
        super().__init__(relation, relation._number)
        self._bundle = relation._shown()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return dict(self._bundle)

    def __repr__(self) -> str:
        return self._bundle["text/plain"]


def load_ipython_extension(shell: Any) -> None:
    """What `%load_ext inlay` calls."""
    shell.register_magics(InlayMagics)


def unload_ipython_extension(shell: Any) -> None:
    """What `%unload_ext inlay` calls."""
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("inlay", None)


@magics_class
class InlayMagics(Magics):
    """The magics of inlay."""

    @no_var_expand
    @needs_local_scope
    @line_cell_magic
    def inlay(self, line: str, cell: str | None = None, local_ns: dict[str, Any] | None = None) -> Any:
        """Runs SQL on an attached DuckDB connection, and shows its rows.

            %inlay [name <<] [connection] [options] SQL

            %%inlay [name <<] [connection] [options]
            SQL

        connection: a variable that holds one. Without it, the connection of this notebook that was attached last.
        Variables of the notebook may be named as tables, and $name is the value of one.

            name <<          keep the rows as a DuckDB relation called name, and show nothing
            -o, --out name   the same
            --df             keep, or show, a pandas data frame
            --explain        what will be asked of models, and how the statement will run; no model runs
            --analyze        run it, and show the estimates with what it did; its rows are dropped
        """
        assert self.shell is not None
        variables = {**self.shell.user_ns, **(local_ns or {})}
        request = _read(line, cell, variables)
        connection = request.connection if request.connection is not None else _last_attached(variables)
        params = _parameters(request.query, variables)
        try:
            if request.explain or request.analyze:
                report = _seeing(variables, explain, connection, request.query, params, analyze=request.analyze)
                return self._kept(request.keep, report)
            # DuckDB's own connection: tables are looked for among these variables, not among the shell's.
            relation = _seeing(variables, sql, native_connection(connection), request.query, params=params)
            if relation is None or (relation.columns in (["Success"], ["Count"]) and not is_query(request.query)):
                if request.keep:
                    raise UsageError(f"%inlay: this statement gives no rows to keep as {request.keep}.")
                return None
            if request.df:
                return self._kept(request.keep, relation.df())
            if request.keep:
                return self._kept(request.keep, computed(native_connection(connection), relation))
            return relation if isinstance(relation, ExplainRelation) else ShownRelation(relation)
        except (InlayError, duckdb.Error) as error:
            # The frames between here and DuckDB tell the user nothing.
            raise error.with_traceback(None) from None

    def _kept(self, name: str | None, value: Any) -> Any:
        if name is None:
            return value
        assert self.shell is not None
        self.shell.push(  # type: ignore[no-untyped-call]
            {name: value}
        )
        return None


def _read(line: str, cell: str | None, variables: dict[str, Any]) -> _Request:
    magic = "%inlay" if cell is None else "%%inlay"
    request = _Request("")
    if kept := re.match(r"\s*(\w+)\s*<<", line):
        request.keep, line = _variable(magic, kept[1]), line[kept.end() :]
    while word := re.match(r"\s*(\S+)", line):
        text, rest = word[1], line[word.end() :]
        if text in ("-o", "--out"):
            named = re.match(r"\s*(\S+)", rest)
            request.keep = _variable(magic, named[1] if named else "")
            rest = rest[named.end() :] if named else ""
        elif text in _FLAGS:
            setattr(request, text[2:], True)
        elif text.startswith("-") and text != "--":
            raise UsageError(f"{magic}: no option {text}. Known: -o name, {', '.join(_FLAGS)}. See {magic}?")
        elif request.connection is None and _is_connection(variables.get(text)):
            request.connection = variables[text]
        else:
            break
        line = rest
    if cell is not None and re.fullmatch(r"\s*[^\W\d]\w*\s*", line) and not _is_keyword(line.strip()):
        raise UsageError(f"{magic}: {line.strip()} is no DuckDB connection.{_named_connections(variables)}")
    request.query = line.strip() if cell is None else f"{line}\n{cell}".strip()
    if not request.query:
        raise UsageError(f"{magic}: there is no SQL. {'%inlay select 42' if cell is None else 'Write it in the cell.'}")
    return request


def _variable(magic: str, name: str) -> str:
    if not name.isidentifier():
        raise UsageError(f"{magic}: -o takes the name of a variable, not {name!r}: {magic} -o topics …")
    return name


def _is_keyword(text: str) -> bool:
    return any(kind == duckdb.token_type.keyword for _, kind in duckdb.tokenize(text))


def _is_connection(value: Any) -> bool:
    return isinstance(value, duckdb.DuckDBPyConnection)


def _named_connections(variables: dict[str, Any]) -> str:
    names = [name for name, value in variables.items() if _is_connection(value) and not name.startswith("_")]
    return f" Connections here: {', '.join(names)}." if names else ""


def _last_attached(variables: dict[str, Any]) -> Any:
    """The connection among a notebook's variables whose database was attached last; of several to it, the first."""
    by_number: dict[int, Any] = {}
    for value in list(variables.values()):
        if _is_connection(value):
            try:
                session = find_session(native_connection(value))
            except (InlayError, duckdb.Error):
                continue  # closed, or busy in another thread
            if session is not None and session.attached:
                by_number.setdefault(session.number, value)
    if not by_number:
        raise UsageError(
            "%inlay: no variable of this notebook is an attached DuckDB connection. Type first: con = inlay.connect(), "
            f"or inlay.attach(con).{_named_connections(variables)}"
        )
    return by_number[max(by_number)]


def _parameters(query: str, variables: dict[str, Any]) -> dict[str, Any] | None:
    """Values for $name, from variables of that name."""
    # A text between quotes, or between dollars, is one word.
    bare = [word.text for word in words(query) if not re.match(r"['\"]|\$(\w*)\$", word.text)]
    named = dict.fromkeys(re.findall(r"\$ ?([^\W\d]\w*)", " ".join(bare)))
    for name in named:
        if name not in variables:
            raise UsageError(f"%inlay: the SQL has ${name}, and there is no variable called {name}.")
    return {name: variables[name] for name in named} or None


def _seeing(variables: dict[str, Any], function: Any, *args: Any, **kwargs: Any) -> Any:
    """Calls a function in a scope with these variables, which DuckDB sees before those of IPython's own frames."""
    call = lambda: function(*args, **kwargs)  # noqa: E731
    return eval("_inlay_call()", {**variables, "__package__": None, "_inlay_call": call})
