"""Why a statement is not planned, why a call is made while the rows come, why a rule leaves a call where it is: all the
wording that `explain` shows. Each reason completes "this call is not answered ahead of the statement because …".

What the text alone decides is in parsing/unplannable.py.
"""

from __future__ import annotations

# Of statements.

NO_CALL = "it calls no function of inlay's"
DETACHED = "inlay was detached from this database"
REFUSED = "DuckDB does not accept it"
FAILS_AT_ONCE = "DuckDB does not begin to run it"
NOT_LOOKED_UP = "DuckDB accepts no lookup in its place, and asked ahead its answer would say `cached`"
NOT_REHEARSED = "DuckDB does not bind it as the rules leave it"
COLUMNS_WOULD_CHANGE = "its result would have other columns"


def writes_inside(kind: str) -> str:
    return f"it holds {kind} in a WITH clause: a query for its inputs would run that as well"


def statement_kind(kind: str) -> str:
    return f"{kind} statements run as they are written"


def not_bound(error: str) -> str:
    return f"DuckDB does not accept the planned statement: {error}"


def without_name(kind: str) -> str:
    return f"{kind} reads the names of columns, and its column has none (… AS name)"


# Where a call stands.

IN_LAMBDA = "it is inside a lambda"
IN_RETURNING = "it is in RETURNING, of rows that are there once the statement has run"
OUTSIDE_SELECT = "it is not inside a SELECT"
RIGHT_OF_IN = "it is on the right of IN, where DuckDB accepts a function call but no lookup"
IN_TABLE_FUNCTION = "it is an argument of a table function, which DuckDB evaluates before the statement runs"
BEFORE_OVER = "it is a window function: OVER follows it"
OF_COLUMNS = "it is called once for each column of COLUMNS(…)"
UNREAD = "nothing reads its answer, so DuckDB does not call it"
COLUMN_NOT_FOUND = "the column of the SELECT list that it is in cannot be found in the text"
WHERE_NOT_FOUND = "its WHERE clause cannot be found in the text"


def inside(kind: str) -> str:
    return f"it is inside {kind}"


# What a call is given.

VOLATILE = "an argument changes each time it is evaluated, as random() does"
RANDOM_ROWS = "its rows are picked at random, and would be others for a query of their own"
IN_RECURSION = "it is in the part of a recursive CTE that reads the CTE itself"
ARGUMENTS_READ_OTHERWISE = "sqlglot reads its arguments differently than DuckDB does"


def varying_setting(name: str) -> str:
    return f"{name} differs from row to row; only row values may"


def of_other_type(kind: object, wanted: str) -> str:
    return f"its input is of type {kind}, not {wanted}"


def settings_not_read(error: str) -> str:
    return f"its labels or options cannot be evaluated before the statement runs: {error}"


def without_function(name: str) -> str:
    return f"the macro of {name} calls no function of that name"


# The query for its inputs.


def inputs_not_selected(error: str) -> str:
    """error: what DuckDB says of the query for the inputs."""
    reason = "its input rows cannot be selected with a separate query: "
    if "Referenced table" in error:
        return f"{reason}the call is inside a correlated subquery ({error})"
    return reason + error


JOINED_BY_ANOTHER = "its rows come from a join whose only condition is another call"
GROUPED_BY_CALL = "its rows are grouped by the answer of a call"
GROUPS_READ_A_CALL = "the rows of its groups depend on a column that is the answer of another call"
NOTHING_SELECTED = "no column is left in the query for its inputs"
ROWS_LEFT_OUT = "DuckDB may call it for fewer rows than the table has"


def waits_for(call: str) -> str:
    return f"its input rows depend on {call}, which is called while the rows come"


# Its answers.


def nearly_all_different(n_rows: int) -> str:
    return f"nearly all of its {n_rows:,} inputs are different, so they are answered while the rows come"


def too_large(n_bytes: int) -> str:
    return f"its answers take more than {n_bytes / 1e6:.0f} MB, so they are answered while the rows come"


# Joins by a call: why the pairs of values are not found ahead of the join.

NO_JOIN_CONDITION = "it is not the condition of a join"
NOT_TWO_VALUES = "it does not compare two values"
FROM_NOT_ONLY_JOINS = "its FROM has LATERAL or PIVOT"
FROM_NOT_FOUND = "its FROM clause cannot be found in the text"
JOINS_VOLATILE = "a relation of the join changes each time it is evaluated"
NOT_ONE_VALUE_EACH = "its two values do not come from one side of the join each"
JOIN_KIND = "joins of this kind are not planned"
READ_AS_WHOLE = "a row of the joined relation is read as one value"
NOT_A_CONDITION = "its answer is not TRUE or FALSE"
COMPARED = "its answer, TRUE or FALSE, is compared with something"
NOT_COMPARED_WITH_CONSTANT = "its answer is not compared with a constant"
COMPARISON_NOT_FOUND = "the comparison cannot be found in the text"
NO_SELECT_LIST = "the statement has no SELECT list"
COLUMNS_NOT_FOUND = "the columns of the SELECT list cannot be found in the text"
STAR_CHANGED = "its star has EXCLUDE, REPLACE or RENAME"
STAR_IN_EXPRESSION = "a star is part of an expression"
CONSTANT_SIDE = "a value of the join is the same for every row"
FEWER_THAN_ALL = "the statement needs the answers of fewer pairs than all"
FEW_PAIRS = "the other conditions of the join leave few pairs"
JOINED_BY_USING = "the relations are joined by USING, too"
VALUE_FAILED = "a value has no answer, and on_error is 'raise'"
PAIR_FAILED = "a pair has no answer, and on_error is 'raise'"
NOT_FINITE = "a vector has a number that is not finite"
BOUND_NOT_FINITE = "the number that its answer is compared with is NULL or not finite"


def too_many_pairs(n: int) -> str:
    return f"more than {n:,} pairs fulfil the condition"


def too_many_distinct_pairs(n: int) -> str:
    return f"there are more than {n:,} distinct pairs"


def bound_not_read(error: str) -> str:
    return f"the number that its answer is compared with cannot be evaluated before the statement runs: {error}"
