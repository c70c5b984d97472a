"""How fast this machine could be: what one core does in matrix products of the default model's shapes."""

from __future__ import annotations

import json
import multiprocessing
import time

from bench.encoders import model_folder

# Tokens a second that one core with AMX can reach, low and high: the bf16 products of the default model at their best
# plus the best measured LayerNorm and attention. Measured beforehand on a quiet machine of this kind; it says little
# about other CPUs, and nothing about other models.
PRACTICAL = (37_000, 48_000)


def gemm_tokens_per_s() -> float:
    """Tokens a second and core if the model's matrix products were all there is: bf16, their best of 20."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure)


def share_of_practical(tokens_per_cpu_s: float) -> str:
    low, high = (100 * tokens_per_cpu_s / limit for limit in reversed(PRACTICAL))
    return f"{low:.0f}–{high:.0f} %"


def _measure() -> float:
    import torch

    torch.set_num_threads(1)
    config = json.loads((model_folder() / "config.json").read_text(encoding="utf-8"))
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    tokens = 4_096
    seconds = 0.0
    with torch.inference_mode():
        for wide, narrow in ((3 * hidden, hidden), (hidden, hidden), (inner, hidden), (hidden, inner)):
            left = torch.randn(tokens, narrow).to(torch.bfloat16)
            right = torch.randn(wide, narrow).to(torch.bfloat16)
            best = float("inf")
            for _ in range(20):
                started = time.perf_counter()
                torch.nn.functional.linear(left, right)
                best = min(best, time.perf_counter() - started)
            seconds += best
    return tokens / (seconds * config["num_hidden_layers"])
