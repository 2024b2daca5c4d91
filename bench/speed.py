"""Speed as ratios against opda 0.8.0, both measured in one run on the same data."""

import math
import subprocess
import sys
import time
from statistics import median

import jax
import jax.numpy as jnp
import numpy as np
from opda.parametric import NoisyQuadraticDistribution

import nqjax
from bench.common import column, reference_folder, seconds, table, verdict


def main(quick: bool = False) -> None:
    _functions(quick)
    _fits(quick)


def _functions(quick: bool) -> None:
    rows = []
    y = np.linspace(-0.1, 1.1, 100_000)
    with jax.enable_x64(True):
        place = jnp.asarray(y)
        nodes = jnp.linspace(-1.0, 1.0, 36)
        bare = jax.jit(lambda y: jnp.sum(jnp.exp(-((y[:, None] * nodes) ** 2)), axis=-1))
        probability = np.linspace(0.001, 0.999, y.size)
        share, key, generator = jnp.asarray(probability), jax.random.key(0), np.random.default_rng(0)
        for gamma in (1, 2, 3, 5):
            ours = nqjax.NoisyQuadratic(0.0, 1.0, gamma, 0.02)
            theirs = NoisyQuadraticDistribution(0.0, 1.0, gamma, 0.02, convex=True)
            draw = jax.jit(lambda key, d=ours: d.sample(key, (y.size,)))
            # What to call, how often, and on which side of the comparison.
            pairs = {
                "CDF": (25, lambda d=ours: d.cdf(place), lambda d=theirs: d.cdf(y)),
                "density": (5, lambda d=ours: d.log_prob(place), lambda d=theirs: d.pdf(y)),
                "quantile": (1, lambda d=ours: d.icdf(share), lambda d=theirs: d.ppf(probability)),
                "sample": (5, lambda f=draw: f(key), lambda d=theirs: d.sample(y.size, generator=generator)),
            }
            for name, (rounds, mine, other) in pairs.items():
                mine().block_until_ready()
                times = seconds(lambda f=mine: f().block_until_ready(), other, 1 if quick else rounds)
                ratio = times[1] / times[0]
                target = f"15 x: {verdict(ratio, 15, at_least=True)}" if (gamma, name) == (1, "CDF") else ""
                milliseconds = [f"{t * 1e3:.2f} ms" for t in times]
                rows.append([f"{name}, gamma {gamma}", *milliseconds, f"{ratio:.1f} x", target])
        bare(place).block_until_ready()
        limit, _ = seconds(lambda: bare(place).block_until_ready(), lambda: None, 1 if quick else 25)
    rows.append(["36 bare exponentials a point (the limit)", f"{limit * 1e3:.2f} ms", "", "", ""])
    table("100,000 points, s = 0.02", ["function", "nqjax", "opda", "ratio", "target"], rows)


def _fits(quick: bool) -> None:
    rng = np.random.default_rng(0)
    simulated = rng.uniform(size=1024) ** 2 + 0.02 * rng.normal(size=1024)
    cases = [("simulated, n = 1,024, gamma 1..5, no limit", simulated, math.inf)]
    if reference_folder():
        cases.insert(
            0,
            (
                "DeBERTaV3, n = 1,024, gamma 1..5, limit 0.11",
                1 - column("deberta_v3_multinli.csv", "accuracy_matched"),
                0.11,
            ),
        )
    rows = []
    for name, scores, limit in cases:
        limits = (-math.inf, limit)
        nqjax.fit(scores, limits=limits)

        def theirs(scores: np.ndarray = scores, limits: tuple[float, float] = limits) -> object:
            return NoisyQuadraticDistribution.fit(
                scores, limits=limits, constraints={"c": (1, 5), "convex": True}, generator=np.random.default_rng(0)
            )

        mine, his = seconds(lambda s=scores, lim=limits: nqjax.fit(s, limits=lim), theirs, 1 if quick else 3)
        ratio = his / mine
        rows.append(
            [
                name,
                f"{mine * 1e3:.1f} ms",
                f"{his:.2f} s",
                f"{ratio:.0f} x",
                f"150 x: {verdict(ratio, 150, at_least=True)}",
            ]
        )
        first = median(_first_call(scores, limit) for _ in range(1 if quick else 3))
        rows.append(
            [
                "its first call, compilation included",
                f"{first:.2f} s",
                f"{his:.2f} s",
                "",
                f"no slower: {verdict(first, his, at_least=False)}",
            ]
        )
    table("Whole fits", ["data", "nqjax", "opda", "ratio", "target"], rows)


def _first_call(scores: np.ndarray, limit: float) -> float:
    """Seconds of the first fit of a fresh process, imports not counted."""
    code = (
        "import sys, time, math, numpy as np, nqjax; from nqjax.estimation import fit\n"
        "scores = np.loadtxt(sys.stdin); began = time.perf_counter()\n"
        f"nqjax.fit(scores, limits=(-math.inf, {'math.inf' if math.isinf(limit) else limit}))\n"
        "print(time.perf_counter() - began)"
    )
    text = "\n".join(map(repr, scores.tolist()))
    result = subprocess.run([sys.executable, "-c", code], input=text, capture_output=True, text=True, check=True)
    return float(result.stdout)


def wall(command: list[str], env: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, env=env, check=True, capture_output=True)
    return time.perf_counter() - began
