"""What a session may spend on models, and what it has spent. A limit stops before it is passed."""

from __future__ import annotations

from inlay.errors import BudgetExceededError
from inlay.locks import new_lock
from inlay.models.ref import ModelRef
from inlay.settings.schema import Settings


class Limits:
    """None is no limit. Counts run over the life of a session: a dbt run, a command, a notebook's kernel."""

    def __init__(self) -> None:
        self._limits: dict[str, float | None] = dict.fromkeys(("max_rows", "max_tokens", "max_seconds", "max_cost"))
        self._spent = dict.fromkeys(self._limits, 0.0)
        self._lock = new_lock()

    def limit(self, settings: Settings) -> None:
        """From here on by these settings. What was spent until now counts."""
        with self._lock:
            for name in self._limits:
                self._limits[name] = getattr(settings, name)

    def __bool__(self) -> bool:
        """Whether anything is limited."""
        return any(limit is not None for limit in self._limits.values())

    def spend(self, rows: int, tokens: int, cost: float) -> None:
        """Called before the model is. Raises BudgetExceededError, and then nothing was spent."""
        asked = {"max_rows": rows, "max_tokens": tokens, "max_cost": cost, "max_seconds": 0.0}
        with self._lock:
            for name, limit in self._limits.items():
                used = self._spent[name]
                if limit is not None and (used + asked[name] > limit or (name == "max_seconds" and used >= limit)):
                    raise BudgetExceededError.passed(name, limit, used, asked[name])
            for name, amount in asked.items():
                self._spent[name] += amount

    def give_back(self, tokens: float, cost: float) -> None:
        """What was set aside and then not used."""
        with self._lock:
            self._spent["max_tokens"] -= tokens
            self._spent["max_cost"] -= cost

    def took(self, seconds: float) -> None:
        with self._lock:
            self._spent["max_seconds"] += seconds

    def foresee(self, rows: float, tokens: float, seconds: float | None, cost: float) -> None:
        """Raises BudgetExceededError where a plan would pass a limit."""
        planned = {"max_rows": rows, "max_tokens": tokens, "max_seconds": seconds or 0.0, "max_cost": cost}
        for name, limit in self._limits.items():
            if limit is not None and planned[name] > limit:
                raise BudgetExceededError.planned(name, limit, planned[name])


class Reserved:
    """What is set aside for one piece of work of a model, whose size shows only when it is done; the rest is given back
    at the end.

        with Reserved(limits, ref) as reserved:
            reserved.spend(1, 200, 512)               # what a reply may take at most; raises BudgetExceededError
            reserved.use(180, 31, of=(200, 512))      # what it took; the rest of what was set aside is free again

    Called from several threads. Without `of` the rest is given back at the end alone.
    """

    def __init__(self, limits: Limits, ref: ModelRef) -> None:
        self._limits = limits
        self._ref = ref
        self._tokens = 0
        self._cost = 0.0
        self._lock = new_lock()

    def spend(self, rows: int, tokens: int, output_tokens: int = 0) -> None:
        cost = self._ref.cost(tokens, output_tokens)
        self._limits.spend(rows, tokens + output_tokens, cost)
        with self._lock:
            self._tokens += tokens + output_tokens
            self._cost += cost

    def use(self, tokens: int, output_tokens: int = 0, of: tuple[int, int] = (0, 0)) -> None:
        """of: the tokens read and written that were set aside for it."""
        used, cost = tokens + output_tokens, self._ref.cost(tokens, output_tokens)
        free, free_cost = (sum(of) - used, self._ref.cost(*of) - cost) if any(of) else (0, 0.0)
        self._limits.give_back(free, free_cost)
        with self._lock:
            self._tokens -= used + free
            self._cost -= cost + free_cost

    def __enter__(self) -> Reserved:
        return self

    def __exit__(self, *_: object) -> None:
        self._limits.give_back(self._tokens, self._cost)
