"""Confidence bands against opda's, and consonance regions: their time, and how exact their coverage is."""

import math
import time

import numpy as np
from opda.nonparametric import EmpiricalDistribution

import nqjax
from bench.common import column, reference_folder, table, verdict
from nqjax.confidence.bands import _band, order_statistic_band
from nqjax.confidence.crossing import probability_within


def main(quick: bool = False) -> None:
    _learned_miller_destefano(quick)
    _regions(quick)


def _learned_miller_destefano(quick: bool) -> None:
    rng = np.random.default_rng(0)
    rows = []
    for n in (48, 256) if quick else (48, 256, 1024, 10_000):
        y = rng.uniform(size=n)
        _band.cache_clear()
        began = time.perf_counter()
        nqjax.confidence_bands(y, 0.95, support=(0, 1))
        ours = time.perf_counter() - began
        band = order_statistic_band(n, 0.95)
        off = abs(probability_within(band.low, band.high) - 0.95)
        row = [f"{n:,}", f"{1e3 * ours:.1f} ms", f"{off:.0e}"]
        if n <= 1024:
            began = time.perf_counter()
            theirs = EmpiricalDistribution.confidence_bands(
                y, 0.95, 0, 1, method="ld_highest_density", generator=np.random.default_rng(0)
            )
            seconds = time.perf_counter() - began
            u = np.sort(y)
            low, high = theirs[0].cdf(u), np.append(theirs[2].cdf(0.0), theirs[2].cdf(u)[:-1])
            miss = abs(probability_within(low, high) - 0.95)
            target = f"50 x: {verdict(seconds / ours, 50, at_least=True)}" if n == 1024 else ""
            row += [f"{seconds:.1f} s", f"{miss:.0e}", f"{seconds / ours:,.0f} x", target]
        else:
            row += ["", "", "", f"20 s: {verdict(ours, 20, at_least=False)}"]
        rows.append(row)
    header = ["n", "nqjax", "its coverage is off by", "opda", "its coverage is off by", "ratio", "target"]
    table("LD bands (highest density), confidence 0.95", header, rows)


def _regions(quick: bool) -> None:
    rng = np.random.default_rng(0)
    cases = [("simulated, n = 48, limit at 60 %", rng.uniform(size=48) + 0.05 * rng.normal(size=48), None)]
    if reference_folder():
        error = 1 - column("deberta_v3_multinli.csv", "accuracy_matched")
        cases.insert(0, ("DeBERTaV3, 48 trials, limit 0.104", error[:48], 0.104))
        if not quick:
            cases.insert(1, ("DeBERTaV3, 1,024 trials, limit 0.11", error, 0.11))
    rows = []
    for name, scores, limit in cases:
        limits = (-math.inf, limit) if limit else nqjax.quantile_limits(scores, 0.6)
        times = []
        for _ in range(2):
            began = time.perf_counter()
            region = nqjax.consonance_region(scores, limits=limits, confidence=0.8, alpha=(0, 1), beta=(0, 2))
            times.append(time.perf_counter() - began)
        low, high = region.interval("alpha")
        target = f"5 s: {verdict(times[0], 5, at_least=False)}" if name.startswith("DeBERTaV3, 48") else ""
        gammas = ", ".join(map(str, region.gammas))
        rows.append([name, f"{times[0]:.1f} s", f"{times[1]:.1f} s", f"{low:.5f} to {high:.5f}", gammas, target])
    table(
        "Consonance regions, confidence 0.8, gamma 1..5",
        ["scores", "first call", "again", "alpha", "gammas", "target"],
        rows,
    )
