"""What stands for a label among vectors of texts."""

from __future__ import annotations

from inlay.arrays import Floats
from inlay.functions.contract import Ask, unit_rows
from inlay.functions.example_fit import shifted
from inlay.functions.labels import Labels, spelled_out

# Around a label's name, where neither the call nor the model's settings give a template. For embedding models the
# mean over several neutral sentences stands for the name (prompt ensembling, Radford et al. 2021, section 3.1.4):
# no single one is best on every data set, and the mean is near the best on each (bench/zero_shot.py).
EMBED_TEMPLATES = ("{label}", "{label}?", "About {label}", "regarding {label}", "category: {label}")


def label_vectors(labels: Labels, template: str | None, ask: Ask) -> Floats:
    """A unit vector for each label: its name in the template, or in each of EMBED_TEMPLATES, averaged, and where it
    has a description the mean of that and the description's vector, no other share of the two being better over many
    sets (bench/zero_shot.py); then moved towards its examples."""
    templates = (template,) if template else EMBED_TEMPLATES
    names = [spelled_out(name) for name in labels.names]
    descriptions = [text for text in labels.descriptions if text]
    rows = ask.fixed([each.replace("{label}", name) for each in templates for name in names] + descriptions)
    vectors = unit_rows(rows[: len(templates) * len(names)].reshape(len(templates), len(names), -1).sum(axis=0))
    described = [i for i, text in enumerate(labels.descriptions) if text]
    vectors[described] = unit_rows(vectors[described] + rows[len(templates) * len(names) :])
    examples = labels.examples
    return shifted(vectors, examples.vectors(ask), examples.places) if examples else vectors
