"""What `import inlay` offers for a connection: inlay.connect(), inlay.sql() and inlay.explain()."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from inlay.client.attach import attach
from inlay.client.connection import Connection
from inlay.client.macros import create_macros
from inlay.client.relation import load_statements
from inlay.client.sessions import find_session, has_number, native_connection
from inlay.errors import NotAttachedError
from inlay.execution.session import Session
from inlay.execution.views import macros_that_call, views_that_call

if TYPE_CHECKING:
    from inlay.explanation.report import Explanation
    from inlay.labelling.served import LabelPage
    from inlay.models.head_card import HeadCard


def connect(database: str = ":memory:", read_only: bool = False, config: Any = None, **options: Any) -> Connection:
    """Opens a DuckDB database and attaches inlay.

    config: DuckDB's own settings as a dict, or the path of an inlay settings file. options: as for attach().
    """
    duckdb_config = config if isinstance(config, dict) else {}
    con = duckdb.connect(str(database), read_only=read_only, config=duckdb_config)
    try:
        # The caller's variables are two frames up from the one that DuckDB looks in.
        con.execute("SET python_scan_all_frames = true")
        if "enable_progress_bar_print" not in duckdb_config:
            _hide_progress_bar(con)
        session = attach(con, config=None if isinstance(config, dict) else config, **options)
        views_that_call(session, con)
        if str(database) != ":memory:":  # which has none
            macros_that_call(session, con)
    except BaseException:
        con.close()
        raise
    return Connection(con, session)


def _hide_progress_bar(con: duckdb.DuckDBPyConnection) -> None:
    """DuckDB's own goes to standard output, among the results; inlay shows its own on standard error."""
    try:
        con.execute("SET enable_progress_bar_print = false")
    except duckdb.InvalidInputException as error:
        if "ipywidgets" not in str(error):  # without which DuckDB draws none in a notebook, and says so
            raise


def sql(con: Any, query: str, *, alias: str = "", params: Any = None) -> Any:
    """What con.sql(query) returns, planned, on any DuckDB connection or cursor whose database is attached.

    Variables of the caller's may be named as tables. Raises NotAttachedError where inlay.attach() was never called.
    """
    attached = _attached(con, "sql")
    if isinstance(con, Connection) or attached._session.mentions.may_call(query):
        return attached.sql(query, alias=alias, params=params)
    return attached._call(_plain_relation, attached._session, attached._held, query, params, alias)


def explain(con: Any, query: str, parameters: Any = None, *, analyze: bool = False) -> Explanation:
    """What a statement will ask of models, and how it will run, on any DuckDB connection whose database is attached.

    No model runs, unless analyze is true: then the statement runs as it always does, its rows are dropped, and what
    was done stands beside what was expected. Raises NotAttachedError where inlay.attach() was never called, and what
    DuckDB says of a statement that it would not run.
    """
    return _attached(con, "explain").explain(query, parameters, analyze=analyze)


def train_head(con: Any, name: str, relation: Any, *, text: Any, label: str, **options: Any) -> HeadCard:
    """The card of a head, trained from the labelled rows of a relation; where the current version has learned from the
    same rows in the same way, that one's.

    name: what calls say, ai_predict(body, 'intents') or model := 'head:intents'. relation: the name of a table, a
    query, or anything that DuckDB reads as a table. text: the column of the text, or several. label: the column of the
    label; rows without one are left out. options: as of inlay_train in docs/functions.md. The head is kept in the
    folder `heads` of the settings. Raises ConfigError for rows that nothing can be learned from.
    """
    attached = _attached(con, "train_head")
    given = {**options, "text": text, "label": label}
    return _made(attached, "inlay_train", name, relation, given)


def freeze_labels(con: Any, name: str, relation: Any, *, text: str, labels: Any, **options: Any) -> HeadCard:
    """The card of labels that moved once towards the texts of a relation, and stay there; where they moved towards the
    same texts before, that one's.

    name: what calls say, ai_classify(body, model := 'head:topics'). relation: as of train_head(); no labelled rows are
    needed. text: the column of the texts. labels: as of ai_classify. options: as of inlay_labels in docs/functions.md.
    """
    attached = _attached(con, "freeze_labels")
    given = {**options, "text": text, "labels": labels}
    return _made(attached, "inlay_labels", name, relation, given)


