"""Many fits: the bootstrap against opda, studies a second, memory, and how far from the bare exponentials."""

import json
import math
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
from opda.parametric import NoisyQuadraticDistribution

import nqjax
from bench.common import column, reference_folder, table, verdict
from nqjax.runtime.parallel import num_workers
from nqjax.solver.knots import num_nodes


def main(quick: bool = False) -> None:
    rate = _exponentials_a_second()
    print(f"\nBare float64 exponentials on all cores: {rate / 1e9:.2f} billion a second.")
    _bootstraps(rate, quick)
    _studies(quick)
    _one_large(quick)


def _exponentials_a_second() -> float:
    """Return the rate of a compiled sum of exponentials, on as many threads as the fits use."""
    from concurrent.futures import ThreadPoolExecutor

    workers, size, rounds = num_workers(jax.devices()), 1040, 3000
    with jax.enable_x64(True):
        nodes = jnp.linspace(-1.0, 1.0, 32)
        bare = jax.jit(
            lambda x: jax.lax.fori_loop(
                0, rounds, lambda _, x: x + 1e-9 * jnp.sum(jnp.exp(-((x[:, None] * nodes) ** 2)), axis=-1), x
            ),
            compiler_options={"xla_cpu_prefer_vector_width": 512} if jax.devices()[0].platform == "cpu" else None,
        )
        x = jnp.linspace(0.1, 1.0, size)
        bare(x).block_until_ready()

        def work(_: int) -> None:
            with jax.enable_x64(True):
                bare(x).block_until_ready()

        best = math.inf
        for _ in range(3):
            began = time.perf_counter()
            with ThreadPoolExecutor(workers) as pool:
                list(pool.map(work, range(workers)))
            best = min(best, time.perf_counter() - began)
    return workers * size * 32 * rounds / best


def _bootstraps(rate: float, quick: bool) -> None:
    rng = np.random.default_rng(0)
    cases = [
        ("simulated, n = 1,024, limit at 60 %", rng.uniform(size=1024) ** 2 + 0.02 * rng.normal(size=1024), None, 1000)
    ]
    if reference_folder():
        error = 1 - column("deberta_v3_multinli.csv", "accuracy_matched")
        cases.insert(0, ("DeBERTaV3, n = 1,024, limit 0.11", error, 0.11, 1000))
        cases.insert(1, ("its first 48 trials, limit 0.11", error[:48], 0.11, 10_000))
    rows = []
    for name, scores, limit, count in cases:
        limits = (-math.inf, limit) if limit else nqjax.quantile_limits(scores, 0.6)
        options = {"key": jax.random.key(0), "limits": limits}
        began = time.perf_counter()
        nqjax.bootstrap(scores, count, **options)
        first = time.perf_counter() - began
        times = []
        for _ in range(1 if quick else 3):
            began = time.perf_counter()
            boot = nqjax.bootstrap(scores, count, **options)
            times.append(time.perf_counter() - began)
        seconds = min(times)
        began = time.perf_counter()
        for seed in range(1 if quick else 3):
            NoisyQuadraticDistribution.fit(
                scores, limits=limits, constraints={"c": (1, 5), "convex": True}, generator=np.random.default_rng(seed)
            )
        theirs = (time.perf_counter() - began) / (1 if quick else 3)
        ratio = theirs * count / seconds
        # One exponential a node and knot.
        limit_seconds = boot._evaluations * num_nodes("float64")[1] * (boot._left_out.resampler.piece + 1) / rate
        rows.append(
            [
                f"{name}, {count:,} resamples",
                f"{seconds:.2f} s",
                f"{first:.1f} s",
                f"{ratio:,.0f} x",
                f"1,500 x: {verdict(ratio, 1500, at_least=True)}",
                f"{np.nanmax(boot.gradient_norm):.0e}",
                f"{boot._evaluations / count:.0f}",
                f"{seconds / limit_seconds:.1f} x",
                f"3 x: {verdict(seconds / limit_seconds, 3, at_least=False)}",
            ]
        )
    header = ["bootstrap", "time", "first call", "opda's time", "target", "largest gradient norm", "pieces a resample"]
    table("Bootstrap, gamma 1..5", [*header, "of the bare exponentials' time", "target"], rows)


_STUDIES = """
import json, math, resource, sys, time
import numpy as np, nqjax
count, largest = int(sys.argv[1]), int(sys.argv[2])
rng = np.random.default_rng(0)
studies = []
for i in range(count):
    size = int(np.exp(rng.uniform(math.log(12), math.log(largest + 1))))
    studies.append(rng.uniform(size=size) ** (2 / (1 + i % 5)) + 10 ** rng.uniform(-3, -0.3) * rng.normal(size=size))
limits = [nqjax.quantile_limits(y, 0.6) for y in studies]
began = time.perf_counter()
fits = nqjax.fit_many(studies, limits=limits)
seconds = time.perf_counter() - began
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps([seconds, memory, float(np.mean(fits.converged))]))
"""


def _fresh(*arguments: object) -> list[float]:
    """Run the program above in a process of its own: compilation and memory are its own, too."""
    command = [sys.executable, "-c", _STUDIES, *map(str, arguments)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _studies(quick: bool) -> None:
    rows = []
    for count in (100, 1000, 10_000) if quick else (100, 1000, 10_000, 100_000):
        seconds, memory, converged = _fresh(count, 1024)
        target = ""
        if count == 10_000:
            met = count / seconds >= 300 and memory < 2
            target = f"300 a second, 2 GiB: {'met' if met else 'NOT met'}"
        rows.append(
            [
                f"{count:,}",
                f"{seconds:.1f} s",
                f"{count / seconds:,.0f}",
                f"{memory:.2f} GiB",
                f"{converged:.4f}",
                target,
            ]
        )
    header = ["studies", "time, compilation included", "studies a second", "peak memory", "converged", "target"]
    table("`fit_many`, n from 12 to 1,024 (log-uniform), gamma 1..5", header, rows)


def _one_large(quick: bool) -> None:
    size = 100_000 if quick else 1_000_000
    code = (
        "import json, resource, time, numpy as np, nqjax\n"
        "rng = np.random.default_rng(0)\n"
        f"y = rng.uniform(size={size}) ** 2 + 0.02 * rng.normal(size={size})\n"
        "began = time.perf_counter(); fit = nqjax.fit(y, threshold=None); seconds = time.perf_counter() - began\n"
        "print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, fit.converged]))"
    )
    seconds, memory, converged = json.loads(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    )
    met = verdict(max(seconds / 20, memory / 4), 1, at_least=False)
    table(
        "One large study",
        ["scores", "time, compilation included", "peak memory", "converged", "target"],
        [[f"{size:,}", f"{seconds:.1f} s", f"{memory:.2f} GiB", str(converged), f"20 s, 4 GiB: {met}"]],
    )
