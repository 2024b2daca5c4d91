"""The posterior's moments and the probabilities of gamma against a dense grid of `Posterior.log_joint`.

    python -m bench integrals [--quick]

The grid spans the draws of each gamma and half as much again on either side; its coordinates and its density are not
those of the sampler. Means and standard deviations are compared in units of their Monte Carlo standard errors, from the
effective number of draws and the kurtosis.
"""

import math
import sys
import time
import warnings
from typing import Literal

import arviz as az
import jax
import numpy as np
import scipy.special

import nqjax
from bench.common import column, reference_folder, table
from bench.posterior import simulated

#: Gammas with a smaller posterior probability are left out on both sides.
LEAST_PROBABILITY = 0.02
#: Simulated searches.
SIMULATED = 20
#: Cells of the coarsest grid along an axis.
COARSEST = 16
#: A grid is final when its log evidence differs from that of the grid before by less than this.
EVIDENCE_TOLERANCE = 2e-3
#: Cells that a final grid has at least: a coarse grid may agree with a coarser one by chance.
FEWEST_CELLS = 50_000
#: No grid has more cells.
MOST_CELLS = 1_000_000
#: Cells below exp(-DEPTH) of the maximum are not refined.
DEPTH = 14.0
_HALVES = np.stack(np.meshgrid(*[[0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
_NEIGHBOURS = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
METHODS: tuple[Literal["quadrature", "nuts"], ...] = ("quadrature", "nuts")


Grid = tuple[float, np.ndarray]  # log evidence, and the first four moments of the three parameters, shape (3, 4)


class _Box:
    """Coordinates of one gamma's parameters, and a box of them that holds all draws with room to spare.

    alpha spreads out around the best score, where a narrow ridge ends. Above a threshold, beta - alpha is at least the
    width of the regime: an edge of the density that must lie along the grid.
    """

    def __init__(self, posts: list[nqjax.Posterior], gamma: int, best: float) -> None:
        draws = [(post, post.gamma == gamma) for post in posts]
        alpha, beta, sigma = (np.concatenate([getattr(p, x)[m] for p, m in draws]) for x in ("alpha", "beta", "sigma"))
        self.best, self.narrow, self.limit = best, float(np.quantile(sigma, 0.05)), posts[0].limits[1]
        coordinates = np.arcsinh((alpha - best) / self.narrow), np.log(beta - alpha) - self._edge(alpha), np.log(sigma)
        self.low, self.high = np.transpose(
            [(x.min() - 0.5 * np.ptp(x), x.max() + 0.5 * np.ptp(x)) for x in coordinates]
        )
        if math.isfinite(self.limit):
            self.high[0] = min(self.high[0], math.asinh((self.limit - best) / self.narrow))
            self.low[1] = max(self.low[1], 0.0)

    def _edge(self, alpha: np.ndarray) -> np.ndarray | float:
        return np.log(self.limit - alpha) if math.isfinite(self.limit) else 0.0

    def parameters(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """alpha, beta, log sigma, and the log of the volume at coordinates of shape (3, ...)."""
        alpha = self.best + self.narrow * np.sinh(x[0])
        log_delta = x[1] + self._edge(alpha)
        volume = math.log(self.narrow) + np.log(np.cosh(x[0])) + log_delta + x[2]
        return alpha, alpha + np.exp(log_delta), x[2], volume


def dense(posts: list[nqjax.Posterior], gamma: int, best: float) -> tuple[Grid, float]:
    """Return one gamma's integrals by the midpoint rule, and the last change of the log evidence.

    Each grid is twice as fine as the one before, near cells of that one with weight, until the evidence is stable.
    """
    box = _Box(posts, gamma, best)
    count, evidence = COARSEST, math.nan
    cells = np.moveaxis(np.indices((count,) * 3), 0, -1).reshape(-1, 3)
    while True:
        step = (box.high - box.low) / count
        alpha, beta, log_sigma, volume = box.parameters((box.low + step * (cells + 0.5)).T)
        value = posts[0].log_joint(alpha, beta, gamma, np.exp(log_sigma)) + volume
        weights = np.exp(value - value.max())
        before, evidence = evidence, float(value.max() + math.log(weights.sum() * np.prod(step)))
        change = abs(evidence - before)
        finer = _finer(cells[value > value.max() - DEPTH], count)
        if len(finer) > MOST_CELLS or (change < EVIDENCE_TOLERANCE and len(cells) > FEWEST_CELLS):
            moments = [[np.average(x**k, weights=weights) for k in range(1, 5)] for x in (alpha, beta, log_sigma)]
            return (evidence, np.array(moments)), change
        cells, count = finer, 2 * count


def _finer(cells: np.ndarray, count: int) -> np.ndarray:
    """The halves of some cells and of their neighbours."""
    near = (cells[:, None] + _NEIGHBOURS).reshape(-1, 3)
    near = near[np.all((near >= 0) & (near < count), axis=1)]
    places = np.unique(np.ravel_multi_index(near.T, (count,) * 3))
    near = np.stack(np.unravel_index(places, (count,) * 3), axis=1)
    return (2 * near[:, None] + _HALVES).reshape(-1, 3)


def compare(post: nqjax.Posterior, grids: dict[int, Grid]) -> tuple[list[float], float]:
    """Differences of means and standard deviations in standard errors, and the largest one of the probabilities."""
    share = scipy.special.softmax([evidence for evidence, _ in grids.values()])
    known = np.array([post.gamma_probabilities[g] for g in grids])
    moments = np.einsum("g,gij->ij", share, np.array([m for _, m in grids.values()]))
    kept = np.isin(post.gamma, list(grids))
    differences = []
    for x, (mean, square, cube, fourth) in zip((post.alpha, post.beta, np.log(post.sigma)), moments, strict=True):
        size, sd = float(az.ess(x)), math.sqrt(square - mean**2)
        differences.append((x[kept].mean() - mean) / (sd / math.sqrt(size)))
        # From the grid: a few thousand draws do not give the kurtosis of a long tail.
        kurtosis = (fourth - 4 * mean * cube + 6 * mean**2 * square - 3 * mean**4) / sd**4
        size = float(az.ess((x - mean) ** 2))
        differences.append((x[kept].std() / sd - 1) / math.sqrt((kurtosis - 1) / (4 * size)))
    return differences, float(np.abs(share * known.sum() - known).max())


def both(y: np.ndarray, limits: tuple[float, float], seed: int) -> list[nqjax.Posterior]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        key = jax.random.key(seed)
        return [nqjax.sample_posterior(y, limits=limits, method=method, key=key) for method in METHODS]


def main(quick: bool = False) -> None:
    cases = []
    if reference_folder() and not quick:
        deberta = 1 - column("deberta_v3_multinli.csv", "accuracy_matched"), (-math.inf, 0.11)
        convnext = 1 - column("convnext_tiny_imagenet.csv", "top_1"), (-math.inf, 0.4)
        cases = [("DeBERTaV3", *deberta), ("ConvNeXt", *convnext)]
    for i in range(2 if quick else SIMULATED):
        y, limits = simulated((24, 48, 96)[i % 3], 1 + i % 4, (0.01, 0.05, 0.2)[i % 3], 100 + i)
        cases.append(("simulated", y, limits if i % 2 else (-math.inf, math.inf)))
    found: dict[tuple[str, str], tuple[list[float], list[float]]] = {}
    last = 0.0
    for i, (name, y, limits) in enumerate(cases):
        began = time.perf_counter()
        posts = both(y, limits, i)
        likely = [g for g, p in posts[0].gamma_probabilities.items() if p > LEAST_PROBABILITY]
        integrals = {g: dense(posts, g, float(y.min())) for g in likely}
        grids = {g: grid for g, (grid, _) in integrals.items()}
        changes = [change for _, change in integrals.values()]
        last = max(last, *changes)
        found_here = []
        for method, post in zip(METHODS, posts, strict=True):
            differences, shares = compare(post, grids)
            mine = found.setdefault((name, method), ([], []))
            mine[0].extend(differences)
            mine[1].append(shares)
            found_here.append(f"{method} {np.abs(differences).max():.1f}")
        spent = f"{time.perf_counter() - began:.0f} s"
        words = f"{spent}; largest, in standard errors: {', '.join(found_here)}; last change {max(changes):.1g}"
        print(f"{i + 1} of {len(cases)}: {name}, {words}", file=sys.stderr, flush=True)
    rows = []
    for (name, method), (differences, shares) in found.items():
        z = np.abs(differences)
        cells = [str(len(shares)), str(len(z)), f"{z.max():.1f}", str(int(np.sum(z > 3))), f"{max(shares):.4f}"]
        rows.append([f"{name}, {method}", *cells])
    header = ["", "searches", "means and deviations", "largest, in standard errors", "beyond 3", "probabilities off by"]
    table("The posterior against a dense grid", header, rows)
    print(f"The last doubling of the grids changed a log evidence by {last:.4f} at most.")
