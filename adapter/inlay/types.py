"""Words that several rooms share."""

from __future__ import annotations

from typing import Literal

Task = Literal["embed", "classify", "nli", "rerank", "generate", "rules"]
"""What a model was made for: text → vector, text → its own labels, premise and hypothesis → entailment,
query and document → relevance, prompt → text (a language model). 'rules' is no model: patterns and checksums."""

TooLong = Literal["truncate", "error"]
"""What happens to a text of more tokens than the model takes: cut it (and count it in the ledger), or fail that row."""

OnError = Literal["null", "raise"]

Structured = Literal["json_schema", "json_object", "none"]
"""How a server is told that a reply must be JSON: by a schema, that it is JSON at all, or in the prompt alone."""
