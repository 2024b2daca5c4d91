"""Searches to fit, and three ways to judge a fit that share nothing with its program or little.

- `loss`: the objective by its definition, through the general kernel (any real gamma), which is checked against mpmath.
- `dense_losses`: hundreds of starts a gamma, each followed by itself on all knots.
- `opda_fit`: the reference implementation's differential evolution.

The tests of `nqjax.fit` and the benchmark of its fits read them here.
"""

import csv
import functools
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import nqjax
from nqjax.estimation.constraints import Constraint
from nqjax.estimation.spacings import Spacings, spacings
from nqjax.solver.knots import Family, families
from nqjax.solver.objective import mps
from nqjax.special import noisy_quadratic

INF = math.inf
#: Numbers of trials of the simulated searches.
SIZES = (12, 24, 48, 96, 200, 400, 1000, 2000)


class Search(NamedTuple):
    """Scores, and how to fit them."""

    name: str
    scores: np.ndarray
    limits: tuple[float, float]
    minimize: bool
    constraints: dict[str, Constraint]

    def spacings(self) -> Spacings:
        return spacings(self.scores, self.limits, self.minimize)

    def mirrored(self) -> "Search":
        """Return the same search with the scores negated."""

        def negate(constraint: Constraint) -> Constraint:
            if isinstance(constraint, tuple):
                return (-constraint[1], -constraint[0])
            return None if constraint is None else -constraint

        swapped = {"alpha": "beta", "beta": "alpha"}
        constraints = {swapped.get(k, k): negate(v) if k in swapped else v for k, v in self.constraints.items()}
        low, high = self.limits
        return Search(f"{self.name}, mirrored", -self.scores, (-high, -low), not self.minimize, constraints)

    def fit(self) -> nqjax.Fit:
        return nqjax.fit(self.scores, limits=self.limits, minimize=self.minimize, **self.constraints)


# --------------------------------------------------------------------------------------------------------------------
# Searches
# --------------------------------------------------------------------------------------------------------------------


def draw(
    rng: np.random.Generator, size: int, gamma: int, sigma: float, *, alpha: float = 0.0, beta: float = 1.0
) -> np.ndarray:
    """Draw scores from the convex noisy quadratic, by its definition."""
    return alpha + (beta - alpha) * rng.uniform(size=size) ** (2 / gamma) + sigma * rng.normal(size=size)


