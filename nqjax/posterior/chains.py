"""Draws of searches: quadrature for every gamma, then NUTS for the probable ones."""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jax import Array

from nqjax.estimation.constraints import Constraints
from nqjax.posterior import nuts
from nqjax.posterior.density.data import RegimeData, make_model
from nqjax.posterior.density.log_density import Evaluator, Model
from nqjax.posterior.draws import Draws, Request
from nqjax.posterior.quadrature.integrate import GammaGrid, Points, densities, integrate
from nqjax.posterior.quadrature.metropolis import from_grid, independent
from nqjax.posterior.quadrature.straighten import stack
from nqjax.posterior.seeds import make_seed
from nqjax.runtime.compiled import power_of_two
from nqjax.types import Floats

#: Gammas with a smaller probability are not sampled.
_LEAST_PROBABILITY = 1e-3

#: Most studies with grids in memory at once.
_MOST_STUDIES = 16

#: Most chains that advance together.
_MOST_CHAINS = 128

#: Most chains times scores that advance together.
_MOST_CHAINS_TIMES_SCORES = 1 << 18

#: Studies up to this size are sampled together, whatever their sizes.
_SMALL_STUDY = 64


def sample_studies(
    studies: Sequence[RegimeData],
    constraints: Constraints,
    request: Request,
    keys: Sequence[Array],
    advance: Callable[[int], None],
    *,
    stages: bool = False,
) -> list[Draws | str]:
    """Return the draws of each study, or the reason why it cannot be sampled.

    ``advance`` is called with 1 after each study. With ``stages`` it is also called halfway, after the quadrature.
    """
    results: list[Draws | str] = [""] * len(studies)
    # Studies of similar size together, so that padding costs little.
    order = sorted(range(len(studies)), key=lambda i: len(studies[i].data.values))
    # One number of studies for all chunks, as programs are compiled for it.
    pad = min(power_of_two(max(len(studies), 1)), _MOST_STUDIES)
    for places in _chunks(order, [len(s.data.values) for s in studies]):
        some = [studies[i] for i in places]
        at_half = advance if stages else _ignore
        rows = _sample_some(some, constraints, request, [keys[i] for i in places], at_half, pad)
        for i, found in zip(places, rows, strict=True):
            results[i] = found
            advance(1)
    return results


def _chunks(order: list[int], sizes: list[int]) -> Iterator[list[int]]:
    """Yield chunks of studies; except for small studies, none is more than twice as large as another in its chunk."""
    chunk: list[int] = []
    for i in order:
        if chunk and (len(chunk) == _MOST_STUDIES or sizes[i] > 2 * max(sizes[chunk[0]], _SMALL_STUDY)):
            yield chunk
            chunk = []
        chunk.append(i)
    if chunk:
        yield chunk


def _ignore(_: int) -> None:
    pass


def _sample_some(
    studies: Sequence[RegimeData],
    constraints: Constraints,
    request: Request,
    keys: Sequence[Array],
    at_half: Callable[[int], None],
    pad: int,
) -> list[Draws | str]:
    gamma = constraints.gamma
    model = make_model(studies, constraints, request.prior.parts, pad)
    with ThreadPoolExecutor(1, thread_name_prefix="nqjax-compile") as pool:
        if request.method == "nuts":
            # Compile during the quadrature. Errors here occur again where the programs are used, and are raised there.
            pool.submit(nuts.prepare, model, *_programs(request, gamma, model, pad))
        elif model.pooled is not None:
            pool.submit(Evaluator(model, gamma).prepare)
        return _integrate_and_draw(studies, model, gamma, request, keys, at_half, pad)


