"""The fields of a ModelRef that come from the settings alone, whatever runs the model."""

from __future__ import annotations

from typing import Any

from inlay.settings.schema import ModelSettings


def declared(settings: ModelSettings) -> dict[str, Any]:
    """Arguments of ModelRef. Writing a token costs as much as reading one unless the settings say otherwise."""
    output_cost = settings.cost_per_million_output_tokens
    return {
        "name": settings.name,
        "source": settings.source,
        "prompts": settings.prompts or (),
        "template": settings.template,
        "cost_per_million_tokens": settings.cost_per_million_tokens,
        "cost_per_million_output_tokens": settings.cost_per_million_tokens if output_cost is None else output_cost,
        "max_output_tokens": settings.max_output_tokens or 512,
    }
