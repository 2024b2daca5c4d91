"""Seconds of a fit by numbers of trials, resamples, gammas and devices, in double and single precision."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

import jax
import numpy as np

import nqjax
from bench.common import table

_DTYPES = ("float64", "float32")


def main(quick: bool = False) -> None:
    device = jax.devices()[0]
    print(f"\nDevices: {len(jax.devices())} x {device.device_kind} ({device.platform}).")
    _trials(quick)
    _gammas(quick)
    _resamples(quick)
    if device.platform == "cpu":
        _devices(quick)


def _simulated(size: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.uniform(size=size) ** 2 + 0.02 * rng.normal(size=size)


def _best_of(function: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest call, after one that compiles."""
    function()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def _trials(quick: bool) -> None:
    rows = []
    for size in (24, 96, 384, 1536) if quick else (24, 96, 384, 1536, 6144, 24_576):
        count = max(16, min(512, 200_000 // size))
        studies = [_simulated(size, i) for i in range(count)]
        limits = [nqjax.quantile_limits(y, 0.6) for y in studies]
        row = [f"{size:,}", str(count)]
        for dtype in _DTYPES:
            seconds = _best_of(
                lambda dtype=dtype, studies=studies, limits=limits: nqjax.fit_many(studies, limits=limits, dtype=dtype),
                1 if quick else 2,
            )
            row += [f"{1e3 * seconds / count:.2f} ms", f"{1e6 * seconds / count / size:.2f} us"]
        rows.append(row)
    header = ["trials", "studies", "a study, float64", "a trial", "a study, float32", "a trial"]
    table("Cost against the number of trials: `fit_many`, gamma 1..5", header, rows)


def _gammas(quick: bool) -> None:
    studies = [_simulated(512, i) for i in range(64 if quick else 256)]
    limits = [nqjax.quantile_limits(y, 0.6) for y in studies]
    rows = []
    for most in (1, 2, 3, 5, 10):
        seconds = _best_of(lambda most=most: nqjax.fit_many(studies, limits=limits, gamma=(1, most)), 2)
        rows.append([f"1..{most}", f"{1e3 * seconds / len(studies):.2f} ms"])
    table("Cost against the gammas: `fit_many`, n = 512", ["gamma", "a study"], rows)


def _resamples(quick: bool) -> None:
    scores, limits = _simulated(1024), nqjax.quantile_limits(_simulated(1024), 0.6)
    counts = (100, 1000, 10_000) if quick else (100, 1000, 10_000, 100_000)
    rows = []
    for count in counts:
        row = [f"{count:,}"]
        for dtype in _DTYPES:
            seconds = _best_of(
                lambda count=count, dtype=dtype: nqjax.bootstrap(
                    scores, count, key=jax.random.key(0), limits=limits, dtype=dtype
                ),
                1 if quick or count > 10_000 else 3,
            )
            row += [f"{seconds:.2f} s", f"{count / seconds:,.0f}"]
        rows.append(row)
    header = ["resamples", "float64", "resamples a second", "float32", "resamples a second"]
    table("Cost against the resamples: `bootstrap`, n = 1,024, gamma 1..5", header, rows)


_ON_DEVICES = """
import json, math, time
import numpy as np, jax, nqjax
studies = [np.random.default_rng(i).uniform(size=512) ** 2 for i in range({count})]
studies = [y + 0.02 * np.random.default_rng([i, 1]).normal(size=512) for i, y in enumerate(studies)]
fit = lambda: nqjax.fit_many(studies, limits=(-math.inf, 0.5))
began = time.perf_counter(); fit(); first = time.perf_counter() - began
began = time.perf_counter(); fits = fit(); again = time.perf_counter() - began
print(json.dumps([len(jax.devices()), first, again, fits.loss.tolist()]))
"""


def _devices(quick: bool) -> None:
    """Forced host devices share the cores, so more of them cannot be faster: this shows what they cost."""
    rows, reference = [], None
    for count in (1, 2, 8):
        env = {**os.environ, "XLA_FLAGS": f"--xla_force_host_platform_device_count={count}"}
        program = _ON_DEVICES.format(count=256 if quick else 1024)
        run = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
        devices, first, again, losses = json.loads(run.stdout)
        reference = reference or losses
        same = "yes" if losses == reference else f"no, by {np.max(np.abs(np.subtract(losses, reference))):.0e}"
        rows.append([str(devices), f"{first:.1f} s", f"{again:.2f} s", same])
    table(
        f"Forced host devices on {os.cpu_count()} cores: {256 if quick else 1024:,} studies, n = 512",
        ["devices", "first call", "again", "the same to the last digit"],
        rows,
    )
