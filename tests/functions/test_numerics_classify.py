"""Labels, scores and probabilities: inlay's SQL against transformers' pipelines, sentence-transformers' cross-encoder
and logits computed by hand, on tiny random models (tiny_models.py)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from sentence_transformers import CrossEncoder
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

import inlay
from inlay.client.connection import Connection
from inlay.errors import CannotServeError
from inlay.functions.labels import spelled_out
from support.tiny_models import SENTENCES, TinyModels, words

pytest_plugins = ("support.tiny_models",)

# Both sides compute logits of size 1 to 10 in float32, in batches of another shape; softmax and sigmoid shrink the
# difference. 1e-6 at most (measured).
TOLERANCE = 1e-5

KINDS = ("bug", "praise", "refund request", "question")
BODIES = (*SENTENCES, "a", "🙂 the lamp 👍🏽 was great", "[SEP] <pad> inside", words(60), words(140), words(300))
NLI = ("entailment", "neutral", "contradiction")
# The zero-shot pipeline refuses an empty text.
PREMISES = (*SENTENCES[:5], "🙂 the lamp 👍🏽 was great", words(60), words(140), words(300))


@contextmanager
def connected(**models: Path) -> Iterator[Connection]:
    """In float32 on the CPU, each model under its keyword; the first is the default."""
    named = {name: str(folder) for name, folder in models.items()}
    asked = ("ai_classify", "ai_classify_multi", "ai_sentiment", "ai_rerank")
    blanks = {function: {"on_blank": "answer"} for function in asked}
    with inlay.connect(model=next(iter(named)), models=named, device="cpu", dtype="float32", functions=blanks) as con:
        yield con


def rows(con: Connection, sql: str, texts: Sequence[str], *more: Any) -> list[Any]:
    """What `sql` gives for each of `texts`, which it calls body; further parameters follow the texts."""
    con.execute(
        "create or replace table texts as select unnest(range(len($1))) as n, unnest($1) as body", [list(texts)]
    )
    return [row[0] for row in con.execute(f"select {sql} from texts order by n", list(more)).fetchall()]


def logits(folder: Path, texts: Sequence[str], pairs: Sequence[str] | None = None) -> npt.NDArray[np.float64]:
    """One text at a time, straight from transformers."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    found = []
    for i, text in enumerate(texts):
        inputs = tokenizer(text, None if pairs is None else pairs[i], truncation=True, return_tensors="pt")
        with torch.inference_mode():
            found.append(model(**inputs).logits[0].double().numpy())
    return np.stack(found)


def softmax(numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.exp(numbers) / np.exp(numbers).sum(axis=-1, keepdims=True)


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(np.asarray(found, dtype=np.float64), expected, rtol=0, atol=TOLERANCE)


# ---- classifiers with labels of their own


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "mpnet", "modernbert", "electra"])
def test_a_classifier_answers_as_the_text_classification_pipeline(tiny_models: TinyModels, family: str) -> None:
    folder = tiny_models.classifier(KINDS, family=family)
    classify = pipeline("text-classification", model=str(folder), device="cpu", top_k=None)
    expected = [{each["label"]: each["score"] for each in said} for said in classify(list(BODIES), truncation=True)]
    with connected(kinds=folder) as con:
        values = rows(con, "ai_classify(body)", BODIES)
        details = rows(con, "try_ai_classify(body)", BODIES)
    best = [max(said, key=said.__getitem__) for said in expected]
    assert values == best
    assert len(set(best)) > 1
    for detail, said, label in zip(details, expected, best, strict=True):
        assert detail["value"] == label
        assert detail["error"] is None
        assert set(detail["scores"]) == set(KINDS)
        close([detail["scores"][kind] for kind in KINDS], [said[kind] for kind in KINDS])
        close(detail["confidence"], said[label])
        assert detail["model"] == "kinds"


def test_a_multi_label_classifier_gives_each_label_its_own_sigmoid(tiny_models: TinyModels) -> None:
    folder = tiny_models.classifier(KINDS, multi_label=True)
    classify = pipeline("text-classification", model=str(folder), device="cpu", top_k=None)
    expected = classify(list(BODIES), truncation=True)
    with connected(kinds=folder) as con:
        every = rows(con, "ai_classify_multi(body)", BODIES)
        few = rows(con, "ai_classify_multi(body, threshold := 0.9)", BODIES)
        one = rows(con, "ai_classify(body)", BODIES)
        details = rows(con, "try_ai_classify_multi(body)", BODIES)
    # The pipeline lists labels best first.
    assert every == [[each["label"] for each in said if each["score"] >= 0.5] for said in expected]
    assert few == [[each["label"] for each in said if each["score"] >= 0.9] for said in expected]
    assert one == [said[0]["label"] for said in expected]
    assert {len(labels) for labels in every} > {0, 1} or {len(labels) for labels in every} > {1, 2}
    for detail, said in zip(details, expected, strict=True):
        close([detail["scores"][each["label"]] for each in said], [each["score"] for each in said])


