"""The posterior's moments and the probabilities of gamma against a dense grid of `Posterior.log_joint`.

    python -m bench integrals [--quick]

The grid, in (alpha, log(beta - alpha), log sigma), spans the draws of each gamma and half as much again on either side;
the density is computed by other code than that of the sampler. Means and standard deviations are compared in units of
their Monte Carlo standard errors, which come from the effective sample size and the kurtosis of the draws.
"""

import math
import warnings

import arviz as az
import jax
import numpy as np
import scipy.special
import scipy.stats

import nqjax
from bench.common import column, reference_folder, table
from bench.posterior import simulated

LEAST = 0.02  # gammas with a smaller probability are left out of both
SIMULATED = 20


def dense(post: nqjax.Posterior, gamma: int, counts: tuple[int, int]) -> tuple[float, np.ndarray]:
    """Log evidence, and first and second moments of the three parameters, shape (3, 2)."""
    mine = post.gamma == gamma
    draws = post.alpha[mine], np.log(post.beta - post.alpha)[mine], np.log(post.sigma[mine])
    axes, steps = [], []
    for x, count, most in zip(
        draws, (counts[0], counts[1], counts[1]), (post.limits[1], math.inf, math.inf), strict=True
    ):
        low, high = x.min() - 0.5 * np.ptp(x), min(x.max() + 0.5 * np.ptp(x), most)
        steps.append((high - low) / count)
        axes.append(low + steps[-1] * (np.arange(count) + 0.5))
    alpha, delta, sigma = np.meshgrid(axes[0], np.exp(axes[1]), np.exp(axes[2]), indexing="ij")
    value = post.log_joint(alpha, alpha + delta, gamma, sigma) + np.log(delta) + np.log(sigma)
    weights = np.exp(value - value.max())
    moments = [[np.average(x**k, weights=weights) for k in (1, 2)] for x in (alpha, alpha + delta, np.log(sigma))]
    return float(value.max() + math.log(weights.sum() * np.prod(steps))), np.array(moments)


def compare(post: nqjax.Posterior, counts: tuple[int, int]) -> tuple[list[float], float]:
    """Differences of means and standard deviations in standard errors, and the largest one of the probabilities."""
    gammas = [g for g, p in post.gamma_probabilities.items() if p > LEAST]
    found = [dense(post, g, counts) for g in gammas]
    share = scipy.special.softmax([evidence for evidence, _ in found])
    known = np.array([post.gamma_probabilities[g] for g in gammas])
    moments = np.einsum("g,gij->ij", share, np.array([m for _, m in found]))
    kept = np.isin(post.gamma, gammas)
    differences = []
    for x, (mean, square) in zip((post.alpha, post.beta, np.log(post.sigma)), moments, strict=True):
        size, sd = float(az.ess(x)), math.sqrt(square - mean**2)
        differences.append((x[kept].mean() - mean) / (sd / math.sqrt(size)))
        kurtosis = scipy.stats.kurtosis(x[kept], fisher=False)
        size = float(az.ess((x - mean) ** 2))
        differences.append((x[kept].std() / sd - 1) / math.sqrt((kurtosis - 1) / (4 * size)))
    return differences, float(np.abs(share * known.sum() - known).max())


def main(quick: bool = False) -> None:
    cases = []
    if reference_folder() and not quick:
        deberta = 1 - column("deberta_v3_multinli.csv", "accuracy_matched"), (-math.inf, 0.11)
        convnext = 1 - column("convnext_tiny_imagenet.csv", "top_1"), (-math.inf, 0.4)
        cases = [("DeBERTaV3", *deberta, (64, 32)), ("ConvNeXt", *convnext, (64, 32))]
    for i in range(2 if quick else SIMULATED):
        y, limits = simulated((24, 48, 96)[i % 3], 1 + i % 4, (0.01, 0.05, 0.2)[i % 3], 100 + i)
        cases.append(("simulated", y, limits if i % 2 else (-math.inf, math.inf), (160, 48)))
    rows = []
    for method in ("quadrature", "nuts"):
        kinds: dict[str, tuple[list[float], list[float]]] = {}
        for i, (name, y, limits, counts) in enumerate(cases):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                post = nqjax.sample_posterior(y, limits=limits, method=method, key=jax.random.key(i))  # type: ignore[arg-type]
            differences, shares = compare(post, counts)
            mine = kinds.setdefault(name, ([], []))
            mine[0].extend(differences)
            mine[1].append(shares)
        for name, (differences, shares) in kinds.items():
            z = np.abs(differences)
            cells = [str(len(shares)), str(len(z)), f"{z.max():.1f}", str(int(np.sum(z > 3))), f"{max(shares):.4f}"]
            rows.append([f"{name}, {method}", *cells])
    header = ["", "searches", "means and deviations", "largest, in standard errors", "beyond 3", "probabilities off by"]
    table("The posterior against a dense grid", header, rows)
