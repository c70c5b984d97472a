"""`inlay doctor` and what it looks at. Each check says what it found and, where something is missing, what to type."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inlay.cli import options, output
from inlay.errors import InlayError, UnknownModelError

if TYPE_CHECKING:
    from inlay.models.ref import ModelRef
    from inlay.settings.schema import Settings


_SHOWN = 8  # calls whose stored answers are read no more; the rest is summed up


@dataclass(frozen=True)
class Check:
    name: str
    mark: output.Mark
    found: str
    advice: str = ""


@click.command("doctor")
@options.store
@options.config
@options.model
def doctor(store: str | None, config: Path | None, model: str | None) -> int:
    """What is installed, which models, devices and precision, what is missing, and what to type.

    In a dbt project's folder the settings are those of its profile. After an upgrade it says which stored answers will
    be inferred again, and why.
    """
    worst = 0
    for check in _checks(options.given(model=model, store=store), config):
        output.entry(check.mark, check.name, check.found, check.advice)
        worst = max(worst, check.mark == "✗")
    return worst


def _checks(given: Mapping[str, Any], config: Path | None) -> Iterator[Check]:
    """In order: Python, packages by extra, settings, store, device, the default model, one real answer."""
    yield Check("python", "✓", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for package in ("duckdb", "pyarrow"):
        yield _package(package, None)
    torch_here = True
    for package in ("torch", "transformers", "tokenizers", "safetensors", "huggingface-hub", "llguidance"):
        check = _package(package, "torch")
        torch_here &= check.mark == "✓"
        yield check
    yield _package("torchao", "int8", optional=True)
    yield _package("aiohttp", "http", optional=True)
    for package in ("dbt-core", "dbt-duckdb"):
        yield _package(package, "dbt", optional=True)
    for package in ("ipykernel", "matplotlib"):
        yield _package(package, "notebook", optional=True)
    if torch_here:
        yield _device()
    from inlay.backends.load import needs_torch
    from inlay.settings.read import read_settings

    if (Path.cwd() / "dbt_project.yml").is_file():
        check, config, given = _dbt_project(config, given)
        yield check
    try:
        settings = read_settings(given, config=config)
    except InlayError as error:
        yield Check("settings", "✗", str(error))
        return
    yield Check("settings", "✓", f"default model {settings.model!r}, {len(settings.models)} registered")
    yield from _store(settings)
    yield _language_model(settings, settings.language_model)
    yield from _models_of_functions(settings)
    if torch_here and settings.loaded_memory_mb is not None:
        yield from _memory(settings, settings.loaded_memory_mb)
    try:
        ref = _described(settings, settings.model)
    except InlayError as error:
        yield Check("model", "✗", str(error))
        return
    found = f"{ref.name}: {ref.task}, width {ref.width}, {ref.max_tokens} tokens, {ref.architecture}"
    yield Check("model", "✓", f"{found}, fingerprint {ref.fingerprint[:12]}")
    if torch_here or not needs_torch(ref):
        yield _first_answer(ref.name, given, config)


def _dbt_project(config: Path | None, given: Mapping[str, Any]) -> tuple[Check, Path | None, Mapping[str, Any]]:
    """What the profile says, and the settings with it."""
    from inlay.cli.tasks import profile_settings
    from inlay.dbt.project import Request, read_project

    request = Request(Path.cwd())
    try:
        project = read_project(request, compiled=False)
        with_profile = profile_settings(project, request, config, given)
    except InlayError as error:
        return Check("dbt project", "✗", str(error)), config, given
    if project.plugin is None:
        advice = "plugins: [{module: inlay.dbt_plugin}] in the target of profiles.yml"
        return Check("dbt project", "✗", "its profile does not name the plugin", advice), *with_profile
    return Check("dbt project", "✓", f"the plugin, with {_keys(project.plugin)}"), *with_profile


def _keys(plugin: Mapping[str, Any]) -> str:
    return ", ".join(sorted(plugin)) or "no settings of its own"


def _described(settings: Settings, name: str) -> ModelRef:
    from inlay.models.describe import describe

    entry = settings.models.get(name)
    if entry is None:
        raise UnknownModelError.named(name, settings.models)
    return describe(entry, device=settings.device, dtype=settings.dtype)


def _models_of_functions(settings: Settings) -> Iterator[Check]:
    """The models that [functions] names, where they cannot be used."""
    for function, chosen in settings.functions.items():
        name = chosen.get("model")
        if isinstance(name, str):
            try:
                _described(settings, name)
            except InlayError as error:
                yield Check(function, "✗", str(error))


def _memory(settings: Settings, most_mb: int) -> Iterator[Check]:
    """What the models that answer where a call names none take once they are loaded, against the limit."""
    from inlay.backends.load import weights_bytes
    from inlay.errors import megabytes

    sizes = {}
    for name in dict.fromkeys((settings.model, settings.language_model)):
        with contextlib.suppress(InlayError):  # which the other checks name
            if name is not None and (n_bytes := weights_bytes(_described(settings, name))):
                sizes[name] = megabytes(n_bytes)
    found = f"loaded_memory_mb is {most_mb:,}; " + ", ".join(f"{name} takes {mb:,}" for name, mb in sizes.items())
    if too_large := [mb for mb in sizes.values() if mb > most_mb]:
        yield Check("memory", "✗", found, f"loaded_memory_mb = {max(too_large)}, or a smaller model")
    elif sum(sizes.values()) > most_mb:
        yield Check("memory", "–", f"{found}: not loaded together", f"loaded_memory_mb = {sum(sizes.values())}")
    elif sizes:
        yield Check("memory", "✓", found)


def _language_model(settings: Settings, name: str | None) -> Check:
    if name is None:
        needing = "ai_complete, ai_extract, ai_summarize and others have no model"
        return Check("language model", "–", f"none: {needing}", "language_model = '…' in inlay.toml")
    try:
        ref = _described(settings, name)
    except InlayError as error:
        return Check("language model", "✗", str(error))
    if ref.endpoint is None:
        return Check("language model", "✓", f"{ref.name}: {ref.max_tokens:,} tokens, {ref.architecture}")
    key = ref.endpoint.api_key_env
    found = f"{ref.name}: {ref.endpoint.model} at {ref.endpoint.base_url}"
    if key is not None and not os.environ.get(key):
        return Check("language model", "✗", f"{found}; {key} is not set", f"export {key}=…")
    return Check("language model", "✓", found + ("" if key is None else f", key in {key}"))


def _store(settings: Settings) -> Iterator[Check]:
    if not settings.store or settings.store_mode == "off":
        advice = "store = '.inlay' in inlay.toml"
        yield Check("store", "–", "none, so what is inferred is forgotten with the process", advice)
        return
    from inlay.store.care.survey import check_store
    from inlay.store.results import Store

    try:
        if "://" not in settings.store and not Path(settings.store).exists():
            yield Check("store", "–", f"{settings.store} is not there yet: the first answers make it")
            return
        # Looking must not make a folder.
        store = Store(settings.store, "read-only")
        check_store(store.folder)
        found = f"{len(store.result_sets()):,} kinds of answers"
        yield Check("store", "✓", f"{settings.store}, {settings.store_mode}, {found}")
        yield from _stored_answers(settings)
    except (InlayError, OSError) as error:
        yield Check("store", "✗", str(error))


def _stored_answers(settings: Settings) -> Iterator[Check]:
    """Which of them this version and these settings ask for again."""
    from dataclasses import replace

    from inlay.execution.session import Session
    from inlay.explanation.upgrade import outdated_calls

    outdated = outdated_calls(Session(replace(settings, store_mode="read-only", progress="off")))
    if not outdated:
        yield Check("stored answers", "✓", "every call that the store knows reads them")
        return
    for each in outdated[:_SHOWN]:
        found = f"{each.rows:,} rows of {each.function} ({each.model}) will be inferred again: {each.why}"
        yield Check("stored answers", "–", found)
    if more := outdated[_SHOWN:]:
        rows = sum(each.rows for each in more)
        yield Check("stored answers", "–", f"{rows:,} rows of {len(more)} other calls will be inferred again")


def _package(package: str, extra: str | None, *, optional: bool = False) -> Check:
    from importlib import metadata

    try:
        version = metadata.version(package)
    except metadata.PackageNotFoundError:
        target = "inlay" if extra is None else f"inlay[{extra}]"
        return Check(package, "–" if optional else "✗", "not installed", f"pip install '{target}'")
    return Check(package, "✓", version)


def _device() -> Check:
    import torch

    from inlay.backends.device import choose_devices, choose_dtype, cpu_multiplies_bf16, device_name

    devices = choose_devices("auto")
    device = devices[0]
    found = ", ".join(device_name(each, choose_dtype("auto", each)) for each in devices)
    if device.type == "cpu":
        why = "the CPU multiplies bfloat16" if cpu_multiplies_bf16() else "no AMX or AVX512-BF16"
        found += f" ({why}; {torch.get_num_threads()} threads)"
        if torch.version.cuda:
            found += f"; torch is built for CUDA {torch.version.cuda}, but finds no GPU"
    return Check("device", "✓", found)


def _first_answer(model: str, given: Mapping[str, Any], config: Path | None) -> Check:
    from inlay.client.api import connect

    began = time.monotonic()
    try:
        with connect(config=config, progress="off", **{**given, "store_mode": "off"}) as con:
            tokens = con.execute("SELECT ai_count_tokens('hello world')").fetchall()[0][0]
    except InlayError as error:
        return Check("first answer", "✗", str(error))
    return Check("first answer", "✓", f"{model} loads and reads 'hello world' as {tokens} tokens, "
                 f"{time.monotonic() - began:.1f} s after a cold start")  # fmt: skip
