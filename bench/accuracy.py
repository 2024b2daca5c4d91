"""Largest errors of nqjax and of opda at the stored reference points, against mpmath."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from opda.parametric import NoisyQuadraticDistribution

import nqjax
from bench.common import table


def main(quick: bool = False) -> None:
    rows = []
    path = Path(__file__).parents[1] / "tests" / "data" / "kernel_reference.json"
    part = json.loads(path.read_text())["double"]
    points = np.array([row[:4] for row in part], float)
    keys = ("log_cdf", "log_sf", "log_pdf")
    exact = {key: np.exp(np.array([float(row[4 + i]) for row in part])) for i, key in enumerate(keys)}
    r, delta, sigma, gamma = points.T
    s = sigma / delta
    with jax.enable_x64(True):
        d = nqjax.NoisyQuadratic(jnp.zeros_like(r), delta, gamma, sigma)
        double = {"CDF": d.cdf(r), "SF": jnp.exp(d.log_sf(r)), "density": jnp.exp(d.log_prob(r))}
        f = nqjax.NoisyQuadratic(*(jnp.asarray(a, jnp.float32) for a in (0 * r, delta, gamma, sigma)))
        single = np.asarray(f.cdf(jnp.asarray(r, jnp.float32)), float)
        double = {name: np.asarray(value) for name, value in double.items()}
    theirs = np.full(len(r), np.nan)
    for i in np.flatnonzero((gamma == np.round(gamma)) & (gamma <= 10)):
        theirs[i] = NoisyQuadraticDistribution(0.0, delta[i], int(gamma[i]), sigma[i], convex=True).cdf(r[i])
    names = {"CDF": "log_cdf", "SF": "log_sf", "density": "log_pdf"}
    for low, high in ((1e-6, 1e-3), (1e-3, 1e-1), (1e-1, 31.0)):
        here = (s >= low) & (s < high)
        error = np.abs(double["CDF"] - exact["log_cdf"])
        cells = [f"{low:g} to {high:g}", str(here.sum()), f"{error[here].max():.1e}"]
        for name, key in names.items():
            seen = here & (exact[key] > 1e-300)
            cells.append(f"{np.max(np.abs(double[name][seen] / exact[key][seen] - 1)):.1e}")
        cells.append(f"{np.nanmax(np.abs(single - exact['log_cdf'])[here]):.1e}")
        cells.append(f"{np.nanmax(np.abs(theirs - exact['log_cdf'])[here]):.1e}")
        rows.append(cells)
    header = [
        "s",
        "points",
        "CDF, absolute",
        "CDF, relative",
        "SF, relative",
        "density, relative",
        "CDF, float32*",
        "CDF, opda**",
    ]
    table("Largest errors against 40-digit integration", header, rows)
    print("\n\\* float32 at points that are not rounded to float32 first. \\** whole gammas up to 10, all it supports.")
