"""Which statements may call one of the functions, told from their text alone: all that every other statement costs."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from inlay.functions.spec import FunctionSpec

if TYPE_CHECKING:
    from inlay.parsing.tokens import Word


class Mentions:
    def __init__(self, specs: Collection[FunctionSpec], prefix: str) -> None:
        # Of text in lower case: a search that ignores case, or begins with what is optional, takes ten times as long.
        own = [name for spec in specs if not spec.is_table or spec.args for name in (spec.name, spec.try_name)]
        called = "|".join(re.escape(f"{prefix}{name}".lower()) for name in own)
        self._calls = re.compile(rf'(?:{called})"?\s*\(')
        self._names = re.compile("|".join(re.escape(f"{prefix}{spec.name}".lower()) for spec in specs))
        self._views: re.Pattern[str] | None = None
        self._view_names: frozenset[str] = frozenset()
        self._macros: re.Pattern[str] | None = None
        self._prepared: re.Pattern[str] | None = None
        self._prepared_names: frozenset[str] = frozenset()
        self._macro_names: frozenset[str] = frozenset()

    def calls(self, sql: str) -> bool:
        """Whether a text may call one of the functions by itself."""
        return self._calls.search(sql.lower()) is not None

    def may_call(self, sql: object) -> bool:
        """Whether a statement may call one of the functions, by itself or through a view."""
        return isinstance(sql, str) and (
            self.calls(sql)
            or (self._views is not None and self._views.search(sql) is not None)
            or self.names_macro(sql)
            or (self._prepared is not None and self._prepared.match(sql) is not None)
        )

    def names_macro(self, sql: str) -> bool:
        """Whether a text may use a macro of the user's that calls one of the functions."""
        return self._macros is not None and self._macros.search(sql) is not None

    def uses_macro(self, words: Sequence[Word]) -> bool:
        """The same of the words of a text, where names in literals and aliases are none."""
        names = (word.lower.strip('"') for word, after in itertools.pairwise(words) if after.text == "(")
        return not self._macro_names.isdisjoint(names)

    def may_need_macros(self, sql: str) -> bool:
        """Whether a statement names a function of ours, a table function too, or a view that calls one."""
        return self._names.search(sql.lower()) is not None or self.may_call(sql)

    def know_views(self, names: Iterable[str]) -> None:
        """These views call one of the functions, and no others do."""
        self._view_names = frozenset(names)
        views = "|".join(re.escape(name) for name in sorted(self._view_names))
        self._views = re.compile(rf"\b(?:{views})\b", re.IGNORECASE) if views else None

    def know_view(self, name: str) -> None:
        """This view calls one of the functions, too."""
        self.know_views(self._view_names | {name.lower()})

    def know_macros(self, names: Iterable[str]) -> None:
        """These macros of the user's call one of the functions, too."""
        self._macro_names |= frozenset(map(str.lower, names))
        macros = "|".join(re.escape(name) for name in sorted(self._macro_names))
        self._macros = re.compile(rf'\b(?:{macros})"?\s*\(', re.IGNORECASE) if macros else None

    def know_prepared(self, name: str) -> None:
        """A prepared statement of this name calls one of the functions."""
        self._prepared_names |= {name.lower()}
        names = "|".join(re.escape(each) for each in sorted(self._prepared_names))
        self._prepared = re.compile(rf'\s*EXECUTE\s+"?(?:{names})"?(?!\w)', re.IGNORECASE)

    def with_views_of(self, other: Mentions | None) -> Mentions:
        if other is not None:
            self._views, self._view_names = other._views, other._view_names
            self._macros, self._macro_names = other._macros, other._macro_names
            self._prepared, self._prepared_names = other._prepared, other._prepared_names
        return self
