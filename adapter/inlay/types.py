"""Words that several rooms share."""

from __future__ import annotations

from typing import Literal

ModelTask = Literal["embed", "classify", "nli", "rerank", "generate"]
"""What a model was made for: text → vector, text → its own labels, premise and hypothesis → entailment,
query and document → relevance, prompt → text (a language model)."""

Task = ModelTask | Literal["rules", "head"]
"""Two more that nobody sets: 'rules' is no model, but patterns and checksums. A 'head' was trained here from labelled
rows, over the vectors of an embedding model."""

Capability = Literal[
    "vectors",  # text → vector: Backend.run, or Embedder.embed behind an endpoint
    "own_labels",  # text → logits of the model's own labels: Backend.run
    "entailment",  # premise and hypothesis → logits of entailment, contradiction: Backend.run on pairs
    "relevance",  # query and document → one logit: Backend.run on pairs
    "likelihoods",  # prompt and options → log-likelihood of each option: Backend.run on tokens with Choices
    "shares",  # prompt and up to 20 options → the share of each: RemoteModel.complete with Instruction.options
    "replies",  # prompt → text, so every language model: LanguageModel.generate, or RemoteModel.complete
    "token_counts",  # text → how many tokens the model reads, counted here: load_tokenizer
    "prediction",  # a row → what a trained head answers, of the type that its card says: backends/heads.py
    "rules",  # text → personal data by patterns and checksums, without a model: pii.py
]
"""What can be asked of a model, and what in backends/ answers it. A function looks for what it needs among these; which
of them a model has is decided in models/capabilities.py."""

TooLong = Literal["truncate", "error"]
"""What happens to a text of more tokens than the model takes: cut it (and count it in the ledger), or fail that row."""

OnError = Literal["null", "raise"]

Blank = Literal["null", "same", "ask"]
"""What a function gives for a blank text: NULL, the text itself, or what a model answers."""

OnBlank = Literal["skip", "answer"]
"""Whether a model is asked about a blank text of a function that by default asks none."""

Structured = Literal["json_schema", "json_object", "none"]
"""How a server is told that a reply must be JSON: by a schema, that it is JSON at all, or in the prompt alone."""
