"""Which calibration a call means: the one that it names, or those that were made for its question."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inlay.errors import ConfigError
from inlay.functions.assurance import accuracy_of, least_rows
from inlay.functions.contract import Call
from inlay.functions.spec import FunctionSpec
from inlay.models.head_card import HeadCard, judgements, read_card


def is_to_be_calibrated(spec: FunctionSpec, call: Call) -> bool:
    """Whether a call names a calibration, or asks for an accuracy that no head's own card may promise."""
    if call.options.get("calibration") is not None:
        return True
    takes_one = any(option.name == "calibration" for option in spec.options)
    is_by_head = spec.setting == "labels" and call.model.card is not None and "accuracy" in call.model.card.measures
    return takes_one and not is_by_head and call.options.get("accuracy") is not None


def named_calibration(call: Call, heads: Path, named: Any, question: str) -> HeadCard:
    """Raises ModelNotFoundError, or ConfigError where it was made for another question."""
    card = read_card(heads, str(named))
    judges = card.judges
    if judges is None:
        raise ConfigError(
            f"{call.function}: calibration is {named!r}, which is a head and has a card of its own: model := "
            f"'head:{named}', accuracy := 0.95."
        )
    if judges.question != question:
        raise ConfigError(
            f"{call.function}: calibration {named!r} was made for {judges.call} by model {card.base!r}, and this call "
            "asks another question: another function, model, or other labels or options. Calibrate it as it stands "
            f"here: {_how()}"
        )
    return card


def fitting_calibrations(call: Call, heads: Path, question: str) -> tuple[HeadCard, ...]:
    """One for each statement, the latest by its name. Raises ConfigError where there are none."""
    cards = judgements(heads)
    found = {card.judges.statement: card for card in cards if card.judges and card.judges.question == question}
    if found:
        return tuple(found.values())
    accuracy, probability = accuracy_of(call) or (0.95, 0.95)
    others = [card.name for card in cards if card.judges and card.judges.function == call.function]
    also = f" Those there are were made for other models, labels or options: {', '.join(others)}." if others else ""
    raise ConfigError(
        f"{call.function}: accuracy is {accuracy:g}, but no labelled rows say how often {call.model.name!r} is right "
        f"here. Calibrate the call with at least {least_rows(accuracy, probability):,} labelled rows that differ: "
        f"{_how()} Or train a head from them (CALL inlay_train('name', …)), which knows more than a calibration, and "
        f"name it here: model := 'head:name'.{also}"
    )


def _how() -> str:
    return (
        "CALL inlay_calibrate('name', 'labelled_rows', label := 'topic', call := $$…$$), with the call as it is "
        "written, without accuracy; in Python inlay.calibrate(con, …)."
    )
