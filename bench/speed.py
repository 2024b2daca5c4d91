"""Speed as ratios against opda 0.8.0, both measured in one run on the same data."""

import math
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

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
    """Compare single functions, called eagerly and inside jit with constant and with traced parameters."""
    rows = []
    y, probability = np.linspace(-0.1, 1.1, 100_000), np.linspace(0.001, 0.999, 100_000)
    with jax.enable_x64(True):
        nodes = jnp.linspace(-1.0, 1.0, 36)
        bare = jax.jit(lambda y: jnp.sum(jnp.exp(-((y[:, None] * nodes) ** 2)), axis=-1))
        place, share, key = jnp.asarray(y), jnp.asarray(probability), jax.random.key(0)
        functions = {
            "CDF": (lambda d, x: d.cdf(x), place),
            "density": (lambda d, x: d.log_prob(x), place),
            "quantile": (lambda d, x: d.icdf(x), share),
            "sample": (lambda d, x: d.sample(x, (y.size,)), key),
        }
        for gamma in (1, 2, 3, 5):
            theirs = NoisyQuadraticDistribution(0.0, 1.0, gamma, 0.02, convex=True)
            generator = np.random.default_rng(0)
            others = {
                "CDF": lambda d=theirs: d.cdf(y),
                "density": lambda d=theirs: d.pdf(y),
                "quantile": lambda d=theirs: d.ppf(probability),
                "sample": lambda d=theirs, g=generator: d.sample(y.size, generator=g),
            }
            for name, (function, argument) in functions.items():
                rounds = 1 if quick else 3 if name == "quantile" else 15
                times = _three_ways(function, argument, gamma, others[name], rounds)
                least = 15 if (gamma, name) == (1, "CDF") else 1.5
                ratio, slower = times[-1] / max(times[:-1]), max(times[1:-1]) / times[0]
                rows.append(
                    [
                        f"{name}, gamma {gamma}",
                        *(f"{t * 1e3:.2f} ms" for t in times),
                        f"{ratio:.1f} x",
                        f"{least} x: {verdict(ratio, least, at_least=True)}",
                        f"{slower:.2f}",
                    ]
                )
        bare(place).block_until_ready()
        limit, _ = seconds(lambda: bare(place).block_until_ready(), lambda: None, 1 if quick else 25)
    rows.append(["36 bare exponentials a point", f"{limit * 1e3:.2f} ms", *[""] * 6])
    header = ["function", "eager", "jit, constant", "jit, traced", "opda", "least ratio", "target", "jit / eager"]
    table("100,000 points, s = 0.02", header, rows)


def _three_ways(
    function: Callable[[Any, Any], jax.Array], argument: Any, gamma: float, other: Callable[[], object], rounds: int
) -> list[float]:
    """Return the median seconds of an eager call, two calls inside jit and opda's, taken in turns."""
    fixed = nqjax.NoisyQuadratic(0.0, 1.0, gamma, 0.02)
    constant = jax.jit(lambda x: function(fixed, x))
    traced = jax.jit(lambda x, *p: function(nqjax.NoisyQuadratic(*p), x))
    parameters = [jnp.asarray(float(p)) for p in (0.0, 1.0, gamma, 0.02)]
    calls = [lambda: function(fixed, argument), lambda: constant(argument), lambda: traced(argument, *parameters)]
    records: list[list[float]] = [[], [], [], []]
    for call in calls:
        call().block_until_ready()
    for _ in range(rounds):
        for call, record in zip([*calls, other], records, strict=True):
            began = time.perf_counter()
            jax.block_until_ready(call())
            record.append(time.perf_counter() - began)
    return [median(record) for record in records]


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
        "import sys, time, math, numpy as np, nqjax; from nqjax.analysis import fit\n"
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
