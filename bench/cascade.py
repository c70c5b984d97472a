"""Do targets for recall, precision and agreement hold as often as stated, and what do they cost in exact calls?

The exact model is simulated: its answer is the gold label of the text, as a large model would give it that makes no
mistake. So calls are counted, not timed, and nothing is said about any model's quality. The proxy is real: the default
embedding model with the head that the cascade fits. In each of 100 trials other rows are drawn, by another seed; a
target that holds with probability 0.95 may fail in some five of them.

intents     SNIPS, 2,095 requests of 7 intents: each intent as a predicate of ai_filter, in turn
topics      banking77, 3,075 questions of 77 intents: four predicates that several intents meet; harder for the proxy
few         recall alone over 1,500 rows, drawn from either: five predicates that 13 to 43 % meet, 20 draws each
pairs       a join of texts and statements: each of 7 intents of SNIPS, 4 topics and all 77 intents of banking77 asked
            of each text in one call, with targets for all pairs together
labels      ai_classify on both
invented    scores and answers drawn at random, probability 0.8, 1,000 trials: from a proxy that is right to one that is
            always wrong, and one whose errors are just more than the target allows
size        the same for a proxy that is nearly always right, and 500 to 100,000 inputs of which 3 in 10 are TRUE
join        the same for the 4,000,000 pairs of 2,000 by 2,000 texts, of which 2,000 are TRUE, with scores 4 or 6
            standard deviations above those of the others; a tenth of them in short form

The first four need INLAY_BENCH_DATA, a folder with snips_train_300perintent.parquet (Coucke et al. 2018, CC0) and
banking77_train_40perclass.parquet (PolyAI's task-specific-datasets, CC-BY-4.0); they are left out without it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from bench.asking import model, work
from bench.report import save, table
from bench.texts import distinct_rows
from inlay.arrays import Bools, Ints
from inlay.engine.resolve import Work
from inlay.functions.cascade.cascade import filter_cascade, label_cascade
from inlay.functions.cascade.guarantee import filtered
from inlay.functions.contract import Ask, Call, Routed
from inlay.functions.labels import read_labels
from inlay.models.capabilities import capabilities_of
from inlay.store.inputs import text_inputs

TRIALS = 100

SNIPS = {
    "AddToPlaylist": "The user wants to add a song or an artist to a playlist.",
    "BookRestaurant": "The user wants to book a table in a restaurant.",
    "GetWeather": "The user asks about the weather.",
    "PlayMusic": "The user wants to listen to music.",
    "RateBook": "The user rates a book.",
    "SearchCreativeWork": "The user looks for a film, a book, a game, a show or an album by its name.",
    "SearchScreeningEvent": "The user asks when or where a film is shown.",
}
BANKING = {
    "card": "The customer asks about a bank card.",
    "transfer": "The customer asks about a transfer of money.",
    "top": "The customer asks about topping up the account.",
    "exchange": "The customer asks about exchanging currency.",
}
TARGETS: tuple[dict[str, float], ...] = (
    {"recall": 0.9},
    {"recall": 0.95},
    {"precision": 0.9},
    {"recall": 0.9, "precision": 0.9},
    {"recall": 0.95, "precision": 0.95},
)


def intents(short: bool) -> None:
    texts, gold = _labelled("snips_train_300perintent.parquet")
    if texts:
        questions = {said: gold == name for name, said in SNIPS.items()}
        _filters("intents", "SNIPS, 7 predicates in turn", texts, questions, short)


def topics(short: bool) -> None:
    texts, gold = _labelled("banking77_train_40perclass.parquet")
    if texts:
        questions = {said: np.char.find(gold, word) >= 0 for word, said in BANKING.items()}
        _filters("topics", "banking77, 4 predicates in turn", texts, questions, short)


def few(short: bool) -> None:
    texts, gold = _labelled("snips_train_300perintent.parquet")
    others, intent = _labelled("banking77_train_40perclass.parquet")
    if not texts or not others:
        return
    music, works = ["AddToPlaylist", "PlayMusic"], ["RateBook", "SearchCreativeWork", "SearchScreeningEvent"]
    asked_of: dict[str, tuple[list[str], Bools]] = {
        SNIPS["GetWeather"]: (texts, gold == "GetWeather"),
        "The user wants music to be played or added to a playlist.": (texts, np.isin(gold, music)),
        "The user rates or looks for a film, a book or a show.": (texts, np.isin(gold, works)),
        BANKING["transfer"]: (others, np.char.find(intent, "transfer") >= 0),
        BANKING["card"]: (others, np.char.find(intent, "card") >= 0),
    }
    lines, found = [], {}
    for said, (bodies, holds) in asked_of.items():
        trials = []
        for seed in range(4 if short else 20):
            rows = np.random.default_rng(seed).choice(len(bodies), 1_500, replace=False)
            cascade = filter_cascade(_call("ai_filter", {"recall": 0.9}))
            assert cascade is not None
            columns = [[bodies[row] for row in rows], [said] * len(rows)]
            routed, asked = _run(cascade, columns, holds[rows].tolist(), seed)
            given = np.where(routed.asked, holds[rows], np.array([bool(value) for value in routed.values]))
            trials.append({"asked": asked, **_quality(given, holds[rows])})
        lines.append(_line(f"{said} {holds.mean():.0%} TRUE", {"recall": 0.9}, trials))
        found[said] = trials
    _show("few", lines, found)


def pairs(short: bool) -> None:
    texts, gold = _labelled("snips_train_300perintent.parquet")
    others, intent = _labelled("banking77_train_40perclass.parquet")
    if not texts or not others:
        return
    named = {f"The customer asks about {name.replace('_', ' ')}.": intent == name for name in np.unique(intent)}
    sets: dict[str, tuple[list[str], Mapping[str, Bools]]] = {
        "SNIPS, 7 statements": (texts, {said: gold == name for name, said in SNIPS.items()}),
        "banking77, 4 statements": (others, {said: np.char.find(intent, w) >= 0 for w, said in BANKING.items()}),
        "banking77, 77 statements": (others, named),
    }
    lines, found = [], {}
    for name, (bodies, questions) in sets.items():
        columns = [[text for text in bodies for _ in questions], list(questions) * len(bodies)]
        true = np.stack(list(questions.values()), axis=1).reshape(-1)
        for targets in TARGETS:
            if "recall" not in targets:
                continue
            trials = []
            for seed in range(3 if short else 20):
                cascade = filter_cascade(_call("ai_filter", targets))
                assert cascade is not None
                routed, asked = _run(cascade, columns, true, seed)
                given = np.where(routed.asked, true, np.array([bool(value) for value in routed.values]))
                trials.append({"asked": asked, **_quality(given, true)})
            lines.append(_line(f"{name}, {len(true):,} pairs", targets, trials))
            found[f"{name} {targets}"] = trials
    _show("pairs", lines, found)


def labels(short: bool) -> None:
    lines, found = [], {}
    for name, file in (("SNIPS", "snips_train_300perintent"), ("banking77", "banking77_train_40perclass")):
        texts, gold = _labelled(f"{file}.parquet")
        if not texts:
            return
        names = [str(each) for each in np.unique(gold)]
        for target in (0.9, 0.95):
            trials = []
            for seed in range(TRIALS // 5 if short else TRIALS):
                call = _call("ai_classify", {"agreement": target}, names)
                cascade = label_cascade(call, read_labels("ai_classify", names))
                assert cascade is not None
                routed, asked = _run(cascade, [texts], gold.tolist(), seed)
                given = np.where(routed.asked, gold, routed.values)
                trials.append({"asked": asked, "agreement": float((given == gold).mean())})
            lines.append(_line(f"{name}, {len(names)} labels", {"agreement": target}, trials))
            found[f"{name} {target}"] = trials
    _show("labels", lines, found)


def invented(short: bool) -> None:
    lines, found = [], {}
    for name, make in INVENTED.items():
        for targets in ({"recall": 0.9}, {"recall": 0.9, "precision": 0.9}):
            trials = []
            for seed in range(100 if short else 1_000):
                rng = np.random.default_rng(seed)
                scores, true = make(rng, 500)
                trials.append(_trial(scores, true, targets, probability=0.8, seed=seed))
            lines.append(_line(name, targets, trials))
            found[f"{name} {targets}"] = trials
    _show("invented", lines, found)


def size(short: bool) -> None:
    lines, found = [], {}
    for n in (500, 2_000, 10_000, 100_000):
        for targets in TARGETS:
            trials = []
            for seed in range(3 if short else 20):
                scores, true = _right(np.random.default_rng(seed), n)
                trials.append(_trial(scores, true, targets, seed=seed))
            lines.append(_line(f"{n:,} inputs", targets, trials))
            found[f"{n} {targets}"] = trials
    _show("size", lines, found)


def join(short: bool) -> None:
    lines, found = [], {}
    n_pairs = 400_000 if short else 4_000_000
    for apart in (6, 4):
        for targets in TARGETS:
            if "recall" not in targets:
                continue
            trials = []
            for seed in range(1 if short else 10):
                rng = np.random.default_rng(seed)
                true = np.zeros(n_pairs, dtype=np.int64)
                true[rng.choice(n_pairs, n_pairs // 2_000, replace=False)] = 1
                scores = rng.normal(0, 1, len(true)) + apart * true
                trials.append(_trial(scores, true, targets, split=apart / 2, seed=seed))
            lines.append(_line(f"TRUE {apart} deviations higher", targets, trials))
            found[f"{apart} {targets}"] = trials
    _show("join", lines, found)


def _trial(scores: Any, true: Ints, targets: Mapping[str, float], **options: Any) -> dict[str, float]:
    decided = filtered(scores, lambda places: true[places], **targets, **options)
    given = np.where(decided.asked, true == 1, decided.accepted)
    return {"asked": float(decided.asked.mean()), **_quality(given, true == 1)}


def _right(rng: np.random.Generator, n: int) -> tuple[Any, Ints]:
    true = rng.random(n) < 0.3
    return 1 / (1 + np.exp(-rng.normal(0, 1, n) - np.where(true, 3, -3))), true.astype(np.int64)


def _calibrated(rng: np.random.Generator, n: int) -> tuple[Any, Ints]:
    scores = rng.beta(0.3, 0.7, n)
    return scores, (rng.random(n) < scores).astype(np.int64)


def _useless(rng: np.random.Generator, n: int) -> tuple[Any, Ints]:
    return rng.random(n), (rng.random(n) < 0.3).astype(np.int64)


def _contrary(rng: np.random.Generator, n: int) -> tuple[Any, Ints]:
    scores, true = _right(rng, n)
    return 1 - scores, true


def _just_too_bad(rng: np.random.Generator, n: int) -> tuple[Any, Ints]:
    true = rng.random(n) < 0.5
    return np.where(true ^ (rng.random(n) < 0.11), 0.9, 0.1) + rng.normal(0, 0.01, n), true.astype(np.int64)


INVENTED: Mapping[str, Callable[[np.random.Generator, int], tuple[Any, Ints]]] = {
    "nearly always right": _right,
    "right as often as it says": _calibrated,
    "useless": _useless,
    "always wrong": _contrary,
    "wrong in 11 %": _just_too_bad,
}


def _filters(part: str, over: str, texts: list[str], questions: Mapping[str, Bools], short: bool) -> None:
    lines, found = [], {}
    for targets in TARGETS:
        trials = []
        for seed in range(TRIALS // 5 if short else TRIALS):
            said = list(questions)[seed % len(questions)]
            true = questions[said]
            cascade = filter_cascade(_call("ai_filter", targets))
            assert cascade is not None
            routed, asked = _run(cascade, [texts, [said] * len(texts)], true.tolist(), seed)
            given = np.where(routed.asked, true, np.array([bool(value) for value in routed.values]))
            trials.append({"question": said, "asked": asked, **_quality(given, true)})
        lines.append(_line(over, targets, trials))
        found[str(targets)] = trials
    _show(part, lines, found)


@cache
def _shared_work() -> Work:
    """Of all trials, so that the proxy reads each text once."""
    return work()


def _call(function: str, options: Mapping[str, Any], names: Sequence[str] | None = None) -> Call:
    proxy = model("minilm")
    # Stands for the exact model, whose answers are the gold labels.
    exact = dataclasses.replace(
        proxy, name="gold", task="nli", capabilities=capabilities_of("nli", "torch"), fingerprint="gold"
    )
    return Call(function, exact, options, names, proxy)


def _run(cascade: Any, columns: list[list[str]], gold: Any, seed: int) -> tuple[Routed, float]:
    asked = []

    def exact(places: Ints) -> list[Any]:
        asked.extend(places.tolist())
        return [gold[place] for place in places]

    inputs = text_inputs(*columns)
    routed = cascade(
        inputs, Ask(cascade.proxy, _shared_work()), exact,
        ids=np.ascontiguousarray(inputs.keys[:, :8]).view(np.uint64)[:, 0],
        counts=np.ones(len(inputs), dtype=np.int64), seed=seed,
    )  # fmt: skip
    return routed, len(asked) / len(inputs)


def _quality(given: Bools, true: Bools) -> dict[str, float]:
    hits = int((given & true).sum())
    return {
        "recall": hits / int(true.sum()) if true.any() else 1.0,
        "precision": hits / int(given.sum()) if given.any() else 1.0,
    }


def _labelled(file: str) -> tuple[list[str], Any]:
    """Distinct texts and their labels."""
    texts, labels = distinct_rows(file)
    return texts, np.array(labels)


def _line(over: str, targets: Mapping[str, float], trials: Sequence[Mapping[str, Any]]) -> list[str]:
    holds = [all(trial[name] >= target - 1e-9 for name, target in targets.items()) for trial in trials]
    asked = [trial["asked"] for trial in trials]
    least = ", ".join(f"{min(trial[name] for trial in trials):.3f}" for name in targets)
    return [
        over,
        ", ".join(f"{name} {target}" for name, target in targets.items()),
        f"{sum(holds)} of {len(trials)}",
        f"{np.mean(asked):.1%} ({min(asked):.1%}–{max(asked):.1%})",
        least,
    ]


def _show(part: str, lines: list[list[str]], found: Mapping[str, Any]) -> None:
    print(table(["inputs", "targets", "held", "exact calls, of all inputs", "worst"], lines))
    save(f"cascade.{part}", {"trials": dict(found)})


PARTS = {
    "intents": intents,
    "topics": topics,
    "few": few,
    "pairs": pairs,
    "labels": labels,
    "invented": invented,
    "size": size,
    "join": join,
}
