"""What sqlglot reads otherwise than DuckDB does, put right in its tree, so that nothing else has to know of it.

a.upper()      a method: sqlglot takes `a` for a bare name, and it is a column
a.max()        an aggregate, written as a method
histogram(a)   an aggregate that sqlglot does not know
a[:i]          a slice: sqlglot takes `:i` for a parameter, which DuckDB would write as `$i`
"""

from __future__ import annotations

from sqlglot import exp

from inlay.parsing.marks import GATHERING
from inlay.parsing.unplannable import READ_OTHERWISE, Unplannable

_AGGREGATES = {
    "any_value", "approx_count_distinct", "approx_quantile", "approx_top_k", "arbitrary", "arg_max", "arg_max_null",
    "arg_max_nulls_last", "arg_min", "arg_min_null", "arg_min_nulls_last", "argmax", "argmin", "array_agg", "avg",
    "bit_and", "bit_or", "bit_xor", "bitstring_agg", "bool_and", "bool_or", "combine_aggr", "corr", "count",
    "count_if", "count_star", "countif", "covar_pop", "covar_samp", "decimal_average", "entropy", "favg", "first",
    "fsum", "group_concat", "histogram", "histogram_exact", "kahan_sum", "kurtosis", "kurtosis_pop", "last", "list",
    "listagg", "lttb", "mad", "max", "max_by", "mean", "median", "min", "min_by", "mode", "product", "quantile",
    "quantile_cont", "quantile_disc", "regr_avgx", "regr_avgy", "regr_count", "regr_intercept", "regr_r2",
    "regr_slope", "regr_sxx", "regr_sxy", "regr_syy", "reservoir_quantile", "sem", "skewness", "stddev",
    "stddev_pop", "stddev_samp", "string_agg", "sum", "sum_no_overflow", "sumkahan", "var_pop", "var_samp",
    "variance", "variant_group_object",
}  # fmt: skip
"""The aggregates of duckdb_functions(); sqlglot takes some of them for plain functions."""


def as_duckdb_reads(tree: exp.Expr, text: str) -> exp.Expr:
    """The tree of a text, changed in place."""
    root = exp.Paren(this=tree)  # so that each node may be replaced
    for node in [*root.find_all(exp.Anonymous, exp.Dot, exp.Placeholder)]:
        if isinstance(node, exp.Anonymous) and (node.name.startswith(GATHERING) or node.name.lower() in _AGGREGATES):
            # A call that gathers rows as well: no plain function may stand in its place.
            node.replace(exp.AnonymousAggFunc(this=node.this, expressions=node.expressions))
        elif isinstance(node, exp.Dot) and isinstance(node.expression, exp.Func):
            _with_column(node)
        elif isinstance(node, exp.Placeholder) and node.name and f"${node.name}" not in text:
            _with_slice(node)
    found: exp.Expr = root.this
    found.pop()
    return found


def _with_column(method: exp.Dot) -> None:
    """Makes what a method is called of a column, where it is a name. Of a schema's function that is its schema, which
    is written alike."""
    node = method.this
    while isinstance(node, exp.Expr) and not isinstance(node, exp.Identifier | exp.Column):
        node = node.this
    if not isinstance(node, exp.Identifier):
        return
    parts: list[exp.Expr] = [node]
    top: exp.Expr = node
    while isinstance(top.parent, exp.Dot) and isinstance(top.parent.expression, exp.Identifier) and len(parts) < 4:
        top = top.parent
        parts.append(top.expression)
    column = exp.Column()
    top.replace(column)
    for name, part in zip(("this", "table", "db", "catalog"), reversed(parts), strict=False):
        column.set(name, part)


def _with_slice(name: exp.Placeholder) -> None:
    end: exp.Expr = exp.column(name.name)
    name.replace(end)
    while not isinstance(end.parent, exp.Bracket):
        if end.parent is None:
            raise Unplannable(READ_OTHERWISE)
        end = end.parent
    end.replace(exp.Slice(expression=end.copy()))