def _programs(request: Request, gamma: tuple[int, int], model: Model, studies: int) -> tuple[nuts.Settings, int, int]:
    """Return the arguments of `nqjax.posterior.nuts.prepare` after the model.

    They are the sampler's settings, the number of bits of the largest gamma plus one, and the number of chains that
    advance together.
    """
    # Two groups keep two cores busy with one search; larger groups are more efficient for many.
    num_runs = request.num_chains * (gamma[1] - gamma[0] + 1) * studies
    group = min(
        _MOST_CHAINS,
        max(request.num_chains, -(-num_runs // 2)),
        max(1, _MOST_CHAINS_TIMES_SCORES // model.data.scores.shape[1]),
    )
    return nuts.Settings(request.num_warmup), int(gamma[1] + 1).bit_length(), group


def _integrate_and_draw(
    studies: Sequence[RegimeData],
    model: Model,
    gamma: tuple[int, int],
    request: Request,
    keys: Sequence[Array],
    at_half: Callable[[int], None],
    pad: int,
) -> list[Draws | str]:
    log_prior = request.prior.log_gamma(*gamma)
    inside = np.array([float(s.data.num_used) for s in studies])
    outside = np.array([float(s.data.num_above) for s in studies])
    grids = integrate(model, inside, outside, gamma, log_prior)
    at_half(1)
    seeds = [make_seed(key) for key in keys]
    results: list[Draws | str] = [""] * len(studies)
    todo = []
    for i, mine in enumerate(grids):
        joint = np.array([one.log_evidence for one in mine]) + log_prior
        if not np.isfinite(joint.max()):
            results[i] = "the prior gives the data no probability: widen it, or the bounds"
            continue
        todo.append(i)
        # The evidence is a density of the scores on their own scale.
        log_scale = math.log(studies[i].scale)
        total = float(scipy.special.logsumexp(joint)) - studies[i].data.num_used * log_scale
        total += 0.0 if request.prior.width is None else log_scale
        log_probability = joint - scipy.special.logsumexp(joint)
        shared = log_probability, total, *errors_of(mine, log_probability), seeds[i]
        if request.method == "quadrature":
            results[i] = _by_quadrature(i, mine, model, gamma, request, *shared)
        else:
            results[i] = Draws(np.empty(0, int), np.empty(0), {}, 0, *shared)
    if request.method == "nuts" and todo:
        _by_nuts(todo, grids, results, model, gamma, request, keys, pad)
    return results


def errors_of(grids: Sequence[GammaGrid], log_probability: Floats) -> tuple[float, float]:
    """Return the largest error of the probability of a gamma, and the largest error of a log evidence.

    The error of an evidence is weighted by the probability of its gamma. Both are estimated from a coarser grid and
    from the probability at the grid's edge; the estimates are usually too large.
    """
    share = np.exp(log_probability)
    errors = np.array([0.0 if one.grid is None else one.error for one in grids])
    others = np.sum(share * errors) - share * errors
    return float(np.max(share * ((1 - share) * errors + others))), float(np.max(share * errors))


def _by_quadrature(
    study: int,
    grids: list[GammaGrid],
    model: Model,
    gamma: tuple[int, int],
    request: Request,
    log_probability: Floats,
    total: float,
    error: float,
    loss: float,
    seed: int,
) -> Draws:
    shape = request.num_chains, request.num_samples
    rng = np.random.default_rng(seed)
    number, theta, density, accepted = independent(
        grids, log_probability, Evaluator(model, gamma), study, gamma[0], shape, rng
    )
    stats = {"lp": density, "accepted": accepted}
    return Draws(np.asarray(number + gamma[0], np.int64), theta, stats, 0, log_probability, total, error, loss, seed)


def _by_nuts(
    todo: list[int],
    grids: list[list[GammaGrid]],
    results: list[Draws | str],
    model: Model,
    gamma: tuple[int, int],
    request: Request,
    keys: Sequence[Array],
    pad: int,
) -> None:
    """Run all chains of all studies, and combine those of each study."""
    chains = request.num_chains
    where: list[tuple[int, int]] = []  # (study, number of the gamma), a row for the chains of each
    starts, chain_keys, lengths = [], [], []
    evaluator = Evaluator(model, gamma)
    for i in todo:
        draws = results[i]
        assert isinstance(draws, Draws)
        # The most probable gamma is always sampled.
        share = np.exp(draws.log_probability)
        active = (share > min(_LEAST_PROBABILITY, 0.9 * share.max())) & np.array(
            [one.grid is not None for one in grids[i]]
        )
        rng = np.random.default_rng(draws.seed)
        for number in np.flatnonzero(active):
            grid = grids[i][number].grid
            assert grid is not None
            where.append((i, int(number)))
            starts.append(Points(grid.shape, from_grid(grid, chains, rng), i, int(number) + gamma[0]))
            chain_keys.append(jax.random.split(jax.random.fold_in(keys[i], number + gamma[0]), chains))
            lengths.append(math.ceil(request.num_samples * share[number] / share[active].sum()) + 1)
    shapes = [s.shape for s in starts for _ in range(chains)]
    those = nuts.ChainStarts(
        np.repeat([i for i, _ in where], chains),
        np.repeat([number + gamma[0] for _, number in where], chains),
        stack(shapes),
        np.concatenate([s.x for s in starts]),
        -np.concatenate([value for value, _ in densities(evaluator, starts, exact=True)]),
    )
    found: list[Any] = [None] * len(those.study)
    programs = _programs(request, gamma, model, pad)
    for places, kept in nuts.sample(model, those, jnp.concatenate(chain_keys), np.repeat(lengths, chains), *programs):
        for j, place in enumerate(places):
            found[int(place)] = jax.tree.map(lambda a, j=j: a[j], kept)
    for i in todo:
        rows = [(number, found[k * chains : (k + 1) * chains]) for k, (study, number) in enumerate(where) if study == i]
        results[i] = _mixed(results[i], rows, gamma[0], request)  # type: ignore[arg-type]


def _mixed(draws: Draws, rows: list[tuple[int, list[Any]]], first: int, request: Request) -> Draws:
    """Combine the chains of each gamma into chains over all gammas.

    In each chain every gamma has as many draws as its probability demands, and the order of the gammas is random.
    """
    names = ("lp", "diverging", "n_steps", "acceptance_rate", "energy")
    rng = np.random.default_rng([draws.seed, 1])
    share = np.exp(draws.log_probability[[number for number, _ in rows]])
    edges = np.cumsum(share / share.sum())
    chains, size = request.num_chains, request.num_samples
    gamma, theta = np.empty((chains, size), int), np.empty((chains, size, 3))
    stats: dict[str, list[Any]] = {name: [] for name in names}
    for c in range(chains):
        # The number of draws of each gamma is its probability times the total, rounded.
        which = np.searchsorted(edges, (np.arange(size) + rng.random()) / size).clip(max=len(rows) - 1)
        which = rng.permutation(which)
        columns = [np.empty(size) for _ in names]
        for k, (number, found) in enumerate(rows):
            mine = np.flatnonzero(which == k)
            # Draws evenly spread over the chain.
            some = ((np.arange(len(mine)) + 0.5) * len(found[c][1]) / max(len(mine), 1)).astype(int)
            gamma[c, mine], theta[c, mine] = first + number, found[c][0][some]
            for column, values in zip(columns, found[c][1:], strict=True):
                column[mine] = values[some]
        for name, column in zip(names, columns, strict=True):
            stats[name].append(column)
    arrays = {name: np.stack(columns) for name, columns in stats.items()}
    arrays["diverging"], arrays["n_steps"] = arrays["diverging"].astype(bool), arrays["n_steps"].astype(int)
    divergent = sum(int(found[c][2].sum()) for _, found in rows for c in range(chains))
    return draws._replace(gamma=gamma, theta=theta, stats=arrays, num_divergent=divergent)
