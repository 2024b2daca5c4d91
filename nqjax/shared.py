"""Several searches of one search space: one gamma for all, and noise levels that learn from each other."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import jax
import numpy as np
import numpyro.distributions as dist
import scipy.interpolate
import scipy.special
import scipy.stats
from jax import Array
from numpy.typing import ArrayLike, NDArray

from nqjax._density import Evaluator
from nqjax._integrate import Lane, integrate
from nqjax._sampling import Draws, error_of
from nqjax._straighten import straight
from nqjax._study import Study, make_model
from nqjax.constraints import Constraint, read_constraints
from nqjax.errors import InputError
from nqjax.many import as_regimes
from nqjax.posterior import Posterior, finish_draws, prepare_study, read_request
from nqjax.priors import Prior
from nqjax.spacing import as_scores

Floats = NDArray[np.float64]
#: Nodes for the centre and for the spread of the noise levels.
_CENTRES, _SPREADS = 61, 25
#: Nodes of a grid's first axis for each that it has, the width of a bin of log relative noise, and how deep nodes go.
_REFINED, _BIN, _DEPTH = 16, 0.01, 20.0
#: Times that their grid is laid anew where the posterior is, and what matters of its largest weight.
_ZOOMS, _MATTERS = 3, 1e-7
#: Chains that independent draws are arranged in, so that they look like those of a sampler.
_CHAINS = 4


@dataclass(frozen=True)
class NoisePooling:
    """How the noise levels of searches belong together.

    The logarithm of each search's relative noise (sigma divided by the regime's width) is normal around a common
    centre.

    Attributes
    ----------
    center, center_sd : float
        Median of the relative noise, and the standard deviation of its logarithm, before any search is seen.
    spread : float
        Scale of the half-normal prior of the standard deviation between searches: 0.5 means that most noise levels are
        within a factor of 2 to 3 of each other.
    """

    center: float = 0.1
    center_sd: float = 1.5
    spread: float = 0.5

    def __post_init__(self) -> None:
        """Raise InputError for numbers that are not positive."""
        for name in ("center", "center_sd", "spread"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} of the pooling is {getattr(self, name)}: give a number above 0")


@dataclass(frozen=True, eq=False)
class SharedPosterior:
    """Posterior of several searches that share gamma.

    Attributes
    ----------
    posteriors : list of Posterior
        Of each search, as the others inform it; their draws belong together, one by one.
    gamma_probabilities : dict of int to float
    noise_center, noise_spread : ndarray, shape (num_chains, num_samples)
        Draws of the median relative noise, and of the standard deviation of its logarithm between searches.
    log_evidence_by_gamma : dict of int to float
    """

    posteriors: list[Posterior]
    gamma_probabilities: dict[int, float]
    noise_center: Floats = field(repr=False)
    noise_spread: Floats = field(repr=False)
    log_evidence_by_gamma: dict[int, float] = field(repr=False)

    @property
    def gamma(self) -> NDArray[np.int64]:
        """Draws of the common gamma, shape (num_chains, num_samples)."""
        return self.posteriors[0].gamma


def sample_posterior_shared(
    studies: Sequence[ArrayLike],
    *,
    limits: tuple[float, float] | Sequence[tuple[float, float]] = (-math.inf, math.inf),
    minimize: bool = True,
    alpha: Constraint = None,
    beta: Constraint = None,
    gamma: Constraint = (1, 5),
    sigma: Constraint = None,
    prior: Prior | None = None,
    pooling: NoisePooling | None = None,
    key: Array,
    num_samples: int = 1000,
    confidence: float = 0.95,
) -> SharedPosterior:
    """Sample the posterior of searches that share a search space, and so gamma.

    gamma belongs to the space of the hyperparameters, not to the model that is tuned (Lourie, He, Cho 2025): searches
    of one space inform each other about it. Their noise levels are pooled as far as they agree.

    Parameters
    ----------
    studies : sequence of array_like
        The scores of each search.
    limits : pair of float, or one for each study
    minimize, alpha, beta, gamma, sigma
        As for `nqjax.sample_posterior`, for all searches.
    prior : Prior, optional
        Its ``relative_noise`` is replaced by the pooling.
    pooling : NoisePooling, optional
    key : Array
        A JAX random key.
    num_samples : int
        Draws of each of four chains; all draws are independent, of grids interpolated linearly.
    confidence : float
        Probability of the intervals, unless another is asked for.

    Returns
    -------
    SharedPosterior

    Raises
    ------
    InputError
        No search, one that cannot be used (which one is said), or options that none could use.

    Notes
    -----
    By quadrature alone: given gamma, centre and spread the searches are independent, and each one's evidence is a sum
    over its grid, reweighted from the prior under which the grid was found.
    """
    request = read_request(prior, "quadrature", _CHAINS, 50, num_samples, confidence)
    pooling = NoisePooling() if pooling is None else pooling
    if not isinstance(pooling, NoisePooling):
        raise InputError(f"the pooling is {pooling!r}: give a nqjax.NoisePooling")
    # The grids are found under what the pooling says of one search by itself.
    wide = math.hypot(pooling.center_sd, 2 * pooling.spread)
    prior = replace(request.prior, relative_noise=dist.LogNormal(math.log(pooling.center), wide))
    request = request._replace(prior=prior)
    constraints = read_constraints(alpha, beta, gamma, sigma, minimize)
    regimes = as_regimes(limits, len(studies))
    if not len(studies):
        raise InputError("there is no search: give at least one")
    prepared = []
    for i, (scores, pair) in enumerate(zip(studies, regimes, strict=True)):
        try:
            prepared.append(prepare_study(scores, pair, minimize, constraints))
        except InputError as error:
            raise InputError(f"search {i}: {error}") from None
    span = constraints.gamma
    log_prior = prior.log_gamma(*span)
    inside, outside = (np.array([float(getattr(s.data, n)) for s in prepared]) for n in ("num_used", "num_above"))
    model = make_model(prepared, constraints, prior.parts)
    # Every gamma: one that a single search thinks hopeless, the others may want.
    lanes = integrate(model, inside, outside, span, log_prior, hopeless=0.0)
    evaluator = Evaluator(model, span)
    seed = int(jax.random.bits(key, dtype=np.uint32))
    rng = np.random.default_rng(seed)
    tables = [[_reweighting(study, lane, prior) for lane in mine] for study, mine in zip(prepared, lanes, strict=True)]
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
    by_gamma = scipy.special.logsumexp(joint, axis=(1, 2))
    probability = np.exp(joint - scipy.special.logsumexp(joint))
    count = _CHAINS * num_samples
    number, center, spread = _draw_hyper(probability, centres, spreads, count, rng)
    posteriors = []
    for i, study in enumerate(prepared):
        theta = np.empty((count, 3))
        for g in np.unique(number):
            mine = np.flatnonzero(number == g)
            grid, table = lanes[i][g].grid, tables[i][g]
            assert grid is not None
            assert table is not None
            x = _draw_places(table, center[mine], spread[mine], rng)
            lane, one = np.full(len(mine), i), np.ones(len(mine))
            _, theta[mine] = evaluator(straight(x, grid.shape, np)[0], lane, number[mine] + span[0], one, exact=True)
        draws = Draws(
            (number + span[0]).reshape(_CHAINS, -1).astype(np.int64),
            theta.reshape(_CHAINS, -1, 3),
            {},
            0,
            by_gamma - scipy.special.logsumexp(by_gamma),
            math.nan,  # a search has no evidence without the others
            error_of(lanes[i], by_gamma - scipy.special.logsumexp(by_gamma)),
            seed,
        )
        posteriors.append(finish_draws(draws, study, as_scores(studies[i]), minimize, constraints, request))
    numbers = range(span[0], span[1] + 1)
    return SharedPosterior(
        posteriors,
        {g: float(p) for g, p in zip(numbers, probability.sum(axis=(1, 2)), strict=True)},
        np.exp(center).reshape(_CHAINS, -1),
        spread.reshape(_CHAINS, -1),
        {g: float(e) for g, e in zip(numbers, by_gamma, strict=True)},
    )


class _Table(NamedTuple):
    """One gamma of one search by its log relative noise, without the prior of that.

    The grid's first axis, along which the noise changes, is refined, so that a narrow pooling finds enough nodes.
    """

    log_evidence: float
    bins: Floats  # (bins,), log relative noise
    log_weights: Floats  # (bins,)
    ends: NDArray[np.integer]  # (bins + 1,), of the nodes of each bin, in order
    below: Floats  # (nodes + 1,), cumulative weights of the nodes in order
    x: Floats  # (nodes, 3), their places, straightened
    step: Floats  # (3,), between nodes


def _reweighting(study: Study, lane: Lane, prior: Prior) -> _Table | None:
    if lane.grid is None:
        return None
    grid = lane.grid
    count = grid.weights.shape[0]
    fine = np.linspace(0, count - 1, _REFINED * (count - 1) + 1)
    theta = grid.theta
    threshold = (study.limits[1] - study.data.best) / study.scale
    log_width = np.log(np.maximum(threshold - theta[..., 0], 1e-300)) if study.has_threshold else theta[..., 1]
    known = grid.weights > 0
    log_noise = _filled(theta[..., 2] - log_width, known)
    log_weights = np.log(np.maximum(grid.weights, grid.weights.max() * 1e-12))
    spline = scipy.interpolate.CubicSpline(np.arange(count), np.stack([log_weights, log_noise]), axis=1)
    log_weights, log_noise = spline(fine)
    used = log_weights > log_weights.max() - _DEPTH
    log_weights, log_noise = log_weights[used] - math.log(_REFINED), log_noise[used]
    order = np.argsort(log_noise)
    log_noise = log_noise[order]
    with jax.enable_x64(True):
        old = np.asarray(prior.relative_noise.log_prob(np.exp(log_noise))) + log_noise
    weights = np.exp(log_weights[order] - old)
    number = np.floor((log_noise - log_noise[0]) / _BIN).astype(int)
    ends = np.append(np.flatnonzero(np.diff(number, prepend=-1)), len(number))
    below = np.append(0.0, np.cumsum(weights))
    step = grid.nodes[:, 1] - grid.nodes[:, 0]
    first = grid.nodes[0, 0] + step[0] * fine
    places = np.stack(np.meshgrid(first, grid.nodes[1], grid.nodes[2], indexing="ij"), axis=-1)[used][order]
    return _Table(
        lane.log_evidence,
        log_noise[0] + _BIN * (number[ends[:-1]] + 0.5),
        np.log(np.diff(below[ends])),
        ends,
        below,
        places,
        step / np.array([_REFINED, 1, 1]),
    )


def _filled(values: Floats, known: NDArray[np.bool_]) -> Floats:
    """Values along the first axis, where they are not known those of the nearest that are."""
    rank = np.arange(len(values))[:, None, None]
    last = np.maximum.accumulate(np.where(known, rank, -1), axis=0)
    following = np.minimum.accumulate(np.where(known, rank, len(values))[::-1], axis=0)[::-1]
    nearest = np.where((rank - last <= following - rank) & (last >= 0), last, following)
    nearest = np.where(nearest < len(values), nearest, np.maximum(last, 0))
    return np.take_along_axis(values, nearest, axis=0)


_Reach = tuple[tuple[float, float], tuple[float, float]]


def _first_reach(pooling: NoisePooling) -> _Reach:
    """Ends of all that the pooling allows: of the centre, and of the spread."""
    center = math.log(pooling.center)
    return (center - 4 * pooling.center_sd, center + 4 * pooling.center_sd), (0.0, 3.5 * pooling.spread)


def _hyper_grid(pooling: NoisePooling, reach: _Reach) -> tuple[Floats, Floats, Floats]:
    """Nodes of the centre and of the spread, and the log prior of each cell, shape (centres, spreads)."""
    (low, high), (least, most) = reach
    centres = np.linspace(low, high, _CENTRES)
    spreads = least + (most - least) * (np.arange(_SPREADS) + 0.5) / _SPREADS
    log_prior = np.add.outer(
        scipy.stats.norm.logpdf(centres, math.log(pooling.center), pooling.center_sd),
        scipy.stats.halfnorm.logpdf(spreads, scale=pooling.spread),
    )
    return centres, spreads, log_prior + math.log((centres[1] - centres[0]) * (spreads[1] - spreads[0]))


def _reach(log_joint: Floats, centres: Floats, spreads: Floats, old: _Reach) -> _Reach:
    """Where the posterior of centre and spread is, with room."""
    share = np.exp(log_joint - scipy.special.logsumexp(log_joint))
    ends = []
    for nodes, weights, (low, high) in ((centres, share.sum(axis=1), old[0]), (spreads, share.sum(axis=0), old[1])):
        there = nodes[weights > _MATTERS * weights.max()]
        step = nodes[1] - nodes[0]
        ends.append((max(float(there[0] - step), low), min(float(there[-1] + step), high)))
    return ends[0], ends[1]


def _log_evidence(table: _Table | None, centres: Floats, spreads: Floats) -> Floats:
    """Of one search given centre and spread, shape (centres, spreads)."""
    if table is None:
        return np.full((len(centres), len(spreads)), -np.inf)
    out = np.empty((len(centres), len(spreads)))
    for i, centre in enumerate(centres):
        far = ((table.bins[:, None] - centre) / spreads) ** 2 / 2
        normal = -far - np.log(spreads) - 0.5 * math.log(2 * math.pi)
        out[i] = scipy.special.logsumexp(table.log_weights[:, None] + normal, axis=0)
    return table.log_evidence + out


def _draw_hyper(
    probability: Floats, centres: Floats, spreads: Floats, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.integer], Floats, Floats]:
    flat = rng.choice(probability.size, size=count, p=probability.ravel())
    number, i, j = np.unravel_index(flat, probability.shape)
    center = centres[i] + (centres[1] - centres[0]) * (rng.random(count) + rng.random(count) - 1)
    spread = np.abs(spreads[j] + (spreads[1] - spreads[0]) * (rng.random(count) - 0.5))
    return number, center, spread


def _draw_places(table: _Table, center: Floats, spread: Floats, rng: np.random.Generator) -> Floats:
    """A place in one search's grid for each centre and spread, straightened."""
    node = np.empty(len(center), int)
    for k, (c, s) in enumerate(zip(center, spread, strict=True)):
        log_weights = table.log_weights - ((table.bins - c) / s) ** 2 / 2
        cumulative = np.cumsum(np.exp(log_weights - log_weights.max()))
        one = min(int(np.searchsorted(cumulative, rng.random() * cumulative[-1])), len(table.bins) - 1)
        low, high = table.below[table.ends[one]], table.below[table.ends[one + 1]]
        node[k] = np.searchsorted(table.below, low + rng.random() * (high - low), side="right") - 1
    corner = table.x[np.minimum(node, len(table.x) - 1)]
    return np.asarray(corner + table.step * (rng.random(corner.shape) + rng.random(corner.shape) - 1))
