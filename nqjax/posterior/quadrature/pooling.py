"""The posterior of the numbers that all searches of one search space share: gamma, centre and spread.

Centre and spread are the mean and the standard deviation of the log relative noise of the searches, where the relative
noise is sigma divided by the regime's width. Given gamma, centre and spread, the searches are independent: each
search's grid becomes a table of weights by log relative noise, and the posterior is computed from the tables.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np
import scipy  # its parts are imported when they are used
from numpy.typing import NDArray

from nqjax.errors import InputError
from nqjax.posterior.density.data import RegimeData
from nqjax.posterior.density.log_density import Evaluator
from nqjax.posterior.prior import Prior
from nqjax.posterior.quadrature.integrate import GammaGrid, Points, densities
from nqjax.types import Floats

#: Number of nodes for the centre.
_CENTRES = 61

#: Number of nodes for the spread.
_SPREADS = 25

#: Refined nodes for each node of a grid's first axis.
_REFINEMENT = 16

#: Width of a bin of log relative noise.
_BIN_WIDTH = 0.01

#: Nodes below exp(-this) of the largest weight are dropped.
_LOG_DEPTH = 20.0

#: Number of times that the grid of centre and spread is placed around the posterior.
_ZOOMS = 3

#: Nodes below this share of the largest weight are outside of the new grid.
_LEAST_WEIGHT = 1e-7


@dataclass(frozen=True)
class NoisePooling:
    """Prior of the noise levels of several searches.

    The logarithm of each search's relative noise (sigma divided by the regime's width) is normally distributed around a
    common centre.

    Attributes
    ----------
    center, center_sd : float
        Median of the relative noise, and the standard deviation of its logarithm, before any search is seen.
    spread : float
        Scale of the half-normal prior of the standard deviation between searches: 0.5 means that most noise levels
        differ by a factor of at most 2 to 3.

    Examples
    --------
    >>> import nqjax
    >>> nqjax.NoisePooling(center=0.2).spread
    0.5
    """

    center: float = 0.1
    center_sd: float = 1.5
    spread: float = 0.5

    def __post_init__(self) -> None:
        """Raise InputError for numbers that are not positive."""
        for name in ("center", "center_sd", "spread"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} of the pooling is {getattr(self, name)}: give a number above 0")


class Table(NamedTuple):
    """Grid of one gamma of one search, sorted by log relative noise, without the prior of the noise.

    The grid's first axis, along which the noise changes, is refined, so that a narrow pooling has enough nodes.
    """

    log_evidence: float
    bins: Floats  # (bins,), log relative noise
    log_weights: Floats  # (bins,)
    ends: NDArray[np.integer]  # (bins + 1,), limits of each bin's nodes, in order
    below: Floats  # (nodes + 1,), cumulative weights of the nodes in order
    x: Floats  # (nodes, 3), straightened coordinates of the nodes
    step: Floats  # (3,), between nodes


def reweighting(study: RegimeData, of_gamma: GammaGrid, prior: Prior) -> Table | None:
    """Return the table of a gamma from its grid, which was computed under ``prior``; None if it has no grid."""
    if of_gamma.grid is None:
        return None
    grid = of_gamma.grid
    count = grid.weights.shape[0]
    fine = np.linspace(0, count - 1, _REFINEMENT * (count - 1) + 1)
    theta = grid.theta
    threshold = (study.limits[1] - study.data.best) / study.scale
    log_width = np.log(np.maximum(threshold - theta[..., 0], 1e-300)) if study.has_threshold else theta[..., 1]
    known = grid.weights > 0
    log_noise = _filled(theta[..., 2] - log_width, known)
    log_weights = np.log(np.maximum(grid.weights, grid.weights.max() * 1e-12))
    spline = scipy.interpolate.CubicSpline(np.arange(count), np.stack([log_weights, log_noise]), axis=1)
    log_weights, log_noise = spline(fine)
    used = log_weights > log_weights.max() - _LOG_DEPTH
    log_weights, log_noise = log_weights[used] - math.log(_REFINEMENT), log_noise[used]
    order = np.argsort(log_noise)
    log_noise = log_noise[order]
    with jax.enable_x64(True):
        old = np.asarray(prior.relative_noise.log_prob(np.exp(log_noise))) + log_noise
    weights = np.exp(log_weights[order] - old)
    number = np.floor((log_noise - log_noise[0]) / _BIN_WIDTH).astype(int)
    ends = np.append(np.flatnonzero(np.diff(number, prepend=-1)), len(number))
    below = np.append(0.0, np.cumsum(weights))
    step = grid.nodes[:, 1] - grid.nodes[:, 0]
    first = grid.nodes[0, 0] + step[0] * fine
    places = np.stack(np.meshgrid(first, grid.nodes[1], grid.nodes[2], indexing="ij"), axis=-1)[used][order]
    return Table(
        of_gamma.log_evidence,
        log_noise[0] + _BIN_WIDTH * (number[ends[:-1]] + 0.5),
        np.log(np.diff(below[ends])),
        ends,
        below,
        places,
        step / np.array([_REFINEMENT, 1, 1]),
    )


def _filled(values: Floats, known: NDArray[np.bool_]) -> Floats:
    """Replace each unknown value by the nearest known value along the first axis."""
    rank = np.arange(len(values))[:, None, None]
    last = np.maximum.accumulate(np.where(known, rank, -1), axis=0)
    following = np.minimum.accumulate(np.where(known, rank, len(values))[::-1], axis=0)[::-1]
    nearest = np.where((rank - last <= following - rank) & (last >= 0), last, following)
    nearest = np.where(nearest < len(values), nearest, np.maximum(last, 0))
    return np.take_along_axis(values, nearest, axis=0)


_Reach = tuple[tuple[float, float], tuple[float, float]]


def _first_reach(pooling: NoisePooling) -> _Reach:
    """Return the ranges of centre and spread outside which the prior probability is negligible."""
    center = math.log(pooling.center)
    return (center - 4 * pooling.center_sd, center + 4 * pooling.center_sd), (0.0, 3.5 * pooling.spread)


def _hyper_grid(pooling: NoisePooling, reach: _Reach) -> tuple[Floats, Floats, Floats]:
    """Return nodes of centre and spread, and the log prior of each cell, shape (centres, spreads)."""
    (low, high), (least, most) = reach
    centres = np.linspace(low, high, _CENTRES)
    spreads = least + (most - least) * (np.arange(_SPREADS) + 0.5) / _SPREADS
    log_prior = np.add.outer(
        scipy.stats.norm.logpdf(centres, math.log(pooling.center), pooling.center_sd),
        scipy.stats.halfnorm.logpdf(spreads, scale=pooling.spread),
    )
    return centres, spreads, log_prior + math.log((centres[1] - centres[0]) * (spreads[1] - spreads[0]))


def _reach(log_joint: Floats, centres: Floats, spreads: Floats, old: _Reach) -> _Reach:
    """Return the ranges of centre and spread with noticeable posterior probability, widened by a node on each side."""
    share = np.exp(log_joint - scipy.special.logsumexp(log_joint))
    ends = []
    for nodes, weights, (low, high) in ((centres, share.sum(axis=1), old[0]), (spreads, share.sum(axis=0), old[1])):
        there = nodes[weights > _LEAST_WEIGHT * weights.max()]
        step = nodes[1] - nodes[0]
        ends.append((max(float(there[0] - step), low), min(float(there[-1] + step), high)))
    return ends[0], ends[1]


def _log_evidence(table: Table | None, centres: Floats, spreads: Floats) -> Floats:
    """Return the log evidence of one search given centre and spread, shape (centres, spreads)."""
    if table is None:
        return np.full((len(centres), len(spreads)), -np.inf)
    out = np.empty((len(centres), len(spreads)))
    for i, centre in enumerate(centres):
        far = ((table.bins[:, None] - centre) / spreads) ** 2 / 2
        normal = -far - np.log(spreads) - 0.5 * math.log(2 * math.pi)
        out[i] = scipy.special.logsumexp(table.log_weights[:, None] + normal, axis=0)
    return table.log_evidence + out


class Common(NamedTuple):
    """Posterior of gamma, centre and spread on a grid."""

    log_joint: Floats  # (gammas, centres, spreads), not normalised
    centres: Floats
    spreads: Floats


def common_posterior(tables: list[list[Table | None]], pooling: NoisePooling, log_prior: Floats) -> Common:
    """Return the posterior from each search's tables, one for each gamma; raise InputError if it has no probability."""
    reach = _first_reach(pooling)
    for _ in range(_ZOOMS):
        centres, spreads, log_hyper = _hyper_grid(pooling, reach)
        joint = np.stack(
            [
                log_prior[g] + log_hyper + sum(_log_evidence(mine[g], centres, spreads) for mine in tables)
                for g in range(len(log_prior))
            ]
        )
        if not np.isfinite(joint.max()):
            raise InputError("the prior gives the data no probability: widen it, or the bounds")
        reach = _reach(scipy.special.logsumexp(joint, axis=0), centres, spreads, reach)
    return Common(joint, centres, spreads)


