"""From a head's card to a ModelRef."""

from __future__ import annotations

from pathlib import Path

from inlay.errors import CannotServeError
from inlay.models.capabilities import capabilities_of
from inlay.models.head_card import HeadCard, arrays_file
from inlay.models.ref import ModelRef


def describe_head(name: str, card: HeadCard, base: ModelRef, heads: Path) -> ModelRef:
    """name: what the call calls it. base: the embedding model of the card's name, as it is now. Raises CannotServeError
    where that is another than the head was trained over: its vectors mean something else; and for a calibration."""
    if card.judges is not None:
        raise CannotServeError(
            f"{card.name!r} is a calibration of {card.judges.function}, and no head that answers by itself. Name it in "
            f"such a call: {card.judges.function}(…, calibration := '{card.name}')."
        )
    if base.fingerprint != card.base_fingerprint:
        raise CannotServeError(
            f"head {card.name!r} was trained over the vectors of a model {card.base!r} with the fingerprint "
            f"{card.base_fingerprint[:12]}; {card.base!r} is now one with {base.fingerprint[:12]}. Train it again: "
            f"CALL inlay_train('{card.name}', …), or register the model that it was trained over as {card.base!r}."
        )
    capabilities = capabilities_of("head", "head", tokenizer=False)
    return ModelRef(
        name=name,
        source=f"head:{card.name}@{card.version}",
        folder=arrays_file(heads, card),
        task="head",
        backend="head",
        capabilities=capabilities - {"own_labels"} if card.kind == "regression" else capabilities,
        architecture=card.method,
        model_type=card.kind,
        width=max(1, len(card.classes)),
        max_tokens=base.max_tokens,
        too_long=base.too_long,
        fingerprint=card.fingerprint,
        device=base.device,
        dtype=base.dtype,
        prompts=base.prompts,
        labels=card.classes,
        multi_label=card.kind == "multi",
        cost_per_million_tokens=base.cost_per_million_tokens,
        base=base,
        card=card,
    )
