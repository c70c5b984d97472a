"""Where a statement calls inlay's functions: spans of text, found with DuckDB's own tokenizer.

For the dbt materialization inlay_incremental, which must know whether a model's calls changed since it was last built,
and in append mode call nothing for rows that are there already.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Collection
from dataclasses import dataclass

import duckdb

from inlay.errors import ConfigError, InlayError
from inlay.session import Session
from inlay.types import FunctionSpec

_NODES = "nodes"
_COMMENT = re.compile(r"(--|/\*).*", re.S)
_LITERAL = re.compile(r"""[eE]'(?:[^'\\]|''|\\.)*'|[xXbB]?'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$.*?\$\1\$""", re.S)


@dataclass(frozen=True)
class CallText:
    """One call in a statement. start and end are positions in the text; text includes the arguments."""

    function: str
    start: int
    end: int
    text: str


def find_calls(sql: str, functions: Collection[str]) -> list[CallText]:
    """Outermost calls, in order. functions: lower-case names; a schema before the name belongs to the call."""
    raw = sql.encode()  # the tokenizer counts bytes
    words = _words(sql)
    found: list[CallText] = []
    i = 0
    while i < len(words) - 1:
        name = words[i][1].strip('"').lower()
        if name not in functions or not words[i + 1][1].startswith("("):
            i += 1
            continue
        depth, j = 0, i + 1
        while j < len(words):
            depth += _depth(words[j][1])
            if depth <= 0:
                break
            j += 1
        begin = i
        while begin >= 2 and words[begin - 1][1] == ".":
            begin -= 2
        close = raw.index(b")", words[j][0]) + 1 if j < len(words) else len(raw)
        left, right = len(raw[: words[begin][0]].decode()), len(raw[:close].decode())
        found.append(CallText(name, left, right, sql[left:right]))
        i = j + 1
    return found


def _words(sql: str) -> list[tuple[int, str]]:
    """(byte at which it starts, text) of each token. A comment is none, whether the tokenizer says so or lets the token
    before it run on."""
    raw = sql.encode()
    starts = [start for start, _ in duckdb.tokenize(sql)] + [len(raw)]
    words = []
    for start, end in itertools.pairwise(starts):
        text = raw[start:end].decode()
        literal = _LITERAL.match(text)
        word = literal[0] if literal else _COMMENT.sub("", text).strip()
        if word:
            words.append((start, word))
    return words


def _depth(word: str) -> int:
    """By how many brackets a word goes deeper."""
    # A tokenizer may hand over several brackets as one word.
    return 0 if word[0] in "'\"$" or word[0].isalnum() else word.count("(") - word.count(")")


def guarded(sql: str, condition: str, functions: Collection[str]) -> str:
    """The statement with each call made only where `condition` holds, and NULL elsewhere."""
    pieces, last = [], 0
    for call in find_calls(sql, functions):
        # In brackets, so that what follows a call (.value, ::FLOAT[8], [1]) follows the answer.
        pieces += [sql[last : call.start], f"(case when {condition} then {call.text} end)"]
        last = call.end
    return "".join([*pieces, sql[last:]])


def without_texts(call: CallText, spec: FunctionSpec) -> str:
    """The call with NULL for each text, and its labels and options as they are: it asks nothing, and says what would
    be asked."""
    bracket = call.text.index("(")
    depth, cuts = 0, [bracket]
    for start, word in _words(call.text):
        if start <= bracket or word[0] in "'\"$" or word[0].isalnum():
            continue
        if word == "," and depth == 0:
            cuts.append(start)
        depth += sum(word.count(c) for c in "([{") - sum(word.count(c) for c in ")]}")
    raw = call.text.encode()
    ends = [*cuts[1:], len(raw) - 1]
    arguments = [raw[start + 1 : end].decode() for start, end in zip(cuts, ends, strict=True)]
    for i, argument in enumerate(spec.args[: len(arguments)]):
        if argument.name != "labels":
            arguments[i] = "NULL"
    return f"{call.text[:bracket]}({', '.join(arguments)})"


def scalar_specs(session: Session) -> dict[str, FunctionSpec]:
    """Lower-case names as they are called in this session, those of the try_ twins too, and what they mean."""
    prefix = session.settings.prefix
    scalars = [spec for spec in session.specs.values() if spec.is_scalar]
    return {(prefix + name).lower(): spec for spec in scalars for name in (spec.name, spec.try_name)}


def configured_model(session: Session, call: CallText) -> str:
    """The name of the model that a call means: its own, its function's, or the default."""
    words = [word for _, word in _words(call.text)]
    depth = 0
    for word, sign, value in zip(words, words[1:], words[2:], strict=False):
        depth += _depth(word)
        if depth == 1 and word.lower() == "model" and sign in (":=", "=>") and value.startswith("'"):
            return value[1:-1].replace("''", "'")
    spec = scalar_specs(session)[call.function]
    return str(session.settings.functions.get(spec.name, {}).get("model") or session.settings.model)


def calls_digest(session: Session, sql: str) -> str:
    """Changes when a call in the statement, or the model behind it, does; not with anything else in the statement, nor
    with white space and comments."""
    specs = scalar_specs(session)
    said = []
    calls = find_calls(sql, specs)
    while calls:
        call = calls.pop()
        bracket = next(start for start, word in _words(call.text) if word.startswith("("))
        calls += find_calls(call.text.encode()[bracket:].decode(), specs)
        configured = dict(session.settings.functions.get(specs[call.function].name, {}))
        name = configured_model(session, call)
        try:
            ref = session.model(name)
            model = [ref.fingerprint, ref.dtype, ref.too_long, list(ref.prompts), ref.template]
        except InlayError:
            model = [name]  # the call itself will say what is wrong
        said.append([" ".join(word for _, word in _words(call.text)), configured, model])
    return hashlib.sha256(json.dumps(sorted(said, key=str), default=str, sort_keys=True).encode()).hexdigest()


def built_with(session: Session, relation: str, digest: str | None) -> str | None:
    """The digest that a relation was last built with; a new one is recorded. Raises ConfigError without a store."""
    if session.store is None:
        raise ConfigError(
            "materialized='inlay_incremental' needs a result store, which tells what is known. Name one in the "
            "plugin's config of the profile, {store: .inlay}, or in inlay.toml: store = '.inlay'."
        )
    name = f"{_NODES}/{hashlib.sha256(relation.encode()).hexdigest()[:32]}.json"
    folder = session.store.folder
    before = json.loads(folder.read(name))["calls"] if folder.exists(name) else None
    if digest is not None and digest != before and session.store.writable:
        folder.publish(name, json.dumps({"relation": relation, "calls": digest}, indent=1).encode())
    return before