class Hyper(NamedTuple):
    """Draws from `Common`, the posterior of gamma, centre and spread; each array has shape (draws,)."""

    number: NDArray[np.integer]  # place of gamma in its range, from 0
    center: Floats
    spread: Floats


def draw_hyper(common: Common, count: int, rng: np.random.Generator) -> Hyper:
    """Return independent draws of gamma, centre and spread."""
    probability = np.exp(common.log_joint - scipy.special.logsumexp(common.log_joint))
    flat = rng.choice(probability.size, size=count, p=probability.ravel())
    number, i, j = np.unravel_index(flat, probability.shape)
    centres, spreads = common.centres, common.spreads
    center = centres[i] + (centres[1] - centres[0]) * (rng.random(count) + rng.random(count) - 1)
    spread = np.abs(spreads[j] + (spreads[1] - spreads[0]) * (rng.random(count) - 0.5))
    return Hyper(number, center, spread)


def draw_search(
    study: int,
    grids: list[GammaGrid],
    tables: list[Table | None],
    hyper: Hyper,
    evaluator: Evaluator,
    first_gamma: int,
    rng: np.random.Generator,
) -> Floats:
    """Draw the parameters of one search for each draw of gamma, centre and spread.

    The result has shape (draws, 3) and is in units of the width of the search's regime.
    """
    theta = np.empty((len(hyper.number), 3))
    places, some = [], []
    for g in np.unique(hyper.number):
        mine = np.flatnonzero(hyper.number == g)
        grid, table = grids[g].grid, tables[g]
        assert grid is not None
        assert table is not None
        x = _draw_places(table, hyper.center[mine], hyper.spread[mine], rng)
        places.append(mine)
        some.append(Points(grid.shape, x, study, int(g) + first_gamma))
    for mine, (_, found) in zip(places, densities(evaluator, some, exact=True), strict=True):
        theta[mine] = found
    return theta


def _draw_places(table: Table, center: Floats, spread: Floats, rng: np.random.Generator) -> Floats:
    """Draw a straightened point of one search's grid for each centre and spread."""
    node = np.empty(len(center), int)
    for k, (c, s) in enumerate(zip(center, spread, strict=True)):
        log_weights = table.log_weights - ((table.bins - c) / s) ** 2 / 2
        cumulative = np.cumsum(np.exp(log_weights - log_weights.max()))
        one = min(int(np.searchsorted(cumulative, rng.random() * cumulative[-1])), len(table.bins) - 1)
        low, high = table.below[table.ends[one]], table.below[table.ends[one + 1]]
        node[k] = np.searchsorted(table.below, low + rng.random() * (high - low), side="right") - 1
    corner = table.x[np.minimum(node, len(table.x) - 1)]
    return np.asarray(corner + table.step * (rng.random(corner.shape) + rng.random(corner.shape) - 1))
