"""What ai_sentiment compares a text with where an embedding model answers: sentences of each feeling.

A feeling's prototype is the mean of its sentences' vectors at length 1, and a text has the feeling whose prototype has
the highest cosine to it. Positive and negative sentences are pairs that differ in the feeling alone, so that what else
a text is about counts the same on both sides. Means of unequal length must not be compared: the longest one is that of
the sentences most alike, and would be nearest to most texts.

Vectors of general sentence models follow the topic far more than the feeling. So a text is neutral or mixed only where
that prototype is nearer by LEADS, as a share of its distance from positive and negative. The sentences and the leads
were chosen over several sets together, others were held out: docs/benchmarks.md.
"""

from __future__ import annotations

import numpy as np

from inlay.arrays import Floats
from inlay.functions.contract import Ask, unit_rows
from inlay.functions.example_fit import shifted
from inlay.functions.examples import NO_EXAMPLES, Examples

_SUBJECTS = (
    "It", "This", "The food", "The service", "The film", "The story", "The quality", "The battery", "The delivery",
    "The room", "The staff", "The product", "The experience", "The acting", "The app", "My order",
)  # fmt: skip
_OPPOSITES = (
    ("good", "bad"),
    ("great", "terrible"),
    ("excellent", "awful"),
    ("wonderful", "horrible"),
    ("amazing", "disappointing"),
    ("perfect", "useless"),
    ("beautiful", "ugly"),
    ("fun", "boring"),
    ("brilliant", "stupid"),
    ("fantastic", "poor"),
    ("worth it", "a waste of money"),
)
_OPPOSITE_SENTENCES = (
    ("I love it.", "I hate it."),
    ("I am very happy with it.", "I am very unhappy with it."),
    ("Highly recommended.", "Not recommended."),
    ("It works perfectly.", "It does not work."),
    ("Better than I expected.", "Worse than I expected."),
    ("The best I have ever had.", "The worst I have ever had."),
    ("I would buy it again.", "I would not buy it again."),
    ("Worth every penny.", "Not worth the money."),
    ("Five stars.", "One star."),
    ("I was impressed.", "I was disappointed."),
    ("I enjoyed it a lot.", "I did not enjoy it at all."),
    ("A pleasure to use.", "A pain to use."),
    ("No complaints.", "Many complaints."),
    ("It exceeded my expectations.", "It did not meet my expectations."),
    ("Everything went well.", "Everything went wrong."),
    ("What a great day!", "What an awful day!"),
    ("I feel great.", "I feel sad and angry."),
    ("Thank you so much.", "I want my money back."),
    ("It is well made and solid.", "It is badly made and broke at once."),
    ("A masterpiece.", "A complete failure."),
    ("Funny and moving.", "Dull and pretentious."),
    ("It was delicious.", "It was disgusting."),
    ("They were friendly and fast.", "They were rude and slow."),
    ("It saved us.", "It ruined everything."),
    ("Sehr zufrieden, sehr gute Qualität.", "Sehr enttäuscht, sehr schlechte Qualität."),
    ("Très satisfait, je recommande.", "Très déçu, je ne recommande pas."),
    ("Muy contento, lo recomiendo.", "Muy decepcionado, no lo recomiendo."),
    ("Ottimo prodotto, molto soddisfatto.", "Pessimo prodotto, molto deluso."),
    ("Muito bom, recomendo.", "Muito ruim, não recomendo."),
    ("Heel blij mee, aanrader.", "Heel teleurgesteld, afrader."),
    ("Bardzo dobry, polecam.", "Bardzo zły, nie polecam."),
    ("Çok memnunum, tavsiye ederim.", "Hiç memnun değilim, tavsiye etmem."),
    ("とても良いです。満足しています。", "とても悪いです。がっかりしました。"),
    ("非常好，很满意。", "非常差，很失望。"),
)
# Every second of subjects × opposites: all of them change no result by more than a point, and are embedded first.
_PAIRS = (
    *(
        (f"{subject} was {good}.", f"{subject} was {bad}.")
        for i, subject in enumerate(_SUBJECTS)
        for j, (good, bad) in enumerate(_OPPOSITES)
        if (i + j) % 2 == 0
    ),
    *_OPPOSITE_SENTENCES,
)

SENTENCES: dict[str, tuple[str, ...]] = {
    "positive": tuple(good for good, _ in _PAIRS),
    "negative": tuple(bad for _, bad in _PAIRS),
    "neutral": (
        "The order was shipped on Tuesday.",
        "Your parcel arrives between nine and noon.",
        "The invoice is attached to this message.",
        "It is the blue one, size M.",
        "The box contains a cable and two screws.",
        "Where can I find my order number?",
        "How do I change my address?",
        "What time do you open?",
        "Please book a table for two at eight.",
        "Remind me to call the bank tomorrow.",
        "The meeting moved to room 12.",
        "The film runs for two hours.",
        "The book was published in 1987.",
        "She works in the office next door.",
        "The payment was made by card.",
        "The train leaves at half past six.",
        "It weighs 500 grams.",
        "The system was updated last night.",
        "I have used it twice so far.",
        "I bought it for my brother.",
        "The report covers the first quarter.",
        "The store is on Main Street.",
        "My account number is 20713.",
        "Is it available in black?",
        "Send me the form, please.",
        "The temperature was measured every hour.",
        "The results are shown in table 3.",
        "The company has two hundred employees.",
        "The story takes place in a small village.",
        "We ordered soup and a salad.",
        "The battery is charged through a USB port.",
        "The hotel is five minutes from the airport.",
        "Status changed from open to closed.",
        "The contract ends in December.",
        "He moved to Berlin in 2015.",
        "The menu is on the second page.",
        "Can I pay by bank transfer?",
        "The second season has ten episodes.",
        "According to the manual, the filter is replaced once a year.",
        "Play the next song.",
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

LEADS = {"neutral": 0.2, "mixed": 0.3}


_OWN_WEIGHT = 10.0
"""Examples that the sentences of a feeling count as: with fewer, what these are about would outweigh how they feel."""


def feeling_scores(vectors: Floats, names: tuple[str, ...], ask: Ask, examples: Examples = NO_EXAMPLES) -> Floats:
    """[texts, names]: the cosine to each feeling's prototype, less its lead. names: with positive and negative."""
    rows = [unit_rows(ask.fixed(list(SENTENCES[name]), "document").mean(axis=0, keepdims=True)) for name in names]
    prototypes = np.concatenate(rows)
    if examples:
        prototypes = shifted(prototypes, examples.vectors(ask), examples.places, _OWN_WEIGHT)
    sides = (prototypes[names.index("positive")] + prototypes[names.index("negative")]) / 2
    leads = np.array([LEADS.get(name, 0.0) for name in names], dtype=np.float32)
    return np.asarray(vectors @ prototypes.T - leads * (1 - prototypes @ sides), dtype=np.float32)
