"""A limit on what loaded models take together: who is unloaded, who waits, who is refused; answers stay the same."""

from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

import inlay
from inlay.backends.base import Backend, Tokens
from inlay.backends.decoders.language_model import TorchLanguageModel
from inlay.backends.encoders import lean_bert, transformers_forward
from inlay.backends.load import load_backend, weights_bytes
from inlay.cli.main import main
from inlay.engine import loaded
from inlay.engine.cancel import Token
from inlay.engine.loaded import loaded_models
from inlay.errors import InterruptedQueryError, ModelTooLargeError
from inlay.models.describe import describe
from inlay.models.ref import ModelRef
from inlay.settings.schema import ModelSettings
from support.tiny_language_models import TinyLanguageModels
from support.tiny_models import TinyModels

pytest_plugins = ("support.tiny_models", "support.tiny_language_models")

NAMES = ("a", "b", "c")
WAIT_S = 60.0


@pytest.fixture(scope="module")
def folders(tiny_models: TinyModels) -> dict[str, Path]:
    """Models of 0.4 MB and some more each, so that two of them fit into 1 MB."""
    made = {}
    for number, name in enumerate(NAMES):
        made[name] = tiny_models.copy(tiny_models.sentence())
        (made[name] / "more").mkdir()
        save_file({"more": np.full(85_000, number, dtype=np.float32)}, made[name] / "more" / "model.safetensors")
    return made


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of models in the order in which they are loaded. Nothing is loaded when a test begins."""
    names: list[str] = []

    def counted(ref: ModelRef) -> Backend:
        assert sum(n_bytes for _, n_bytes in loaded_models().values()) + weights_bytes(ref) <= 1_000_000
        names.append(ref.name)
        return load_backend(ref)

    monkeypatch.setattr(loaded, "load_backend", counted)
    monkeypatch.setattr(loaded, "_models", {})
    yield names


def connected(folders: dict[str, Path], most_mb: int | None = 1) -> Any:
    models = {name: {"source": str(folder)} for name, folder in folders.items()}
    return inlay.connect(
        models=models, model="a", dtype="float32", device="cpu", progress="off", loaded_memory_mb=most_mb, memory_mb=0
    )


def ask(con: Any, model: str, text: str = "a text") -> list[float]:
    ((vector,),) = con.execute(f"SELECT ai_embed('{text}', model := '{model}')").fetchall()
    return list(vector)


def in_memory(con: Any) -> dict[str, float]:
    rows = con.execute("SELECT model, loaded_mb FROM inlay_models() WHERE status = 'loaded'").fetchall()
    return dict(rows)


def test_the_model_that_was_idle_longest_is_unloaded(folders: dict[str, Path], loads: list[str]) -> None:
    with connected(folders) as con:
        for name in "abaca":
            ask(con, name)
        assert loads == ["a", "b", "c"]
        assert set(in_memory(con)) == {"a", "c"}
        assert all(0.4 < size < 0.5 for size in in_memory(con).values())
        ask(con, "b")
        assert loads == ["a", "b", "c", "b"]
        assert set(in_memory(con)) == {"a", "b"}
        # Where a model ran is in the ledger though it is gone.
        devices = con.execute("SELECT DISTINCT device FROM inlay_ledger() WHERE inferred > 0").fetchall()
        assert devices == [("cpu float32",)]


def test_without_a_limit_each_model_is_loaded_once(
    folders: dict[str, Path], loads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loaded, "load_backend", lambda ref: loads.append(ref.name) or load_backend(ref))
    with connected(folders, None) as con, connected(folders, None) as other:
        for name in "abcabc":
            ask(con.cursor(), name)
            ask(other, name)
    assert loads == ["a", "b", "c"]


def test_answers_are_those_without_a_limit(folders: dict[str, Path], loads: list[str]) -> None:
    with connected(folders) as con:
        limited = [ask(con, name) for name in "abcabc"]
    assert len(loads) > len(NAMES)
    for name, vector in zip("abcabc", limited, strict=True):
        backend = load_backend(describe(ModelSettings(name, str(folders[name])), device="cpu", dtype="float32"))
        alone = backend.run(backend.tokenize(["a text"], None, ""))
        np.testing.assert_allclose(vector, alone[0], atol=1e-6)


def test_what_is_unloaded_leaves_memory_with_its_threads(
    folders: dict[str, Path], loads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone: list[weakref.ref[Any]] = []
    counted = loaded.load_backend

    def remembered(ref: ModelRef) -> Backend:
        backend = counted(ref)
        gone.append(weakref.ref(backend))
        return backend

    monkeypatch.setattr(loaded, "load_backend", remembered)
    threads = {thread.ident for thread in threading.enumerate()}
    with connected(folders) as con:
        for name in "abc":
            ask(con, name)
        of_a = [thread for thread in threading.enumerate() if thread.ident not in threads and thread.name == "inlay a"]
        for thread in of_a:
            thread.join(WAIT_S)
        gc.collect()
        assert [each() is None for each in gone] == [True, False, False]


def test_a_model_that_is_too_large_is_refused_and_nothing_is_unloaded(
    folders: dict[str, Path], loads: list[str], tiny_models: TinyModels
) -> None:
    large = tiny_models.copy(folders["a"])
    save_file({"more": np.ones(300_000, dtype=np.float32)}, large / "more" / "model.safetensors")
    with connected({**folders, "large": large}) as con:
        ask(con, "a")
        with pytest.raises(ModelTooLargeError, match=r"'large': .* take 2 MB .* loaded_memory_mb is 1\. .*= 2 or more"):
            ask(con, "large")
        assert set(in_memory(con)) == {"a"}
    assert loads == ["a"]


class Held:
    """Lets the batches of one model wait until they are let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        self.runs, self.go = threading.Event(), threading.Event()
        run = lean_bert.LeanBert.__call__
        holders: set[int] = set()
        made = lean_bert.LeanBert.__init__

        def make(model: lean_bert.LeanBert, ref: ModelRef, *rest: Any) -> None:
            made(model, ref, *rest)
            if ref.name == name:
                holders.add(id(model))

        def held(model: lean_bert.LeanBert, tokens: Tokens) -> torch.Tensor:
            if id(model) in holders:
                self.runs.set()
                assert self.go.wait(WAIT_S)
            return run(model, tokens)

        monkeypatch.setattr(lean_bert.LeanBert, "__init__", make)
        monkeypatch.setattr(lean_bert.LeanBert, "__call__", held)


