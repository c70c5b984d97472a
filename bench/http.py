"""What does a row cost behind an endpoint, how often is it refused, and does any get lost?

The server (http_server.py) is another process on the same cores and has its answers ready, so it takes no more of the
machine than it must. Clients (http_clients.py) are processes of their own, which take turns. Growth is the greatest
resident size above what it was when the prompts had been made.

rows         one request a row, 32 under way: language models, with and without a schema
embeddings   256 texts a request, 8 under way, 384 numbers each, in base64 and in decimals
refusals     a server of 500 requests a second and 20 at once: what it refuses, with and without requests_per_minute
lost         the same server, of whose attempts one in twenty fails, and one row in a hundred is refused for good:
             rows without an answer that have one
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import time
from pathlib import Path
from typing import Any

from bench.http_clients import CLIENTS
from bench.http_server import counts, running
from bench.report import save, spread, table

_PACED = {"per_s": 500, "burst": 20, "latency_s": 0.02}

Found = dict[str, Any]


def rows(short: bool) -> None:
    sizes = {"inlay": (20_000, 100_000), "inlay, schema": (20_000,), "plain loop": (20_000,), "openai": (4_000,)}
    with running() as base_url:
        _timed("http.rows", base_url, {name: each for name, each in sizes.items() if _has(name)}, short)


def embeddings(short: bool) -> None:
    for encoding, sizes in {"base64": (51_200, 256_000), "decimals": (12_800,)}.items():
        with running(decimals=encoding == "decimals") as base_url:
            print(f"{encoding}\n")
            _timed(f"http.embeddings_{encoding}", base_url, {"inlay, vectors": sizes}, short)
            print()


def refusals(short: bool) -> None:
    n = 3_000 if short else 10_000
    ways: dict[str, Found] = {
        "none": {},
        "5 % below the server's": {"requests_per_minute": 0.95 * 60 * _PACED["per_s"]},
    }
    lines, kept = [], []
    for name, endpoint in ways.items():
        with running(**_PACED) as base_url:
            found = _in_a_process("inlay", base_url, n, endpoint)
            seen = counts(base_url)
        lines.append([name, f"{found['answered']:,}", f"{seen['refused']:,}", f"{found['per_s']:,.0f}"])
        kept.append({"requests_per_minute": name, "rows": n, "found": found, "server": seen})
    print(f"{n:,} rows\n")
    print(table(["requests_per_minute", "answered", "refused requests", "rows/s"], lines))
    save("http.refusals", {"lines": kept})


def lost(short: bool) -> None:
    n = 2_000 if short else 10_000
    lines, kept = [], []
    for name in ("inlay", "plain loop", "openai"):
        if not _has(name):
            continue
        with running(failing=0.05, **_PACED) as base_url:
            found = _in_a_process(name, base_url, n, {}, bad_every=100)
            seen = counts(base_url)
        missing = n - n // 100 - found["answered"]
        lines.append([name, f"{missing:,}", f"{seen['requests']:,}", f"{found['per_s']:,.0f}"])
        kept.append({"way": name, "rows": n, "lost": missing, "found": found, "server": seen})
    print(f"{n:,} rows, of which {n // 100:,} can have no answer\n")
    print(table(["way", "rows lost", "requests", "rows/s"], lines))
    save("http.lost", {"lines": kept})


def _has(name: str) -> bool:
    return name != "openai" or importlib.util.find_spec("openai") is not None


def _timed(title: str, base_url: str, sizes: dict[str, tuple[int, ...]], short: bool) -> None:
    found: dict[tuple[str, int], list[Found]] = {(name, n): [] for name, each in sizes.items() for n in each}
    for _ in range(1 if short else 3):
        for name, n in found:
            found[name, n].append(_in_a_process(name, base_url, n, {}))
    lines = [
        [
            name,
            f"{n:,}",
            spread([each["per_s"] for each in measured], ",.0f"),
            spread([each["cpu_us"] for each in measured], ".0f"),
            spread([each["growth_mb"] for each in measured], ".1f"),
        ]
        for (name, n), measured in found.items()
    ]
    print(table(["way", "rows", "rows/s", "CPU µs a row", "growth MB"], lines))
    save(title, {"lines": [{"way": name, "rows": n, "rounds": each} for (name, n), each in found.items()]})


def _in_a_process(name: str, base_url: str, n: int, endpoint: Found, bad_every: int = 0) -> Found:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (name, base_url, n, endpoint, bad_every))


def _measure(name: str, base_url: str, n: int, endpoint: Found, bad_every: int) -> Found:
    texts = [
        f"{i}: the parcel came three days late and the box was broken on one side; nobody answers the telephone"
        f"{' <<bad>>' if bad_every and i % bad_every == 0 else ''}"
        for i in range(n)
    ]
    CLIENTS[name](base_url, texts[1:33], endpoint)  # imports, connections
    before_mb = _greatest_mb()
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    answered = CLIENTS[name](base_url, texts, endpoint)
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    return {
        "answered": answered,
        "per_s": n / wall_s,
        "cpu_us": cpu_s / n * 1e6,
        "growth_mb": _greatest_mb() - before_mb,
    }


def _greatest_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1000


PARTS = {"rows": rows, "embeddings": embeddings, "refusals": refusals, "lost": lost}
