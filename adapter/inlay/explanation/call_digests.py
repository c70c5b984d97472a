"""Digests of a statement's calls.

They tell the dbt materialization inlay_incremental whether a model's calls changed since it was last built.
"""

from __future__ import annotations

import hashlib
import json

from inlay.errors import ConfigError, InlayError
from inlay.execution.session import Session
from inlay.functions.spec import FunctionSpec
from inlay.parsing.calls import CallText, find_calls
from inlay.parsing.tokens import closing, split, words

_NODES = "nodes"


def called_specs(session: Session) -> dict[str, FunctionSpec]:
    """Scalar functions and aggregates by their lower-case names in this session, those of the try_ twins too."""
    return {name: spec for name, (spec, _) in session.called.items()}


def scalar_specs(session: Session) -> dict[str, FunctionSpec]:
    """The same without the aggregates."""
    return {name: spec for name, spec in called_specs(session).items() if spec.is_scalar}


def configured_model(session: Session, call: CallText) -> str:
    """The name of the model that a call uses: its own, its function's, or the default."""
    tokens = words(call.text)
    bracket = next(i for i, word in enumerate(tokens) if word.text == "(")
    inside = tokens[bracket + 1 : closing(tokens, bracket)]
    for first, last in split(inside):
        parts = [word.text for word in inside[first:last]]
        if len(parts) == 3 and parts[0].lower() == "model" and parts[1] in (":=", "=>") and parts[2].startswith("'"):
            return parts[2][1:-1].replace("''", "'")
    return session.binding.default_model(called_specs(session)[call.function])


def calls_digest(session: Session, sql: str) -> str:
    """Changes when a call in the statement, or the model behind it, does; not with anything else in the statement, nor
    with white space and comments."""
    specs = called_specs(session)
    described = []
    calls = find_calls(sql, specs)
    while calls:
        call = calls.pop()
        tokens = words(call.text)
        bracket = next(word.start for word in tokens if word.text == "(")
        calls += find_calls(call.text[bracket:], specs)
        configured = dict(session.settings.functions.get(specs[call.function].name, {}))
        name = configured_model(session, call)
        try:
            ref = session.model(name)
            model = [ref.fingerprint, ref.dtype, ref.too_long, list(ref.prompts), ref.template]
        except InlayError:
            model = [name]  # the call itself will raise the error
        described.append([" ".join(word.text for word in tokens), configured, model])
    return hashlib.sha256(json.dumps(sorted(described, key=str), default=str, sort_keys=True).encode()).hexdigest()


def built_with(session: Session, relation: str, digest: str | None) -> str | None:
    """The digest that a relation was last built with; a new one is recorded. Raises ConfigError without a store."""
    if session.store is None:
        raise ConfigError(
            "materialized='inlay_incremental' needs a result store, which has the known answers. Name one in the "
            "plugin's config of the profile, {store: .inlay}, or in inlay.toml: store = '.inlay'."
        )
    name = f"{_NODES}/{hashlib.sha256(relation.encode()).hexdigest()[:32]}.json"
    folder = session.store.folder
    before = json.loads(folder.read(name))["calls"] if folder.exists(name) else None
    if digest is not None and digest != before and session.store.writable:
        folder.publish(name, json.dumps({"relation": relation, "calls": digest}, indent=1).encode())
    return before
