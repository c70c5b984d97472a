"""From JSON Schema to a grammar of the replies that a model may write: compact JSON, fields in their order.

The grammar is in llguidance's dialect of Lark. It differs from the one that llguidance itself makes of a schema in
three ways: the length of numbers is limited (number_patterns.py), dates exist (formats.py), and a string has no \\uXXXX
escapes, half of which are no characters. Only a pattern within a string is left to llguidance.

Every text of the grammar is valid for the schema, but not every valid reply is a text of the grammar. It excludes
blanks between values, other orders of fields, numbers with more digits, unnecessary escapes, and quotes, backslashes
and control characters in a string with a pattern or a format.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from inlay.json_schema.formats import FORMATS
from inlay.json_schema.number_patterns import integer_pattern, number_pattern
from inlay.json_schema.words import compact_json, pointer_part

# Where only one text can follow, llguidance would allow only the token with which the tokenizer begins this text. Many
# tokenizers put a blank before any text, and then no token would be allowed.
_OPTIONS = '%llguidance {"no_forcing": true}'
_CHARACTER = r'([^"\\\x00-\x1f\x7f]|\\["\\bfnrt])'
# llguidance 1.9 lets an escaped quote pass for [^"] when it puts a pattern into JSON; so no escapes, and a second
# pattern that says so, by which it notices at once where none but escaped characters would fit.
_NO_ESCAPES = {"whitespace_flexible": False, "json_allowed_escapes": ""}
# What a run of a text's own words is made of: words, blanks, single marks; single characters where a script puts no
# blanks between words.
_CHUNKS = re.compile(r"[^\W\u2e80-\U0010ffff]+|\s+|.", re.DOTALL)
_UNESCAPED = r'^[^"\\\x00-\x1f\x7f]*$'


@dataclass(frozen=True)
class Grammar:
    """literals: texts that occur in it word for word, such as field names."""

    text: str
    literals: frozenset[str]


def grammar_of(schema_text: str, max_string: int | None = None) -> Grammar:
    """The grammar of a schema in the form of ReplySchema.text.

    max_string: the most characters of a string that has neither maxLength nor pattern nor format; None is no limit.
    Raises ValueError for a schema in another form, and where no number is between two bounds.
    """
    schema = json.loads(schema_text)
    writer = _Writer(schema, max_string)
    try:
        start = writer.value(schema)
        writer.write_references()
    except (KeyError, TypeError) as error:
        raise ValueError(f"the schema is not in the form that read_schema() returns: {error}") from error
    return Grammar("\n".join([_OPTIONS, f"start: {start}", *writer.lines]) + "\n", frozenset(writer.literals))


def verbatim_grammar(text: str, pieces: int) -> Grammar:
    """The grammar of 1 to `pieces` runs of words of a text, one a line: each as it is written there, with the marks and
    blanks inside it. Raises ValueError for a text without a word."""
    chunks = _CHUNKS.findall(text)
    if not text.strip():
        raise ValueError("the text is blank: it has no words to take")
    rest = f' ("\\n" RUN){{0,{pieces - 1}}}' if pieces > 1 else ""
    inside = "[^\\n]*[^\\s][^\\n]*" if pieces > 1 else "(?s:.)*[^\\s](?s:.)*"
    lines = [
        _OPTIONS,
        # Some tokenizers put a blank before the first word of anything.
        f'start: " "? RUN{rest}',
        f"RUN: WORDS & /{inside}/",
        f"WORDS: %regex {compact_json({'substring_chunks': chunks})}",
    ]
    return Grammar("\n".join(lines) + "\n", frozenset())


class _Writer:
    def __init__(self, root: dict[str, Any], max_string: int | None) -> None:
        self.root = root
        self.max_string = max_string
        self.lines: list[str] = []
        self.literals: set[str] = set()
        self.names: dict[str, str] = {}
        """Rule or terminal by its content: fields of one type share theirs."""
        self.references: dict[str, str] = {}
        self.unwritten: list[str] = []

    def value(self, node: dict[str, Any]) -> str:
        """The name of a rule, or a literal, for the values of a node."""
        if "$ref" in node:
            return self.reference(node["$ref"])
        if "anyOf" in node:
            return self.rule([self.value(branch) for branch in node["anyOf"]])
        if "enum" in node or "const" in node:
            values = node["enum"] if "enum" in node else [node["const"]]
            return self.words([compact_json(each) for each in values])
        kinds = node["type"] if isinstance(node["type"], list) else [node["type"]]
        return self.rule([self.of_type(kind, node) for kind in kinds])

    def of_type(self, kind: str, node: dict[str, Any]) -> str:
        if kind == "object":
            return self.object(node["properties"], set(node["required"]))
        if kind == "array":
            return self.array(self.value(node["items"]), node.get("minItems", 0), node.get("maxItems"))
        if kind == "string":
            return self.string(node)
        if kind == "integer":
            return self.terminal(integer_pattern(node))
        if kind == "number":
            return self.terminal(number_pattern(node))
        return self.words(["true", "false"] if kind == "boolean" else ["null"])

    def string(self, node: dict[str, Any]) -> str:
        least, most = node.get("minLength", 0), node.get("maxLength")
        format_pattern = FORMATS[node["format"]].replace("/", "\\/") if "format" in node else None
        if "pattern" in node:
            words = {word: node[word] for word in ("minLength", "maxLength") if word in node}
            both = [{"type": "string", "pattern": pattern} for pattern in (node["pattern"], _UNESCAPED)]
            if format_pattern is not None:
                both.append({"type": "string", "pattern": f"^(?:{format_pattern})$"})
            return self.named(
                f"%json {compact_json({'x-guidance': _NO_ESCAPES, 'type': 'string', 'allOf': both, **words})}", "r"
            )
        if most is None and self.max_string is not None and format_pattern is None:
            most = max(self.max_string, least)
        times = f"{{{least},{'' if most is None else most}}}" if least or most is not None else "*"
        if format_pattern is None:
            return self.terminal(f'/"{_CHARACTER}{times}"/')
        length = f" & /(?s:.){times}/" if times != "*" else ""
        return self.terminal(f'"\\"" (/{format_pattern}/{length}) "\\""')

    def array(self, item: str, least: int, most: int | None) -> str:
        if most == 0:
            return self.literal("[]")
        times = f"{{{max(least - 1, 0)},{'' if most is None else most - 1}}}"
        items = item if most == 1 else f"{item} ({self.literal(',')} {item}){times}"
        return self.rule([f"{self.literal('[')} {items if least else f'({items})?'} {self.literal(']')}"])

    def object(self, properties: dict[str, Any], required: set[str]) -> str:
        """Fields in order. The first field written has no comma before it, so while all earlier fields are optional
        there are two continuations, with a rule for each."""
        fields = [
            (self.literal(f"{compact_json(name)}:"), self.value(each), name in required)
            for name, each in properties.items()
        ]
        comma = self.literal(",")
        after, alone = '""', '""'  # what may follow field i if another field precedes it, and if none does
        for key, value, needed in reversed(fields):
            with_comma, without = f"{comma} {key} {value} {after}", f"{key} {value} {after}"
            if needed:
                after, alone = with_comma, without
            else:
                rest, alone_rest = self.rule([after]), self.rule([alone])
                after = self.rule([f"{comma} {key} {value} {rest}", rest])
                alone = self.rule([f"{key} {value} {rest}", alone_rest])
        return self.rule([f"{self.literal('{')} {alone} {self.literal('}')}"])

    def reference(self, pointer: str) -> str:
        if pointer not in self.references:
            self.references[pointer] = f"d{len(self.references)}"
            self.unwritten.append(pointer)
        return self.references[pointer]

    def write_references(self) -> None:
        while self.unwritten:
            pointer = self.unwritten.pop()
            node = self.root
            for part in pointer.split("/")[1:]:
                node = node[pointer_part(part)]
            self.lines.append(f"{self.references[pointer]}: {self.value(node)}")

    def rule(self, alternatives: list[str]) -> str:
        alternatives = list(dict.fromkeys(alternatives))
        if len(alternatives) == 1 and " " not in alternatives[0]:
            return alternatives[0]
        return self.named(" | ".join(alternatives), "r")

    def terminal(self, expression: str) -> str:
        return self.named(expression, "T")

    def named(self, content: str, letter: str) -> str:
        if content not in self.names:
            self.names[content] = f"{letter}{len(self.names)}"
            self.lines.append(f"{self.names[content]}: {content}")
        return self.names[content]

    def words(self, texts: list[str]) -> str:
        """One of some texts, as a terminal: there may be thousands, and a rule tries each by itself."""
        texts = list(dict.fromkeys(texts))
        literals = [self.literal(text) for text in texts]
        return literals[0] if len(literals) == 1 else self.terminal(" | ".join(literals))

    def literal(self, text: str) -> str:
        self.literals.add(text)
        return compact_json(text)
