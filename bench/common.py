"""Helpers of all benchmarks: timing in turns, tables, and the folder of the reference searches."""

import csv
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import jax
import numpy as np


def seconds(ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Return the median seconds of two functions, called in turns so that changes of the clock rate affect both."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for function, record in zip((ours, theirs), times, strict=True):
            began = time.perf_counter()
            function()
            record.append(time.perf_counter() - began)
    return statistics.median(times[0]), statistics.median(times[1])


def table(title: str, header: list[str], rows: list[list[str]]) -> None:
    """Print a Markdown table."""
    print(f"\n### {title}\n")
    for row in (header, ["---"] * len(header), *rows):
        print("| " + " | ".join(row) + " |")


def verdict(value: float, target: float, *, at_least: bool) -> str:
    met = value >= target if at_least else value <= target
    return "met" if met else "NOT met"


def reference_folder() -> Path | None:
    """The folder of reference searches, or None."""
    override = os.environ.get("NQJAX_SHARED_DATA")
    folder = Path(override) if override else Path(__file__).parents[2] / "shared" / "data"
    return folder if folder.is_dir() else None


def cache_folder(part: str) -> Path:
    """Return the folder in which a part of the benchmarks keeps finished work; it is made where it is missing."""
    base = os.environ.get("NQJAX_BENCH_CACHE") or Path(__file__).parents[1] / "build" / "bench"
    folder = Path(base) / part
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def column(name: str, metric: str) -> np.ndarray:
    folder = reference_folder()
    if folder is None:
        raise FileNotFoundError("the reference searches are absent (set NQJAX_SHARED_DATA)")
    with (folder / name).open() as file:
        return np.array([float(row[metric]) for row in csv.DictReader(file)])


def machine() -> str:
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    device = jax.devices()[0]
    return (
        f"{model}, {os.cpu_count()} cores; device {device.device_kind}; Python {platform.python_version()}, "
        f"jax {jax.__version__}, opda {metadata.version('opda')}"
    )
