"""Which device and which arithmetic: what is there decides, an option overrides."""

from __future__ import annotations

import os
import threading

# oneDNN and what torch wraps around it keep 1,024 products each, and in each thread, by the exact size of the batch. No
# batch is like another here: the caches grew to 0.6 GB in a million rows, scattered through the heap, and were of no
# use (docs/benchmarks.md). Both are read when torch first multiplies.
for _cache in ("LRU_CACHE_CAPACITY", "ONEDNN_PRIMITIVE_CACHE_CAPACITY"):
    os.environ.setdefault(_cache, "16")

import torch  # noqa: E402

from inlay.errors import ConfigError  # noqa: E402


def choose_devices(name: str) -> list[torch.device]:
    """'auto' takes every CUDA device, or Apple's MPS, or the CPU; 'cuda' every CUDA device, 'cuda:1' that one.

    Raises ConfigError for a device that is not available.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if name == "cuda" and torch.cuda.device_count():
        return [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device {name!r} is not available: torch finds {torch.cuda.device_count()} CUDA devices. Set device = "
            "'auto'."
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("device 'mps' is not available: torch finds no Apple GPU. Set device = 'auto'.")
    return [device]


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """'auto' takes bfloat16 where the hardware multiplies it fast, else float16 on GPUs and float32 on CPUs. So does
    'int8', whose weights alone are integers (quantised.py)."""
    if name not in ("auto", "int8"):
        return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[name]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.type == "mps":
        return torch.float16
    return torch.bfloat16 if cpu_multiplies_bf16() else torch.float32


def cpu_multiplies_bf16() -> bool:
    """AMX or AVX512-BF16; without them oneDNN emulates bfloat16, which is slower than float32."""
    check_amx = getattr(torch.cpu, "_is_amx_tile_supported", None)
    check_avx = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool((check_amx and check_amx()) or (check_avx and check_avx()))


def device_name(device: torch.device, dtype: torch.dtype, weights: str = "") -> str:
    """The device as the ledger shows it, e.g. 'cpu bfloat16' or 'cuda:0 NVIDIA L4 bfloat16'. weights: dtype as set."""
    named = f"{device} {torch.cuda.get_device_name(device)}" if device.type == "cuda" else str(device)
    return f"{named} {str(dtype).removeprefix('torch.')}{' int8' if weights == 'int8' else ''}"


def use_one_core() -> None:
    """torch computes on one core in the calling thread; other threads keep what they have.

    set_num_threads() sets the calling thread and the default of threads to come; a passing thread puts that back.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    passing = threading.Thread(target=torch.set_num_threads, args=(threads,))
    passing.start()
    passing.join()
