"""`inlay doctor` and what it looks at. Each check says what it found and, where something is missing, what to type."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inlay.cli import options, output
from inlay.errors import InlayError

if TYPE_CHECKING:
    from inlay.models.ref import ModelRef
    from inlay.settings.schema import Settings


@dataclass(frozen=True)
class Check:
    name: str
    mark: output.Mark
    found: str
    advice: str = ""


@click.command("doctor")
@options.config
@options.model
def doctor(config: Path | None, model: str | None) -> int:
    """What is installed, which device and precision, what is missing."""
    worst = 0
    for check in _checks(options.given(model=model), config):
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
    yield _package("aiohttp", "http", optional=True)
    for package in ("dbt-core", "dbt-duckdb"):
        yield _package(package, "dbt", optional=True)
    for package in ("ipykernel", "matplotlib"):
        yield _package(package, "notebook", optional=True)
    if torch_here:
        yield _device()
    from inlay.backends.load import needs_torch
    from inlay.settings.read import read_settings

    try:
        settings = read_settings(given, config=config)
    except InlayError as error:
        yield Check("settings", "✗", str(error))
        return
    yield Check("settings", "✓", f"default model {settings.model!r}, {len(settings.models)} registered")
    yield _store(settings)
    if settings.language_model is not None:
        yield _language_model(settings, settings.language_model)
    try:
        ref = _described(settings, settings.model)
    except InlayError as error:
        yield Check("model", "✗", str(error))
        return
    found = f"{ref.name}: {ref.task}, width {ref.width}, {ref.max_tokens} tokens, {ref.architecture}"
    yield Check("model", "✓", f"{found}, fingerprint {ref.fingerprint[:12]}")
    if torch_here or not needs_torch(ref):
        yield _first_answer(ref.name, given, config)


def _described(settings: Settings, name: str) -> ModelRef:
    from inlay.models.describe import describe

    entry = settings.models.get(name)
    if entry is None:
        raise InlayError(f"no model named {name!r} is registered")
    return describe(entry, device=settings.device, dtype=settings.dtype)


def _language_model(settings: Settings, name: str) -> Check:
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


def _store(settings: Settings) -> Check:
    if not settings.store or settings.store_mode == "off":
        return Check(
            "store", "–", "none, so what is inferred is forgotten with the process", "store = '.inlay' in inlay.toml"
        )
    from inlay.store.results import Store

    try:
        # Looking must not make a folder.
        store = Store(settings.store, "read-only")
        found = f"{len(store.result_sets()):,} kinds of answers"
    except (InlayError, OSError) as error:
        return Check("store", "✗", str(error))
    return Check("store", "✓", f"{settings.store}, {settings.store_mode}, {found}")


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
