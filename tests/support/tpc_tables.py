"""Small tables for the TPC-H and TPC-DS texts: their columns are read from the texts, and filled with what the texts
compare them with, so that the statements find rows."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import date, timedelta
from random import Random
from typing import Any

import pyarrow as pa
from sqlglot import exp, parse_one

# Table → (what its columns begin with, its key where it is a small table that others refer to).
TABLES = {
    "TPC-H": {
        "customer": ("c", "c_custkey"), "lineitem": ("l", None), "nation": ("n", "n_nationkey"),
        "orders": ("o", "o_orderkey"), "part": ("p", "p_partkey"), "partsupp": ("ps", None),
        "region": ("r", "r_regionkey"), "supplier": ("s", "s_suppkey"),
    },
    "TPC-DS": {
        "call_center": ("cc", "cc_call_center_sk"), "catalog_page": ("cp", "cp_catalog_page_sk"),
        "catalog_returns": ("cr", None), "catalog_sales": ("cs", None), "customer": ("c", "c_customer_sk"),
        "customer_address": ("ca", "ca_address_sk"), "customer_demographics": ("cd", "cd_demo_sk"),
        "date_dim": ("d", "d_date_sk"), "household_demographics": ("hd", "hd_demo_sk"),
        "income_band": ("ib", "ib_income_band_sk"), "inventory": ("inv", None), "item": ("i", "i_item_sk"),
        "promotion": ("p", "p_promo_sk"), "reason": ("r", "r_reason_sk"), "ship_mode": ("sm", "sm_ship_mode_sk"),
        "store": ("s", "s_store_sk"), "store_returns": ("sr", None), "store_sales": ("ss", None),
        "time_dim": ("t", "t_time_sk"), "warehouse": ("w", "w_warehouse_sk"), "web_page": ("wp", "wp_web_page_sk"),
        "web_returns": ("wr", None), "web_sales": ("ws", None), "web_site": ("web", "web_site_sk"),
    },
}  # fmt: skip

N_KEYS = 24
N_FACTS = 240
_DATE = re.compile(r"date$")
_KEY = re.compile(r"(key|_sk|number)$")
_NUMBER = re.compile(
    r"price|cost|tax|discount|acctbal|quantity|_qty|availqty|amt|amount|paid|profit|loss|fee|cash|charge|credit$|offset|"
    r"p_size|priority$|count$|estimate|_year|_moy|_dom|_dow|_qoy|_seq|hour|minute|t_time$|bound|sq_ft|employees|birth_(day|"
    r"month|year)|(brand|class|category|manufact|manager|market|company)_id$|on_hand"
)
_TEXT = re.compile(r"o_orderpriority|credit_rating|street_number|birth_country|suite_number")


def kind(name: str) -> str:
    if _TEXT.search(name):
        return "text"
    if _KEY.search(name):
        return "key"
    if _DATE.search(name) and not name.startswith("c_"):
        return "date"
    return "number" if _NUMBER.search(name) else "text"


def tables(suite: str, texts: list[str]) -> dict[str, pa.Table]:
    """Table by name. texts: statements of the suite."""
    columns: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    owner = {prefix: table for table, (prefix, _) in TABLES[suite].items()}
    for text in texts:
        tree = parse_one(text, dialect="duckdb")
        made = {alias.alias.lower() for alias in tree.find_all(exp.Alias)}
        for column in tree.find_all(exp.Column):
            name = column.name.lower()
            table = owner.get(name.split("_")[0])
            if table is not None and name not in made:
                columns[table][name] += _literals(column)
    random = Random(7)
    return {
        table: pa.table(
            {
                name: _filled(name, pool, key, random)
                for name, pool in sorted({key or f"{prefix}_number": [], **columns[table]}.items())
            }
        )
        for table, (prefix, key) in TABLES[suite].items()
    }


def _literals(column: exp.Column) -> list[Any]:
    """What a text compares a column with."""
    place: exp.Expr | None = column
    while isinstance(place, exp.Column | exp.Cast | exp.Paren | exp.Func) and not isinstance(place, exp.Connector):
        place = place.parent
    if not isinstance(place, exp.Predicate):
        return []
    found = [literal for literal in place.find_all(exp.Literal) if literal.find_ancestor(exp.Predicate) is place]
    return [literal.this.strip("%").replace("%", " ") for literal in found]


def _filled(name: str, pool: list[str], key: str | None, random: Random) -> pa.Array:
    n_rows = N_FACTS if key is None else N_KEYS
    if name == key:
        return pa.array(range(1, n_rows + 1), pa.int32())
    match kind(name):
        case "key":
            values: list[Any] = [random.randint(1, N_KEYS) for _ in range(n_rows)]
            return pa.array(values, pa.int32())
        case "date":
            known = [date.fromisoformat(text[:10]) for text in pool if re.fullmatch(r"\d{4}-\d\d-\d\d", text[:10])]
            known = known or [date(1995, 3, 15), date(2000, 2, 1)]
            values = [random.choice(known) + timedelta(random.randint(-20, 40)) for _ in range(n_rows)]
            return pa.array(values, pa.date32())
        case "number":
            numbers = [int(float(text)) for text in pool if re.fullmatch(r"-?\d+(\.\d+)?", text)]
            values = [random.choice(numbers) if numbers and random.random() < 0.7 else random.randint(1, 40)
                      for _ in range(n_rows)]  # fmt: skip
            return pa.array(values, pa.int32())
    words = [*pool, *pool, f"{name} good", f"{name} bad", "plain", "'quoted' ä", None]
    return pa.array([random.choice(words) for _ in range(n_rows)], pa.string())
