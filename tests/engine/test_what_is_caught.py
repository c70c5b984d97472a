"""No handler hides what it does not know: an error that a signal's handler raised, or a fault of ours, reaches the caller."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import inlay
from inlay.backends.base import is_refusal
from inlay.errors import CannotServeError, ConfigError, InterruptedQueryError

PACKAGE = Path(inlay.__file__).parent

# Where everything is caught and nothing is raised again, and why. Keep this list short.
HANDS_ON = {
    ("engine/finished.py", "finished_by"): "a thread: the error goes to whoever waits for its answers",
    ("engine/finished.py", "run"): "that thread",
    ("engine/jobs.py", "_help"): "a thread: raised again by run()",
    ("engine/lane.py", "_serve_window"): "a thread: the error goes to whoever waits for its answers",
    (
        "engine/number_jobs.py",
        "drain",
    ): "a thread: a batch that raises is bisected until its row is found, which is listed",
    ("backends/decoders/causal.py", "reader_of"): "a trial run: another loop serves this model",
    ("backends/openai/model.py", "_spent"): "kept, and raised once what was sent has come back",
    ("backends/openai/embeddings.py", "_affordable"): "kept, and raised once what was sent has come back",
}


def broad_handlers() -> Iterator[tuple[str, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and any(map(hides, ast.walk(function))):
                yield path.relative_to(PACKAGE).as_posix(), function.name


def hides(node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "contextlib.suppress":
        return any(map(is_broad, node.args))
    return isinstance(node, ast.ExceptHandler) and is_broad(node.type) and not raises(node)


def is_broad(caught: ast.expr | None) -> bool:
    if isinstance(caught, ast.Tuple):
        return any(is_broad(each) for each in caught.elts)
    return caught is None or ast.unparse(caught) in ("Exception", "BaseException")


def raises(handler: ast.ExceptHandler) -> bool:
    """Whether what was caught may go on."""
    return any(isinstance(node, ast.Raise) for node in ast.walk(handler))


def test_no_handler_hides_what_it_does_not_know() -> None:
    assert set(broad_handlers()) == HANDS_ON.keys()


@pytest.mark.parametrize(
    ("error", "is_about_the_text"),
    [
        (Exception("EncodeInput must be str"), True),  # the tokenizers library
        (UnicodeEncodeError("utf-8", "x", 0, 1, "surrogates not allowed"), True),
        (TypeError("TextInputSequence must be str"), True),
        (RuntimeError("Internal: could not parse"), True),  # sentencepiece
        (TimeoutError("from a handler of SIGALRM"), False),
        (type("Late", (Exception,), {})("from a handler of SIGALRM"), False),
        (RecursionError("maximum recursion depth exceeded"), False),
        (MemoryError(), False),
        (InterruptedQueryError("interrupted"), False),
        (ConfigError("a setting, and no text, is wrong"), False),
        (CannotServeError("gives no numbers"), False),
    ],
)
def test_only_what_a_tokenizer_says_of_a_text_fails_its_row(error: Exception, is_about_the_text: bool) -> None:
    assert is_refusal(error) == is_about_the_text