def test_labels_may_be_a_subset_in_another_order(tiny_models: TinyModels) -> None:
    folder = tiny_models.classifier(KINDS)
    shares = softmax(logits(folder, BODIES))[:, [3, 0]]
    with connected(kinds=folder) as con:
        details = rows(con, "try_ai_classify(body, ['question', 'bug'])", BODIES)
    assert [detail["value"] for detail in details] == [("question", "bug")[best] for best in shares.argmax(axis=1)]
    close([[detail["scores"]["question"], detail["scores"]["bug"]] for detail in details], shares)
    close([detail["confidence"] for detail in details], shares.max(axis=1))


def test_a_label_that_the_classifier_does_not_know_is_refused(tiny_models: TinyModels) -> None:
    with connected(kinds=tiny_models.classifier(KINDS)) as con, pytest.raises(CannotServeError) as refused:
        con.sql("select ai_classify('x', ['bug', 'spam'])").fetchall()
    message = str(refused.value)
    assert "ai_classify" in message
    assert "'kinds'" in message
    assert "'spam'" in message
    assert ", ".join(KINDS) in message


def test_sentiment_sums_the_labels_of_a_classifier(tiny_models: TinyModels) -> None:
    labels = ("very negative", "negative", "neutral", "positive", "very positive")
    folder = tiny_models.classifier(labels)
    shares = softmax(logits(folder, BODIES))
    summed = np.stack([shares[:, 3:].sum(axis=1), shares[:, :2].sum(axis=1), shares[:, 2]], axis=1)
    with connected(stars=folder) as con:
        details = rows(con, "try_ai_sentiment(body)", BODIES)
    names = ("positive", "negative", "neutral")
    assert [detail["value"] for detail in details] == [names[best] for best in summed.argmax(axis=1)]
    close([[detail["scores"][name] for name in names] for detail in details], summed)


# ---- NLI models


ORDERS = list(itertools.permutations(NLI))

# transformers 5.23 takes column 0 for contradiction, or the last where entailment is column 0, whatever id2label says;
# only these orders can be compared with it where contradiction counts. The others are compared with the logits.
ORDERS_THE_PIPELINE_READS = [
    order for order in ORDERS if order[-1 if order[0] == "entailment" else 0] == "contradiction"
]


@pytest.mark.parametrize("order", ORDERS, ids=" ".join)
def test_zero_shot_classification_equals_the_pipeline(tiny_models: TinyModels, order: tuple[str, ...]) -> None:
    folder = tiny_models.classifier(order, pairs=True)
    choices = ["delivery", "broken product", "praise"]
    judge = pipeline("zero-shot-classification", model=str(folder), device="cpu")
    expected = judge(list(PREMISES), choices)
    with connected(nli=folder) as con:
        details = rows(con, "try_ai_classify(body, $1)", PREMISES, choices)
    assert [detail["value"] for detail in details] == [said["labels"][0] for said in expected]
    assert len({detail["value"] for detail in details}) > 1
    for detail, said in zip(details, expected, strict=True):
        close([detail["scores"][label] for label in said["labels"]], said["scores"])
        close(detail["confidence"], said["scores"][0])


@pytest.mark.parametrize(
    "order",
    [*ORDERS_THE_PIPELINE_READS, ("entailment", "not_entailment"), ("not_entailment", "entailment")],
    ids=" ".join,
)
def test_zero_shot_with_several_answers_equals_the_pipeline(tiny_models: TinyModels, order: tuple[str, ...]) -> None:
    folder = tiny_models.classifier(order, pairs=True)
    choices = ["delivery", "broken product", "praise"]
    judge = pipeline("zero-shot-classification", model=str(folder), device="cpu")
    expected = judge(list(PREMISES), choices, multi_label=True)
    with connected(nli=folder) as con:
        details = rows(con, "try_ai_classify_multi(body, $1)", PREMISES, choices)
    for detail, said in zip(details, expected, strict=True):
        close([detail["scores"][label] for label in said["labels"]], said["scores"])
        fitting = [label for label, score in zip(said["labels"], said["scores"], strict=True) if score >= 0.5]
        assert detail["value"] == fitting


