"""SET VARIABLE inlay_quality = 0.95: one target for a statement, split evenly over its calls that a proxy can make
cheaper.

With k of them and a quality of q each gets (1 - q) / k of the errors: an ai_filter as recall and precision, an
ai_classify as agreement. The chance that targets fail is split alike, so that all of them hold together with the
probability that a single one has by itself (a union bound: the calls need not be independent). Calls with targets of
their own keep them; calls that ask the same share one part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from inlay.errors import ConfigError, InlayError
from inlay.execution.binding import Binding
from inlay.functions.cascade.cascade import DEFAULT_PROBABILITY, TARGETS, has_targets
from inlay.functions.spec import FunctionSpec
from inlay.store.calls import call_text

_NOT_WITH = ("accuracy", "calibration", "adapt", "other")
"""Options that targets do not go with."""

Settings = tuple[Any, dict[str, Any], int | None]
"""Of a call, as Queries.settings() gives them."""


@dataclass(frozen=True)
class Quality:
    """total: of the statement. questions: those that it is split over, as call_text() writes them."""

    binding: Binding
    total: float = 1.0
    questions: frozenset[str] = frozenset()

    @classmethod
    def of(cls, given: Any, binding: Binding, calls: Iterable[tuple[FunctionSpec, Settings]]) -> Quality:
        """given: the variable's value, None where it is not set. Raises ConfigError for a value that is no quality."""
        if given is None:
            return cls(binding)
        total = _quality(given)
        able = [call_text(spec.name, *settings[:2]) for spec, settings in calls if _is_able(binding, spec, settings)]
        return cls(binding, total, frozenset(able))

    def within(self, spec: FunctionSpec, settings: Settings) -> Settings:
        """The settings of a call, with its part of the target where it has one."""
        labels, options, connection = settings
        if call_text(spec.name, labels, options) not in self.questions:
            return settings
        probability = float(self.binding.given(spec.name, options).get("probability") or DEFAULT_PROBABILITY)
        targets = dict.fromkeys(_targets(spec), self._part(self.total))
        return labels, {**options, **targets, "probability": self._part(probability)}, connection

    def said(self, spec: FunctionSpec, settings: Settings) -> str | None:
        """For explain: what a call got of it. settings: as they are written."""
        n, (_, options, _) = len(self.questions), self.within(spec, settings)
        if options is settings[1]:
            return None
        shared = f"split over {n} calls" if n > 1 else "all of it for one call"
        targets = f"{' and '.join(_targets(spec))} {options[_targets(spec)[0]]:g}"
        return f"{targets} with probability {options['probability']:g} (inlay_quality {self.total:g}, {shared})"

    def _part(self, share: float) -> float:
        return 1 - (1 - share) / len(self.questions)


def _quality(given: Any) -> float:
    try:
        quality = float(given)
    except (TypeError, ValueError):
        quality = 0.0
    if isinstance(given, bool) or not 0.5 < quality < 1:
        shown = repr(given) if isinstance(given, str) else given
        raise ConfigError(
            f"inlay_quality is {shown}; it must be a number above 0.5 and below 1: SET VARIABLE inlay_quality = 0.95. "
            "For exact answers: RESET VARIABLE inlay_quality."
        )
    return quality


def _targets(spec: FunctionSpec) -> list[str]:
    return [option.name for option in spec.options if option.name in TARGETS]


def _is_able(binding: Binding, spec: FunctionSpec, settings: Settings) -> bool:
    """Whether a proxy may answer some of a call. What is wrong with the call itself is said when it is answered."""
    labels, options, _ = settings
    given: Mapping[str, Any] = binding.given(spec.name, options)
    if not _targets(spec) or has_targets(given) or any(given.get(name) for name in _NOT_WITH):
        return False
    try:
        exact, proxy = binding.model(binding.model_name(spec, labels, given)), binding.proxy(spec, given)
    except InlayError:
        return False
    return exact.base is None and not exact.can("vectors") and proxy.can("vectors")
