"""From searches to draws: quadrature for every gamma of every search, then the sampler where there is probability."""

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
from nqjax.posterior.density.data import Study, make_model
from nqjax.posterior.density.log_density import Evaluator, Model
from nqjax.posterior.draws import Draws, Request, make_seed
from nqjax.posterior.quadrature.integrate import Lane, Points, densities, integrate
from nqjax.posterior.quadrature.metropolis import from_grid, independent
from nqjax.posterior.quadrature.straighten import stack
from nqjax.runtime.compiled import power_of_two
from nqjax.types import Floats

#: Gammas with a smaller probability are not sampled.
_RARE = 1e-3


#: Studies whose grids are in memory at once, and chains that go in step.
_STUDIES, _GROUP = 16, 128


#: Studies of fewer scores may share a chunk with any such; and chains times scores of a group.
_SMALL, _LARGE = 64, 1 << 18


def sample_studies(
    studies: Sequence[Study],
    constraints: Constraints,
    request: Request,
    keys: Sequence[Array],
    advance: Callable[[int], None],
    *,
    stages: bool = False,
) -> list[Draws | str]:
    """Draws of each study, or what is wrong with it; progress by studies, or by the two stages of one."""
    results: list[Draws | str] = [""] * len(studies)
    # Neighbours in size together, so that padding costs little.
    order = sorted(range(len(studies)), key=lambda i: len(studies[i].data.values))
    # Programs are for a number of studies: for one, or for all chunks of many.
    pad = min(power_of_two(max(len(studies), 1)), _STUDIES)
    for places in _chunks(order, [len(s.data.values) for s in studies]):
        some = [studies[i] for i in places]
        at_half = advance if stages else _ignore
        rows = _sample_some(some, constraints, request, [keys[i] for i in places], at_half, pad)
        for i, found in zip(places, rows, strict=True):
            results[i] = found
            advance(1)
    return results


def _chunks(order: list[int], sizes: list[int]) -> Iterator[list[int]]:
    """Some studies at a time, none more than twice as large as another."""
    chunk: list[int] = []
    for i in order:
        if chunk and (len(chunk) == _STUDIES or sizes[i] > 2 * max(sizes[chunk[0]], _SMALL)):
            yield chunk
            chunk = []
        chunk.append(i)
    if chunk:
        yield chunk


def _ignore(_: int) -> None:
    pass


