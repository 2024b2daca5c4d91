"""The posterior: seconds with compilation and without, convergence on simulated searches, many searches at once."""

import json
import math
import os
import subprocess
import sys
import time
import warnings

import jax
import numpy as np

import nqjax
from bench.common import column, reference_folder, table, verdict
from nqjax.posterior.posterior import Posterior

NOISES = (1e-3, 0.01, 0.1, 0.5)
SIZES = (12, 24, 48, 96, 1024)
_ONE = """
import json, math, sys, time
import numpy as np
import jax, nqjax
from bench.posterior import simulated, seconds_of
y, limits = simulated(int(sys.argv[1]), 2, 0.05, 0)
jax.block_until_ready(jax.numpy.zeros(3) + 1)
print(json.dumps(seconds_of(y, limits, sys.argv[2])))
"""


def simulated(size: int, gamma: int, s: float, seed: int) -> tuple[np.ndarray, tuple[float, float]]:
    """Return the scores of a search, and limits that keep the best 60 %."""
    rng = np.random.default_rng([size, gamma, seed])
    y = rng.uniform(size=size) ** (2 / gamma) + s * rng.normal(size=size)
    return y, (-math.inf, float(np.quantile(y, 0.6)))


def seconds_of(y: np.ndarray, limits: tuple[float, float], method: str) -> tuple[float, float]:
    """Return the seconds of the first call, compilation included, and of the second."""
    times = []
    for seed in range(2):
        began = time.perf_counter()
        nqjax.sample_posterior(y, limits=limits, key=jax.random.key(seed), method=method)  # type: ignore[arg-type]
        times.append(time.perf_counter() - began)
    return times[0], times[1]


def main(quick: bool = False) -> None:
    rows = []
    for size, method, target in ((48, "nuts", 15), (1024, "nuts", 45), (48, "quadrature", 3), (1024, "quadrature", 3)):
        first, again = _fresh(size, method)
        met = f"{target} s: {verdict(first, target, at_least=False)}"
        rows.append([f"n = {size}, {method}", f"{first:.1f} s", f"{again:.2f} s", met])
    table("One posterior", ["", "first call, compilation included", "again", "target"], rows)
    _convergence(10 if quick else 100)
    _many(10 if quick else 100)


def _convergence(count: int) -> None:
    """R-hat, effective draws and divergences with the default settings."""
    searches = []
    if reference_folder():
        deberta = column("deberta_v3_multinli.csv", "accuracy_matched"), (0.89, math.inf), False
        convnext = column("convnext_tiny_imagenet.csv", "top_1"), (0.6, math.inf), False
        searches = [("DeBERTaV3", *deberta), ("ConvNeXt", *convnext)]
    for i in range(count):
        size = SIZES[i % len(SIZES)]
        searches.append(("simulated", *simulated(size, 1 + i % 4, NOISES[(i // 5) % 4], i), True))
    rows: dict[str, list[tuple[float, float, int, bool]]] = {}
    for i, (name, y, limits, minimize) in enumerate(searches):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            post = nqjax.sample_posterior(y, limits=limits, minimize=minimize, key=jax.random.key(i))
        d = post.diagnostics
        least = min(*d.ess_bulk.values(), *d.ess_tail.values())
        rows.setdefault(name, []).append((max(d.rhat.values()), least, d.num_divergent, d.good))
    table(
        "Convergence with the default settings: R-hat <= 1.01, 400 effective draws, no divergence",
        ["searches", "number", "good", "largest R-hat", "fewest effective draws", "divergences"],
        [
            [
                name,
                str(len(found)),
                str(sum(f[3] for f in found)),
                f"{max(f[0] for f in found):.3f}",
                f"{min(f[1] for f in found):.0f}",
                str(sum(f[2] for f in found)),
            ]
            for name, found in rows.items()
        ],
    )


def _many(count: int) -> None:
    """Many searches at once against one."""
    some = [simulated(48, 1 + i % 4, 0.05, i) for i in range(count)]
    rows = []
    for method in ("nuts", "quadrature"):
        one, _ = _fresh(48, method)
        began = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = nqjax.sample_posterior_many(
                [y for y, _ in some],
                limits=[limits for _, limits in some],
                key=jax.random.key(0),
                method=method,  # type: ignore[arg-type]
            )
        taken = time.perf_counter() - began
        good = sum(isinstance(p, Posterior) and p.diagnostics.good for p in found)
        met = verdict(taken / one, 10, at_least=False)
        rows.append([method, f"{taken:.0f} s", f"{one:.1f} s", f"{taken / one:.1f}, 10: {met}", str(good)])
    table(f"{count} searches of 48 trials at once", ["", "all", "one, compilation included", "ratio", "good"], rows)


def _fresh(size: int, method: str) -> tuple[float, float]:
    """Seconds of the first and the second call of a process that keeps no compiled programs."""
    env = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", _ONE, str(size), method], check=True, capture_output=True, text=True, env=env
    ).stdout
    first, again = json.loads(done.splitlines()[-1])
    return first, again