def calibrate(con: Any, name: str, relation: Any, *, call: str, label: str, group: str | None = None) -> HeadCard:
    """The card of a calibration of a judging call, from the labelled rows of a relation: with it the call may say how
    sure it has to be, ai_classify(…, accuracy := 0.95), and ai_filter where yes begins.

    relation: as of train_head(). call: the call as it is written in SQL, over the relation's columns, such as
    "ai_classify(body, ['bug', 'praise'])"; of ai_classify, ai_filter or ai_sentiment. label: the column of the right
    answers. group: a column whose rows belong together. Kept beside the heads, under their names.
    """
    given = {"call": call, "label": label, "group": group}
    return _made(_attached(con, "calibrate"), "inlay_calibrate", name, relation, given)


def mislabelled(con: Any, relation: Any, *, text: Any, label: str, **options: Any) -> Any:
    """The labelled rows of a relation whose label is probably wrong, the surest first, as a relation: input, label,
    likely, confidence, label_confidence. A head is cross-validated over them and kept nowhere.

    relation, text, label: as of train_head(). options: as of inlay_mislabelled in docs/functions.md.
    """
    attached = _attached(con, "mislabelled")
    given = {**options, "text": text, "label": label}
    return _rows(attached, "inlay_mislabelled", relation, given)


def to_label(con: Any, relation: Any, *, text: str, labels: Any = None, **options: Any) -> Any:
    """The rows of a relation that are most worth labelling, best first, as a relation: input, likely, confidence.

    relation: as of train_head(); no labelled rows are needed. text: the column of the texts. labels: as of ai_classify.
    options: n, labelled and model, as of inlay_to_label in docs/functions.md.
    """
    given = {**options, "text": text, "labels": labels}
    return _rows(_attached(con, "to_label"), "inlay_to_label", relation, given)


def label(
    con: Any, relation: Any, *, text: str, labels: Any = None, into: str | None = None, csv: str | Path | None = None,
    n: int = 50, model: str | None = None, port: int = 0,
) -> LabelPage:  # fmt: skip
    """A page on this machine, in a notebook shown below the cell, that asks people for the labels of the rows that are
    most worth one; rows() of it is what is labelled by now.

    relation, text, labels, n, model: as of to_label(). into: the table that keeps the labels, with the columns text,
    label and labelled_at; it is made where there is none, 'labelled' by default. csv: a file that keeps them instead.
    Texts that have their label there are not asked about again. port: of the page; by default one that is free.
    """
    from inlay.labelling.opening import check_labels, keep_labels, names_of, opened, relation_of

    attached, names = _attached(con, "label"), names_of(labels)
    kept = attached._call(keep_labels, attached._held, into, csv)
    try:
        if names:
            check_labels(kept.labels(), names, kept)
        given = {"text": text, "labels": labels, "n": n, "model": model, "labelled": relation_of(kept.labels())}
        proposals = attached._call(load_statements().proposals_of, attached._session, attached._held, relation, given)
        about = relation if isinstance(relation, str) else "rows"
        return opened(proposals, names, kept, about, port, lambda: attached.sql(f"FROM {kept.source}"))
    except BaseException:
        kept.close()
        raise


def _rows(attached: Connection, function: str, relation: Any, given: Any) -> Any:
    return attached._call(load_statements().rows_of, attached._session, attached._held, function, relation, given)


def _made(attached: Connection, function: str, name: str, relation: Any, given: Any) -> HeadCard:
    make = load_statements().made
    card: HeadCard = attached._call(make, attached._session, attached._held, function, name, relation, given)
    return card


def _plain_relation(session: Session, con: Any, query: str, params: Any, alias: str) -> Any:
    # By itself a plain connection would look for variables in this frame alone.
    tables = load_statements().variables(query)
    return load_statements().plain_relation(session, con, query, params, alias, tables)


def _attached(con: Any, function: str) -> Connection:
    if isinstance(con, Connection):
        return con
    native = native_connection(con)
    session = find_session(native)
    if session is None or not session.attached:
        raise NotAttachedError(f"{function}: inlay is not attached to this database. Type first: inlay.attach(con)")
    if not has_number(native):
        create_macros(native, session)  # a cursor that was never attached itself
    return Connection(native, session)