def _sample_some(
    studies: Sequence[Study],
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
            # Meanwhile. What goes wrong there goes wrong again where the programs are wanted, and is raised there.
            pool.submit(nuts.prepare, model, *_programs(request, gamma, model, pad))
        elif model.pooled is not None:
            pool.submit(Evaluator(model, gamma).prepare)
        return _integrate_and_draw(studies, model, gamma, request, keys, at_half, pad)


def _programs(request: Request, gamma: tuple[int, int], model: Model, studies: int) -> tuple[nuts.Settings, int, int]:
    """Settings, bits and group of the sampler's programs."""
    # One search keeps two cores busy with half of its chains each; many go in step by the dozen.
    lanes = request.num_chains * (gamma[1] - gamma[0] + 1) * studies
    group = min(_GROUP, max(request.num_chains, -(-lanes // 2)), max(1, _LARGE // model.data.scores.shape[1]))
    return nuts.Settings(request.num_warmup), int(gamma[1] + 1).bit_length(), group


def _integrate_and_draw(
    studies: Sequence[Study],
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
    lanes = integrate(model, inside, outside, gamma, log_prior)
    at_half(1)
    seeds = [make_seed(key) for key in keys]
    results: list[Draws | str] = [""] * len(studies)
    todo = []
    for i, mine in enumerate(lanes):
        joint = np.array([lane.log_evidence for lane in mine]) + log_prior
        if not np.isfinite(joint.max()):
            results[i] = "the prior gives the data no probability: widen it, or the bounds"
            continue
        todo.append(i)
        # The scores have density on their own scale.
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
        _by_nuts(todo, lanes, results, model, gamma, request, keys, pad)
    return results


def errors_of(lanes: Sequence[Lane], log_probability: Floats) -> tuple[float, float]:
    """Errors of the gammas' probabilities, and of the evidences of those that matter, each in its proportion.

    From what a coarser grid says and from what lies on the edge: larger than they are, mostly.
    """
    share = np.exp(log_probability)
    errors = np.array([0.0 if lane.grid is None else lane.error for lane in lanes])
    others = np.sum(share * errors) - share * errors
    return float(np.max(share * ((1 - share) * errors + others))), float(np.max(share * errors))


def _by_quadrature(
    study: int,
    lanes: list[Lane],
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
        lanes, log_probability, Evaluator(model, gamma), study, gamma[0], shape, rng
    )
    stats = {"lp": density, "accepted": accepted}
    return Draws(np.asarray(number + gamma[0], np.int64), theta, stats, 0, log_probability, total, error, loss, seed)


def _by_nuts(
    todo: list[int],
    lanes: list[list[Lane]],
    results: list[Draws | str],
    model: Model,
    gamma: tuple[int, int],
    request: Request,
    keys: Sequence[Array],
    pad: int,
) -> None:
    """Run all chains of all studies, and put together what each study needs of them."""
    chains = request.num_chains
    where: list[tuple[int, int]] = []  # (study, number of the gamma), a row for the chains of each
    starts, chain_keys, lengths = [], [], []
    evaluator = Evaluator(model, gamma)
    for i in todo:
        draws = results[i]
        assert isinstance(draws, Draws)
        # The most probable one always.
        share = np.exp(draws.log_probability)
        active = (share > min(_RARE, 0.9 * share.max())) & np.array([lane.grid is not None for lane in lanes[i]])
        rng = np.random.default_rng(draws.seed)
        for number in np.flatnonzero(active):
            grid = lanes[i][number].grid
            assert grid is not None
            where.append((i, int(number)))
            starts.append(Points(grid.shape, from_grid(grid, chains, rng), i, int(number) + gamma[0]))
            chain_keys.append(jax.random.split(jax.random.fold_in(keys[i], number + gamma[0]), chains))
            lengths.append(math.ceil(request.num_samples * share[number] / share[active].sum()) + 1)
    shapes = [s.shape for s in starts for _ in range(chains)]
    those = nuts.Lanes(
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
    """Chains over all gammas from chains of each: gammas in their proportions, in random order."""
    names = ("lp", "diverging", "n_steps", "acceptance_rate", "energy")
    rng = np.random.default_rng([draws.seed, 1])
    share = np.exp(draws.log_probability[[number for number, _ in rows]])
    edges = np.cumsum(share / share.sum())
    chains, size = request.num_chains, request.num_samples
    gamma, theta = np.empty((chains, size), int), np.empty((chains, size, 3))
    stats: dict[str, list[Any]] = {name: [] for name in names}
    for c in range(chains):
        # As many of each as its probability says, but for the rounding.
        which = np.searchsorted(edges, (np.arange(size) + rng.random()) / size).clip(max=len(rows) - 1)
        which = rng.permutation(which)
        columns = [np.empty(size) for _ in names]
        for k, (number, lane) in enumerate(rows):
            mine = np.flatnonzero(which == k)
            # Evenly spread over the chain.
            some = ((np.arange(len(mine)) + 0.5) * len(lane[c][1]) / max(len(mine), 1)).astype(int)
            gamma[c, mine], theta[c, mine] = first + number, lane[c][0][some]
            for column, values in zip(columns, lane[c][1:], strict=True):
                column[mine] = values[some]
        for name, column in zip(names, columns, strict=True):
            stats[name].append(column)
    arrays = {name: np.stack(columns) for name, columns in stats.items()}
    arrays["diverging"], arrays["n_steps"] = arrays["diverging"].astype(bool), arrays["n_steps"].astype(int)
    divergent = sum(int(lane[c][2].sum()) for _, lane in rows for c in range(chains))
    return draws._replace(gamma=gamma, theta=theta, stats=arrays, num_divergent=divergent)