@pytest.mark.parametrize("order", [order for order in ORDERS if order not in ORDERS_THE_PIPELINE_READS], ids=" ".join)
def test_several_answers_follow_the_names_of_the_labels(tiny_models: TinyModels, order: tuple[str, ...]) -> None:
    folder = tiny_models.classifier(order, pairs=True)
    choices = ["delivery", "praise"]
    columns = [order.index("contradiction"), order.index("entailment")]
    expected = np.stack(
        [
            softmax(logits(folder, PREMISES, [f"This example is {c}."] * len(PREMISES))[:, columns])[:, 1]
            for c in choices
        ],
        axis=1,
    )
    with connected(nli=folder) as con:
        details = rows(con, "try_ai_classify_multi(body, $1)", PREMISES, choices)
    close([[detail["scores"][choice] for choice in choices] for detail in details], expected)


@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta", "electra", "modernbert"])
def test_a_template_stands_for_the_pipelines_hypothesis(tiny_models: TinyModels, family: str) -> None:
    folder = tiny_models.classifier(("contradiction", "neutral", "entailment"), pairs=True, family=family)
    choices = ["delivery", "praise"]
    judge = pipeline("zero-shot-classification", model=str(folder), device="cpu")
    expected = judge(list(PREMISES), choices, hypothesis_template="The customer writes about {}!")
    with connected(nli=folder) as con:
        sql = "try_ai_classify(body, $1, template := 'The customer writes about {label}!')"
        details = rows(con, sql, PREMISES, choices)
    for detail, said in zip(details, expected, strict=True):
        assert detail["value"] == said["labels"][0]
        close([detail["scores"][label] for label in said["labels"]], said["scores"])


def test_a_label_written_as_an_identifier_is_read_as_words_and_answered_as_written(tiny_models: TinyModels) -> None:
    folder = tiny_models.classifier(("contradiction", "neutral", "entailment"), pairs=True)
    expected = pipeline("zero-shot-classification", model=str(folder), device="cpu")(
        list(SENTENCES), ["late delivery", "broken product"]
    )
    for late in ("late_delivery", "late/delivery", "late.delivery", "late:delivery", "late,delivery"):
        with connected(nli=folder) as con:
            values = rows(con, f"ai_classify(body, ['{late}', 'brokenProduct'])", SENTENCES)
        written = {"late delivery": late, "broken product": "brokenProduct"}
        assert values == [written[said["labels"][0]] for said in expected]


@pytest.mark.parametrize(
    "name", ["24/7", "U.S.", "3.5 stars", "10:30", "1,000 rows", "a/b", "shoes, bags", "Home / Garden", "Ends."]
)
def test_what_only_looks_like_an_identifier_is_read_as_it_is(name: str) -> None:
    assert spelled_out(name) == name


@pytest.mark.parametrize(
    "order",
    [
        ("neutral", "entailment", "contradiction"),
        ("CONTRADICTION", "NEUTRAL", "ENTAILMENT"),
        ("entailment", "not_entailment"),
    ],
    ids=" ".join,
)
def test_filter_and_score_are_entailment_against_contradiction(tiny_models: TinyModels, order: tuple[str, ...]) -> None:
    folder = tiny_models.classifier(order, pairs=True)
    small = [label.lower() for label in order]
    no = next(i for i, label in enumerate(small) if label in ("contradiction", "not_entailment"))
    statement = "the customer wants money back"
    probability = softmax(logits(folder, PREMISES, [statement] * len(PREMISES))[:, [no, small.index("entailment")]])[
        :, 1
    ]
    with connected(nli=folder) as con:
        scores = rows(con, "ai_score(body, $1)", PREMISES, statement)
        held = rows(con, "ai_filter(body, $1)", PREMISES, statement)
        strict = rows(con, "ai_filter(body, $1, threshold := 0.9)", PREMISES, statement)
        details = rows(con, "try_ai_filter(body, $1)", PREMISES, statement)
    close(scores, probability)
    # No probability may lie so near the threshold that rounding decides the comparison below.
    assert np.abs(probability - 0.5).min() > 10 * TOLERANCE
    assert np.abs(probability - 0.9).min() > 10 * TOLERANCE
    assert held == (probability >= 0.5).tolist()
    assert strict == (probability >= 0.9).tolist()
    assert set(held) == {True, False}
    close([detail["confidence"] for detail in details], np.maximum(probability, 1 - probability))


def test_each_row_may_have_a_statement_of_its_own(tiny_models: TinyModels) -> None:
    folder = tiny_models.classifier(("entailment", "neutral", "contradiction"), pairs=True)
    statements = [words(1 + i % 7, seed=i) for i in range(len(PREMISES))]
    expected = softmax(logits(folder, PREMISES, statements)[:, [2, 0]])[:, 1]
    with connected(nli=folder) as con:
        close(rows(con, "ai_score(body, ($1)[n + 1])", PREMISES, statements), expected)