def simulated(count: int, sizes: tuple[int, ...] = SIZES, seed: int = 0) -> Iterator[Search]:
    """Simulate searches of every kind: sizes, gammas, noise, directions, thresholds, ties, locations and scales."""
    for i in range(count):
        # One generator a search: a longer list begins with the shorter one.
        rng = np.random.default_rng([seed, i])
        size, gamma = sizes[i % len(sizes)], 1 + i % 5
        s = 10 ** rng.uniform(math.log10(3e-4), math.log10(0.5))
        location, scale = rng.normal(), 10 ** rng.uniform(-3, 3)
        y = draw(rng, size, gamma, s)
        tied, censored, is_minimum = i % 7 == 3, i % 3 != 0, bool((i + i // 8) % 2)
        if tied:
            y = np.round(y, 2)
        y = scale * (location + y)
        limits = (-INF, float(np.quantile(y, rng.uniform(0.3, 0.8)))) if censored else (-INF, INF)
        name = (
            f"n={size} gamma={gamma} s={s:.1e}{' tied' * tied}{' censored' * censored} {'min' if is_minimum else 'max'}"
        )
        search = Search(name, y, limits, True, {"gamma": (1, 5)})
        yield search if is_minimum else search.mirrored()._replace(name=name)


def column(folder: Path, file: str, name: str) -> np.ndarray:
    """Return a column of numbers of one of the reference files."""
    with (folder / file).open(newline="") as lines:
        return np.array([float(row[name]) for row in csv.DictReader(lines)])


def published(folder: Path) -> dict[str, Search]:
    """Return the published fits whose data are at hand (DESIGN.md, section 4)."""
    accuracy = column(folder, "deberta_v3_multinli.csv", "accuracy_matched")
    top_1 = column(folder, "convnext_tiny_imagenet.csv", "top_1")
    unit = (0.0, 1.0)
    rows = (
        Search("DeBERTaV3, error", 1 - accuracy, (-INF, 0.11), True, {"alpha": unit, "gamma": (1, 5)}),
        Search("DeBERTaV3, accuracy", accuracy, (0.89, INF), False, {"beta": unit, "gamma": (1, 5)}),
        Search("ConvNeXt, top-1", top_1, (0.60, INF), False, {"beta": unit, "gamma": (1, 7)}),
    )
    return {row.name: row for row in rows}


def known_fit(num_scores: int = 60) -> nqjax.Fit:
    """Return a fit with made-up numbers, for code that only reads a fit."""
    return nqjax.Fit(
        alpha=0.09,
        beta=0.14,
        gamma=1,
        sigma=1e-3,
        loss=0.1,
        converged=True,
        gradient_norm=0.0,
        losses_by_gamma={1: 0.1},
        parameters_by_gamma={1: (0.09, 0.14, 1e-3)},
        minimize=True,
        limits=(-INF, 0.11),
        num_scores=num_scores,
        num_used=num_scores // 2,
        num_censored=num_scores - num_scores // 2,
        num_failed=0,
        best_score=0.0895,
    )


# --------------------------------------------------------------------------------------------------------------------
# The objective by its definition
# --------------------------------------------------------------------------------------------------------------------


def pad(knots: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Repeat the last knot up to a power of two, the repetitions without counts: few shapes, so few compilations."""
    spare = max(64, 1 << (len(knots) - 1).bit_length()) - len(knots)
    return (
        np.concatenate([knots, np.full(spare, knots[-1])]),
        np.concatenate([counts[:-1], np.zeros(spare), counts[-1:]]),
    )


def loss_at(theta: Array, gamma: Array, knots: Array, counts: Array) -> Array:
    """Return the loss at ``theta = (alpha, log(beta - alpha), sigma)``; differentiable.

    Knots as `Spacings` has them, without ends. The mass of an interval is a difference of the CDF or, in the upper
    half, of the survival function; where the interval is short, the integral of the density by Gauss's rule, which is
    exact because the density is smooth on the scale of sigma.
    """
    alpha, delta, sigma = theta[0], jnp.exp(theta[1]), theta[2]
    r = knots - alpha
    cdf = jnp.exp(noisy_quadratic.log_cdf(r, delta, sigma, gamma))
    sf = jnp.exp(noisy_quadratic.log_sf(r, delta, sigma, gamma))
    zero, one = jnp.zeros(1), jnp.ones(1)
    low = (jnp.concatenate([zero, cdf]), jnp.concatenate([one, sf]))
    high = (jnp.concatenate([cdf, one]), jnp.concatenate([sf, zero]))
    mass = jnp.where(high[0] < 0.5, high[0] - low[0], low[1] - high[1])
    gap = jnp.diff(knots)
    nodes, weights = np.polynomial.legendre.leggauss(4)
    places = r[:-1, None] + gap[:, None] * ((nodes + 1) / 2)[None]
    density = jnp.exp(noisy_quadratic.log_pdf(places, delta, sigma, gamma))
    # Gauss's error is (gap / sigma)**8 / 1e8 of the mass; the difference's is 1e-16 of 1, so of the mass 1e-13 or more.
    short = (gap < 0.03 * sigma) & (gap > 0)
    mass = mass.at[1:-1].set(jnp.where(short, gap * (density @ (weights / 2)), mass[1:-1]))
    used = counts > 0
    share = counts / jnp.sum(counts)
    return -jnp.sum(jnp.where(used, share * jnp.log(jnp.where(used, mass, 1.0) / jnp.where(used, share, 1.0)), 0.0))


_jitted_loss = jax.jit(loss_at)


def loss(search: Search | Spacings, alpha: float, beta: float, gamma: float, sigma: float) -> float:
    """Return the objective that `nqjax.fit` minimises, at parameters in the direction of the search."""
    data = search if isinstance(search, Spacings) else search.spacings()
    if isinstance(search, Search) and not search.minimize:
        alpha, beta = -beta, -alpha
    knots, counts = pad(data.knots, data.counts)
    # On the scale of the scores' range, so that nothing underflows.
    scale = data.knots[-1] - data.knots[0]
    with jax.enable_x64(True):
        theta = np.array([(alpha - knots[0]) / scale, math.log((beta - alpha) / scale), sigma / scale])
        return float(_jitted_loss(theta, float(gamma), (knots - knots[0]) / scale, counts))


# --------------------------------------------------------------------------------------------------------------------
# Other optimisers
# --------------------------------------------------------------------------------------------------------------------

#: Starts that descend side by side.
_LANES = 66
#: Newton steps from every start.
_TURNS = 40
#: Further steps from the best `_LANES` ends.
_MORE_TURNS = 300
# Bounds on (log(beta - alpha), log sigma) in units of the range of the knots, as wide as those of `nqjax.fit`.
_LOWEST = np.log([1e-6, 1e-6])
_HIGHEST = np.log([1e6, 1e2])
_ROWS = np.array([[0, 1, 2], [1, 3, 4], [2, 4, 5]])
_SHIFTS = np.concatenate([[0.0], 10.0 ** np.arange(-8, 2)])


def _newton_direction(gradient: Array, hessian: Array, damping: Array) -> Array:
    """Return ``-(H + m I)^-1 g`` with the least of some ``m`` that makes all leading minors positive, plus damping."""
    shifts = jnp.asarray(_SHIFTS)
    a, d, s = (hessian[i, i] + shifts for i in range(3))
    p, q, r = hessian[0, 1], hessian[0, 2], hessian[1, 2]
    positive = (a > 0) & (a * d > p * p) & (a * (d * s - r * r) - p * (p * s - q * r) + q * (p * r - d * q) > 0)
    shift = 3 * shifts[jnp.argmax(positive)] + damping
    a, d, s = (hessian[i, i] + shift for i in range(3))
    inverse = jnp.array(
        [
            [d * s - r * r, q * r - p * s, p * r - d * q],
            [q * r - p * s, a * s - q * q, p * q - a * r],
            [p * r - d * q, p * q - a * r, a * d - p * p],
        ]
    )
    return -jnp.sum(inverse * gradient, axis=1) / (a * inverse[0, 0] + p * inverse[0, 1] + q * inverse[0, 2])


def _follow(start: Array, value_at: Callable[[Array], Array], turns: Array) -> tuple[Array, Array]:
    """Descend by damped Newton steps; return where that ends and the loss there."""

    def turn(state: tuple[Array, ...]) -> tuple[Array, ...]:
        count, theta, value, new, damping, _ = state
        new = new.at[1:].set(jnp.clip(new[1:], _LOWEST, _HIGHEST))
        there = value_at(new)
        better = jnp.all(jnp.isfinite(there)) & (there[0] < value[0])
        damping = jnp.where(better, damping / 8, jnp.maximum(damping * 10, 1e-6))
        theta, value = (jnp.where(better, x, y) for x, y in ((new, theta), (there, value)))
        gradient, hessian = value[1:4], value[4:][_ROWS]
        unit = 1 / jnp.sqrt(jnp.maximum(jnp.abs(jnp.diagonal(hessian)), 1e-12))
        step = unit * _newton_direction(unit * gradient, hessian * unit[:, None] * unit, damping)
        scale = jnp.array([jnp.exp(jnp.max(theta[1:])), 1.0, 1.0])
        new = theta + step / jnp.maximum(1.0, jnp.max(jnp.abs(step) / scale))
        slope = jnp.max(jnp.abs(gradient) * jnp.array([jnp.exp(jnp.min(theta[1:])), 1.0, 1.0]))
        return count + 1, theta, value, new, damping, slope

    def more(state: tuple[Array, ...]) -> Array:
        # At the bottom rounding decides whether the loss falls: many refusals in a row end the descent.
        return (state[0] < turns) & (state[-1] > 1e-11) & (state[-2] < 1e8)

    nothing = jnp.zeros(10).at[0].set(INF)
    first = (jnp.zeros((), int), start, nothing, start, jnp.asarray(1e-2), jnp.asarray(INF))
    _, theta, value, _, _, _ = jax.lax.while_loop(more, turn, first)
    return theta, value[0]


def family(gamma: float) -> Family:
    """Return what the program prepares for one gamma."""
    return jax.tree.map(lambda a: a[0], families(np.array([gamma], float)))


@functools.partial(jax.jit, static_argnames="bits")
def _descend(starts: Array, turns: int, rule: Family, knots: Array, counts: Array, bits: int) -> tuple[Array, Array]:
    shares = counts / jnp.sum(counts)
    return jax.vmap(lambda s: _follow(s, lambda t: mps(t, rule, knots, shares, None, True, bits, False), turns))(starts)


def dense_losses(search: Search) -> dict[int, float]:
    """Return the lowest loss for each gamma from 396 starts, each followed on its own on all knots.

    Of the constraints only that on gamma is heeded.
    """
    data = search.spacings()
    knots, counts = pad(data.knots, data.counts)
    knots = (knots - knots[0]) / (data.knots[-1] - data.knots[0])
    knots = np.concatenate([[-1e12], knots, [1e12]])
    low, high = search.constraints.get("gamma", (1, 5))
    mass = np.clip(1 - counts[-1] / np.sum(counts), 0.01, 0.99)
    sigma = np.geomspace(1e-4, 2.0, 12)[:, None, None]
    offset = np.array([-8, -3, -1.5, -0.7, -0.2, 0.2, 0.7, 1.5, 2.5, 4, 8])[None, :, None]
    alpha = offset * np.minimum(sigma, 1 / 3)
    found = {}
    for gamma in range(low, high + 1):
        delta = np.maximum(1 - alpha, 0.05) * mass ** (-2 / gamma) * np.array([0.7, 1.0, 1.6])
        starts = np.stack(np.broadcast_arrays(alpha, np.log(delta), np.log(sigma)), axis=-1).reshape(-1, _LANES, 3)
        with jax.enable_x64(True):
            problem = (family(gamma), knots, counts, int(high + 1).bit_length())
            ends = [_descend(some, _TURNS, *problem) for some in starts]
            places, losses = (np.concatenate(x) for x in zip(*ends, strict=True))
            _, last = _descend(places[np.argsort(losses)[:_LANES]], _MORE_TURNS, *problem)
            found[gamma] = float(np.min(np.asarray(last)))
    return found


class OpdaFit(NamedTuple):
    """Parameters of a fit by opda."""

    alpha: float
    beta: float
    gamma: int
    sigma: float


def opda_fit(search: Search, seed: int = 0) -> OpdaFit:
    """Fit with opda 0.8.0, in the search's own direction."""
    from opda.parametric import NoisyQuadraticDistribution

    names = {"alpha": "a", "beta": "b", "gamma": "c", "sigma": "o"}
    constraints = {names[k]: v for k, v in search.constraints.items() if v is not None}
    found = NoisyQuadraticDistribution.fit(
        search.scores,
        limits=search.limits,
        constraints={**constraints, "convex": search.minimize},
        generator=np.random.default_rng(seed),
    )
    return OpdaFit(float(found.a), float(found.b), int(found.c), float(found.o))


def studies(count, *, low=24, high=300, noise=(0.03, 0.3), seed=0):
    """Simulate studies whose noise the data can tell, each with a limit of its own."""
    rng = np.random.default_rng(seed)
    scores, limits = [], []
    for i in range(count):
        size = int(np.exp(rng.uniform(math.log(low), math.log(high))))
        scores.append(draw(rng, size, 1 + i % 5, rng.uniform(*noise)))
        limits.append((-math.inf, float(np.quantile(scores[-1], rng.uniform(0.5, 1)))))
    return scores, limits