def started(job: Callable[[], object]) -> tuple[threading.Thread, list[Any]]:
    result: list[Any] = []

    def run() -> None:
        try:
            result.append(job())
        except BaseException as error:
            result.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, result


def test_a_model_in_use_is_never_unloaded_and_who_needs_its_memory_waits(
    folders: dict[str, Path], loads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch, "a")
    with connected(folders) as con:
        ask(con, "b")
        busy, answered = started(lambda: ask(con.cursor(), "a"))
        assert held.runs.wait(WAIT_S)
        ask(con, "c")  # b makes room
        assert loads == ["b", "a", "c"]
        taken = loaded.loaded(describe(ModelSettings("c", str(folders["c"])), device="cpu", dtype="float32"), Token())
        with taken:
            waiting, late = started(lambda: ask(con.cursor(), "b"))
            waiting.join(0.5)
            assert waiting.is_alive() and loads == ["b", "a", "c"]
        waiting.join(WAIT_S)
        assert loads == ["b", "a", "c", "b"] and len(late[0]) == 32
        assert busy.is_alive() and "a" in in_memory(con)
        held.go.set()
        busy.join(WAIT_S)
        assert len(answered[0]) == 32


def test_who_waits_for_memory_can_be_interrupted(
    folders: dict[str, Path], loads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch, "a")
    with connected({"a": folders["a"], "b": folders["b"], "c": folders["c"]}) as con:
        busy, _ = started(lambda: ask(con.cursor(), "a"))
        assert held.runs.wait(WAIT_S)
        with loaded.loaded(describe(ModelSettings("b", str(folders["b"])), device="cpu", dtype="float32"), Token()):
            impatient = con.cursor()
            waiting, ended = started(lambda: ask(impatient, "c"))
            waiting.join(0.3)
            assert waiting.is_alive()
            impatient.interrupt()
            waiting.join(WAIT_S)
        assert "interrupt" in str(ended[0]).lower() or isinstance(ended[0], InterruptedQueryError)
        assert loads == ["a", "b"]
        held.go.set()
        busy.join(WAIT_S)


def test_many_threads_over_three_models_with_room_for_two(folders: dict[str, Path], loads: list[str]) -> None:
    """Right answers, no circle of waiting; that the limit holds at each load is asserted where models are loaded."""
    with connected(folders) as con:
        expected = {name: ask(con, name, "of all") for name in NAMES}
        jobs = [started(lambda name=name: [ask(con.cursor(), name, "of all") for _ in range(5)]) for name in NAMES * 3]
        for thread, _ in jobs:
            thread.join(WAIT_S)
        assert not any(thread.is_alive() for thread, _ in jobs)
        for name, (_, answers) in zip(NAMES * 3, jobs, strict=True):
            np.testing.assert_allclose(answers[0], [expected[name]] * 5, atol=1e-6)