# ---- cross-encoders


@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta", "electra", "modernbert", "distilbert"])
def test_rerank_equals_the_cross_encoder(tiny_models: TinyModels, family: str) -> None:
    folder = tiny_models.classifier(("relevance",), pairs=True, family=family)
    queries = ["", "late parcel", words(30), words(120), words(250)]
    pairs = [(query, document) for query in queries for document in PREMISES]
    expected = CrossEncoder(str(folder), device="cpu").predict(pairs, activation_fn=torch.nn.Sigmoid())
    with connected(reranker=folder) as con:
        found = rows(con, "ai_rerank(($1)[n + 1], body)", [d for _, d in pairs], [q for q, _ in pairs])
    close(found, expected)
    assert np.ptp(expected) > 0.1


def test_a_cross_encoder_saved_by_sentence_transformers_is_one(tiny_models: TinyModels, tmp_path: Path) -> None:
    model = CrossEncoder(str(tiny_models.classifier(("relevance",), pairs=True)), device="cpu")
    model.save_pretrained(str(tmp_path / "saved"), create_model_card=False)
    pairs = [("late parcel", document) for document in PREMISES]
    with connected(reranker=tmp_path / "saved") as con:
        close(rows(con, "ai_rerank('late parcel', body)", PREMISES), model.predict(pairs))


# ---- what a model cannot do


@pytest.mark.parametrize(
    ("call", "made_for", "would_serve"),
    [
        ("ai_embed('x', model := 'kinds')", "a classifier with its own labels", "an embedding model"),
        ("ai_embed('x', model := 'nli')", "an NLI model", "an embedding model"),
        ("ai_embed('x', model := 'reranker')", "a cross-encoder", "an embedding model"),
        ("ai_similarity('x', 'y', model := 'reranker')", "a cross-encoder", "an embedding model"),
        ("ai_filter('x', 'y', model := 'kinds')", "a classifier with its own labels", "an NLI model"),
        ("ai_filter('x', 'y', model := 'reranker')", "a cross-encoder", "an NLI model"),
        (
            "ai_score('x', 'y', model := 'kinds')",
            "a classifier with its own labels",
            "an NLI model, a language model or an embedding model",
        ),
        ("ai_rerank('x', 'y', model := 'vectors')", "an embedding model", "a cross-encoder"),
        ("ai_rerank('x', 'y', model := 'nli')", "an NLI model", "a cross-encoder"),
        (
            "ai_classify('x', ['a', 'b'], model := 'reranker')",
            "a cross-encoder",
            "an NLI model, a classifier or a language model",
        ),
        (
            "ai_classify_multi('x', ['a'], model := 'reranker')",
            "a cross-encoder",
            "an NLI model, a classifier or a language model",
        ),
        ("ai_sentiment('x', model := 'reranker')", "a cross-encoder", "a sentiment classifier"),
    ],
)
@pytest.mark.parametrize("twin", ["", "try_"])
def test_a_function_refuses_a_model_that_cannot_serve_it(
    tiny_models: TinyModels, call: str, made_for: str, would_serve: str, twin: str
) -> None:
    models = {
        "vectors": tiny_models.sentence(),
        "kinds": tiny_models.classifier(KINDS),
        "nli": tiny_models.classifier(NLI, pairs=True),
        "reranker": tiny_models.classifier(("relevance",), pairs=True),
    }
    name = call.split("model := '")[1].rstrip("')")
    with connected(**models) as con, pytest.raises(CannotServeError) as refused:
        con.sql(f"select {twin}{call}").fetchall()
    function, message = call.split("(")[0], str(refused.value)
    assert message.startswith(f"{function}: model '{name}' is {made_for}; {function} needs ")
    assert would_serve in message
    assert "model := " in message


def test_a_classifier_without_feelings_refuses_sentiment(tiny_models: TinyModels) -> None:
    with (
        connected(kinds=tiny_models.classifier(KINDS)) as con,
        pytest.raises(CannotServeError, match="'kinds' has the labels bug"),
    ):
        con.sql("select ai_sentiment('x')").fetchall()


def test_an_nli_model_that_names_no_contradiction_is_refused(tiny_models: TinyModels) -> None:
    folder = tiny_models.classifier(("entailment", "LABEL_1", "LABEL_2"))
    with (
        connected(nli=folder) as con,
        pytest.raises(CannotServeError, match="'nli' has the labels entailment, LABEL_1, LABEL_2"),
    ):
        con.sql("select ai_score('x', 'y')").fetchall()
