"""ai_sentiment: positive, negative, neutral or mixed.

A sentiment classifier's own labels are mapped by name, an NLI model is asked STATEMENTS, an embedding model compares
a text with EXAMPLES, a language model is asked: see judged.py.
"""

from __future__ import annotations

import numpy as np

from inlay.arrays import Floats
from inlay.errors import CannotServeError
from inlay.functions.classify import LabelScorer, choose_best, chosen
from inlay.functions.contract import Answers, Ask, Bound, Call
from inlay.functions.judged import Judge
from inlay.functions.labels import Labels
from inlay.functions.prompt_files import prompt_file
from inlay.store.inputs import Inputs

SENTIMENTS = ("positive", "negative", "neutral", "mixed")

# The statements that an NLI model compares with a text.
STATEMENTS = (
    "The writer is happy with it.",
    "The writer is unhappy with it.",
    "The writer only states facts.",
    "The writer likes some of it and dislikes some of it.",
)

# What an embedding model compares a text with: the score of a feeling is the mean cosine to its sentences. Vectors of
# general sentence models follow the topic far more than the feeling; on the example project's labelled reviews the
# default model gets 52 % of four feelings right (bench/zero_shot.py). A sentiment classifier does much better.
EXAMPLES: dict[str, tuple[str, ...]] = {
    "positive": (
        "I love it.",
        "It works perfectly.",
        "I am very happy with this.",
        "Highly recommended.",
        "Great quality.",
        "Excellent, five stars.",
        "Better than I expected.",
        "The best I have ever had.",
        "Thank you, this is wonderful.",
        "I am really impressed.",
        "Exactly what I wanted.",
        "So comfortable and well made.",
        "I use it every day and I love it.",
        "It arrived quickly and was well packed.",
        "Great value for the price.",
        "My kids love it.",
        "Very easy to use.",
        "The battery lasts for ages.",
        "The customer service was excellent.",
        "It looks beautiful.",
        "It is solid and will last for years.",
        "I would buy it again.",
        "No complaints at all.",
        "It does exactly what it promises.",
        "Fits perfectly.",
        "So quiet and fast.",
        "A pleasure to use.",
        "It kept me warm and dry.",
        "It saved our trip.",
        "Delicious, the best I have tasted.",
        "Sehr zufrieden, gerne wieder.",
        "Très content, je recommande.",
        "Muy contento, lo recomiendo.",
        "Ottimo prodotto, consigliato.",
    ),
    "negative": (
        "I hate it.",
        "It stopped working.",
        "I am very disappointed.",
        "Do not buy this.",
        "Poor quality.",
        "Terrible, one star.",
        "Worse than I expected.",
        "The worst I have ever had.",
        "This is a waste of money.",
        "I want my money back.",
        "It broke after a week.",
        "I am really annoyed.",
        "It arrived damaged.",
        "It is far too loud.",
        "It leaks.",
        "The zip broke on the first day.",
        "The battery dies after an hour.",
        "The customer service never answered.",
        "It feels cheap and flimsy.",
        "I regret buying it.",
        "I sent it back.",
        "It does not do what it promises.",
        "It does not fit.",
        "Much too small.",
        "It hurts my feet.",
        "I was cold and wet.",
        "It ruined our trip.",
        "It tastes horrible.",
        "It smells of plastic.",
        "Overpriced junk.",
        "It scratches and falls apart.",
        "Sehr enttäuscht, nie wieder.",
        "Très déçu, à éviter.",
        "Muy decepcionado, no lo compren.",
    ),
    "neutral": (
        "It is as described.",
        "It arrived on Tuesday.",
        "I have used it twice so far.",
        "It is the blue one, size M.",
        "Just the facts, no opinion.",
        "It is okay, nothing special.",
        "Bought it as a gift, not tried yet.",
        "It weighs 500 grams.",
        "It has three buttons and a cable.",
        "I ordered one in black.",
        "Average, does the job.",
        "Neither good nor bad.",
    ),
    "mixed": (
        "It is good, but it has problems.",
        "I like it, however there are some flaws.",
        "Great idea, poor execution.",
        "Mostly happy, except for one thing.",
        "Good quality but too expensive.",
        "Works well, but the instructions are bad.",
        "I love the look but it is uncomfortable.",
        "Pros: light. Cons: not waterproof.",
        "Five stars for the design, two for the quality.",
        "It worked well at first, then it broke.",
        "Nice, but I expected more.",
        "On the one hand great, on the other hand disappointing.",
    ),
}


def bind(call: Call) -> Bound:
    return call.bound(
        {
            "own_labels": _from_classifier, "entailment": _from_entailment, "vectors": _from_examples,
            "replies": _by_language_model,
        },
        "a sentiment classifier, an NLI model, an embedding model or a language model",
        "Name one with model := '…'.",
    )  # fmt: skip


def _from_examples(call: Call) -> Bound:
    def answer(inputs: Inputs, ask: Ask) -> Answers:
        anchors = np.stack([ask.fixed(list(EXAMPLES[name]), "document").mean(axis=0) for name in SENTIMENTS])
        outcome = ask.vectors(inputs)
        return choose_best(SENTIMENTS, outcome.rows @ anchors.T, outcome.errors, outcome.known, sharpen=True)

    return Bound(answer, {"version": 1, "compared": EXAMPLES})


def _by_language_model(call: Call) -> Bound:
    judge = Judge(prompt_file("ai_sentiment"), SENTIMENTS)

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        return chosen(SENTIMENTS, judge(inputs, ask))

    return Bound(answer, {"version": 1, **judge.basis()})


def _from_entailment(call: Call) -> Bound:
    score = LabelScorer(call.model, Labels(SENTIMENTS, STATEMENTS), None)

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        return choose_best(SENTIMENTS, *score(inputs, ask), sharpen=False)

    return Bound(answer, {"version": 1, "asked": STATEMENTS})


def _from_classifier(call: Call) -> Bound:
    own = call.model.labels
    mapped = [_sentiment(label) for label in own]
    if None in mapped:
        raise CannotServeError(
            f"{call.function}: model {call.model.name!r} has the labels {', '.join(own)}; a sentiment classifier has "
            f"{', '.join(SENTIMENTS)} among its labels and no others. Use ai_classify for its own labels."
        )
    names = [name for name in SENTIMENTS if name in mapped]
    score = LabelScorer(call.model, Labels(own, (None,) * len(own)), None)

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        scores, errors, known = score(inputs, ask)
        summed = np.stack([_sum_of(scores, mapped, name) for name in names], axis=1)
        return choose_best(names, summed, errors, known, sharpen=False)

    return Bound(answer, {"version": 1})


def _sum_of(scores: Floats, mapped: list[str | None], name: str) -> Floats:
    return np.asarray(scores[:, [i for i, m in enumerate(mapped) if m == name]].sum(axis=1), dtype=np.float32)


def _sentiment(label: str) -> str | None:
    """'POSITIVE', 'pos', 'very positive' → 'positive'."""
    words = label.lower().replace("_", " ").replace("-", " ").split()
    for name in SENTIMENTS:
        if any(word in (name, name[:3]) for word in words):
            return name
    return None