FORKED = """
import os, signal, sys, threading
import inlay
from inlay.cli.main import main
from inlay.engine import loaded
from inlay.engine.cancel import Token
models = {name: {"source": folder} for name, folder in zip("abc", sys.argv[1:])}
def connected():
    return inlay.connect(models=models, model="a", device="cpu", dtype="float32", loaded_memory_mb=1, memory_mb=0)
con = connected()
sql = "SELECT round(ai_embed('x', model := '{}')[1], 4)"
truth = [con.execute(sql.format(name)).fetchall() for name in "abc"]
busy = threading.Thread(target=lambda: con.cursor().execute(
    "SELECT ai_embed(concat('busy ', i), model := 'c') FROM range(20_000) r(i)").fetchall(), daemon=True)
busy.start()
while not any(model.users for model in list(loaded._models.values())):
    pass
if os.fork() == 0:
    signal.alarm(60)
    with connected() as own:
        print([own.execute(sql.format(name)).fetchall() for name in "abcab"] == [*truth, *truth[:2]], flush=True)
    os._exit(0)
print(os.wait()[1])
con.interrupt()
busy.join()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_in_a_forked_child_nobody_holds_what_the_parent_used(folders: dict[str, Path]) -> None:
    arguments = [str(folders[name]) for name in NAMES]
    done = subprocess.run([sys.executable, "-c", FORKED, *arguments], capture_output=True, text=True, timeout=240)
    assert done.stdout.split() == ["True", "0"], done.stderr


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", ["bert", "roberta", "mpnet", "electra"])
def test_the_size_of_an_encoder_is_that_of_its_weights(
    family: str, dtype: str, tiny_models: TinyModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    """bert and roberta run through inlay's own pass, the others through transformers."""
    ref = describe(ModelSettings(family, str(tiny_models.sentence(family))), device="cpu", dtype=dtype)
    made: list[Any] = []
    for where, kind in ((lean_bert, "LeanBert"), (transformers_forward, "TransformersForward")):
        real = getattr(where, kind).__init__

        def kept(model: Any, *arguments: Any, real: Any = real) -> None:
            made.append(model)
            real(model, *arguments)

        monkeypatch.setattr(getattr(where, kind), "__init__", kept)
    load_backend(ref)
    held = sum(tensor.nbytes for tensor in tensors_in(made[0]))
    assert held <= weights_bytes(ref) < 1.1 * held  # the files also have weights that embeddings never use


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", ["llama", "t5"])
def test_the_size_of_a_language_model_is_that_of_its_weights(
    family: str, dtype: str, language_models: TinyLanguageModels
) -> None:
    ref = language_models.ref(family, device="cpu", dtype=dtype)
    model = load_backend(ref)
    assert isinstance(model, TorchLanguageModel)
    assert weights_bytes(ref) == sum(tensor.nbytes for tensor in tensors_in(model._other))


def tensors_in(model: Any) -> list[torch.Tensor]:
    """The parameters that an object holds, each once, wherever they are."""
    found: dict[int, torch.Tensor] = {}
    seen: set[int] = set()
    left = [model]
    while left:
        each = left.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, torch.nn.Module):
            left += list(each.parameters())
        elif isinstance(each, torch.Tensor):
            found[each.data_ptr()] = each
        elif isinstance(each, list | tuple):
            left += each
        elif type(each).__module__.startswith("inlay.") and hasattr(each, "__dict__"):
            left += vars(each).values()
    return list(found.values())


def test_doctor_holds_the_models_against_the_limit(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    def said(n_numbers: int) -> str:
        save_file({"more": np.ones(n_numbers, dtype=np.float32)}, folder / "more" / "model.safetensors")
        main(["doctor"])
        (line,) = (line for line in capsys.readouterr().out.splitlines() if " memory " in line)
        return line

    folder = tmp_path / "larger"
    shutil.copytree(folders["a"], folder)
    (tmp_path / "inlay.toml").write_text(
        'model = "small"\nlanguage_model = "larger"\nloaded_memory_mb = 2\ndtype = "float32"\n'
        f"[models]\nsmall = {json.dumps(str(folders['b']))}\nlarger = {json.dumps(str(folder))}\n",
        "utf-8",
    )
    assert "✓" in said(100_000)
    assert (line := said(400_000)).startswith("–") and "larger takes 2: not loaded together" in line
    assert (line := said(800_000)).startswith("✗") and "loaded_memory_mb is 2; small takes 1, larger takes 4" in line
