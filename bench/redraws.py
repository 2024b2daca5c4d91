"""Redraws of a landscape's noise: how often their intervals hold, and what they cost in NumPy and in JAX."""

import itertools
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.common import reference_folder, table, verdict
from nqjax.landscape.assortativity import autocorrelation
from nqjax.landscape.basins import find_basins
from nqjax.landscape.landscape import Landscape
from nqjax.landscape.metrics import Metrics, find_metrics
from nqjax.landscape.neutrality import Neutrality
from nqjax.landscape.redraws import Redraws, standard_errors
from nqjax.landscape.ties import find_heights

#: Redraws of each interval, its probability, and repetitions of each simulated search.
DRAWS = 60
CONFIDENCE = 0.9
REPETITIONS = 100

#: Numbers that are shown, with the heads of their columns.
SHOWN = {
    "assortativity_rank": "L-ast",
    "neutrality": "neutrality",
    "ndc": "NDC",
    "fdc": "FDC",
    "n_lo": "optima",
    "n_lo_prominent": "prominent",
    "basin_global_share": "basin of the best",
    "basin_effective": "effective basins",
    "descent_steps_mean": "moves",
    "access_global": "access",
    "funnels": "funnels",
}

#: Files of real grids, with the beginning of their columns of scores and the sign of the loss.
REAL = dict.fromkeys(("mlp_phoneme", "mlp_australian", "mlp_vehicle"), ("val_acc_", -1))
REAL["fcnet_naval_propulsion"] = ("val_loss_", 1)


def main(quick: bool = False) -> None:
    warnings.simplefilter("ignore")
    rows = [
        [f"{name}, {seeds} runs", *_shares(_simulated(config, truth, seeds, 20 if quick else REPETITIONS))]
        for seeds in (2, 5)
        for name, config, truth in _surfaces()
    ]
    rows += [[f"{name}, 2 runs", *_shares(_real(name, 2 if quick else 8))] for name in _files()]
    title = f"How often a repetition of the runs is in the {CONFIDENCE:.0%} interval"
    table(title, ["landscape", "all", *SHOWN.values()], rows)
    _times()


def _surfaces() -> Iterator[tuple[str, dict[str, Any], np.ndarray]]:
    sizes = (8, 7, 6, 5)
    index = np.indices(sizes).reshape(4, -1)
    config = {f"h{place}": values for place, values in enumerate(index)}
    x = [values / (size - 1) for values, size in zip(index, sizes, strict=True)]
    bowl = (x[0] - 0.4) ** 2 + (x[1] - 0.5) ** 2
    yield "bowl", config, bowl + 0.3 * (x[2] - 0.6) ** 2 + 0.02 * x[3]
    left, right = (x[0] - 0.2) ** 2 + (x[1] - 0.3) ** 2, 0.03 + (x[0] - 0.8) ** 2 + (x[1] - 0.7) ** 2
    yield "two wells", config, np.minimum(left, right) + 0.1 * x[2]
    yield "rugged", config, 0.09 * np.random.default_rng(5).normal(size=len(bowl)) + (x[0] - 0.5) ** 2
    yield "steps", config, np.round(4 * bowl) / 4
    yield "flat", config, np.zeros(len(bowl))


def _simulated(
    config: dict[str, Any], truth: np.ndarray, seeds: int, repetitions: int
) -> Iterator[tuple[Landscape, Landscape]]:
    """Yield searches and their repetitions; in every second one the noise grows with the loss."""
    rng = np.random.default_rng(0)
    graph = Landscape(config, np.arange(len(truth))).graph
    factor = Landscape(config, np.arange(len(truth))).noise_factor
    for repetition in range(repetitions):
        growth = 2 * (truth - truth.min()) / (np.ptp(truth) or 1) if repetition % 2 else np.zeros(len(truth))
        sigma = 0.05 * (1 + growth)
        lands = [
            Landscape(config, truth[:, None] + sigma[:, None] * rng.normal(size=(len(truth), seeds))) for _ in range(2)
        ]
        for land in lands:
            land.__dict__.update(graph=graph, noise_factor=factor)
        yield lands[0], lands[1]


def _files() -> list[str]:
    folder = reference_folder()
    return list(REAL) if folder is not None and (folder / "landscape").is_dir() else []


def read(name: str, beginning: str, sign: int) -> tuple[dict[str, Any], np.ndarray]:
    """Return the hyperparameters and the losses of all runs of a real grid."""
    from pyarrow import parquet

    folder = reference_folder()
    found = parquet.read_table(folder / "landscape" / f"{name}.parquet")
    runs = np.array([found[c].to_pylist() for c in found.column_names if c.startswith(beginning)], float).T
    return {c: np.array(found[c].to_pylist()) for c in found.column_names if not c.startswith(beginning)}, sign * runs


def _real(name: str, most: int) -> Iterator[tuple[Landscape, Landscape]]:
    """Yield landscapes of two runs, each with one of two others."""
    config, losses = read(name, *REAL[name])
    pairs = itertools.permutations(itertools.combinations(range(losses.shape[1]), 2), 2)
    chosen = [(a, b) for a, b in pairs if not set(a) & set(b)]
    factor = None
    for a, b in [chosen[place] for place in np.random.default_rng(0).permutation(len(chosen))[:most]]:
        one, two = Landscape(config, losses[:, a]), Landscape(config, losses[:, b])
        two.__dict__["graph"] = one.graph
        factor = one.__dict__["noise_factor"] = factor or one.noise_factor
        yield one, two


def _shares(pairs: Iterator[tuple[Landscape, Landscape]]) -> list[str]:
    hits: dict[str, list[bool]] = {}
    for one, two in pairs:
        found: Redraws = one.redraw(DRAWS, confidence=CONFIDENCE)
        again = find_metrics(two, found.observed.tolerance, found.observed.noise_tolerance)
        for name, (low, high) in found.intervals.items():
            value = getattr(again, name)
            if value is not None:
                hits.setdefault(name, []).append(low - 1e-12 <= value <= high + 1e-12)
    everything = np.mean([np.mean(hit) for hit in hits.values()])
    return [f"{everything:.2f}", *(f"{np.mean(hits[name]):.2f}" if name in hits else "" for name in SHOWN)]


def _times() -> None:
    """Print the CPU seconds of 200 redraws: all numbers by loops and at once, and four of them in NumPy and JAX."""
    rows = []
    cases = [("nb201_cifar10", ("val_acc_", -1)), ("mlp_phoneme", ("val_acc_", -1))] if _files() else []
    for name, columns in cases:
        config, runs = read(name, *columns)
        land = Landscape(config, runs)
        observed = land.metrics()
        loops = [_loop(config, land, observed, keep_graph=keep) for keep in (False, True)]
        ours = min(_cpu(lambda land=land: land.redraw(200)) for _ in range(2))
        ratios = [f"{one:.1f} s: {one / ours:.1f} x (10 x: {verdict(one / ours, 10, at_least=True)})" for one in loops]
        others = _four(land, observed.tolerance), *_in_jax(land, observed.tolerance)
        rows.append([name, f"{len(land):,}", *ratios, f"{ours:.1f} s", *(f"{one:.1f} s" for one in others)])
    heads = ["a loop of `Landscape` and its metrics", "a loop of the metrics on one graph", "`redraw`"]
    heads += ["4 numbers, a loop", "these in JAX, with compilation", "compiled before"]
    table("200 redraws, CPU", ["grid", "configurations", *heads], rows)


def _cpu(function: Callable[[], object]) -> float:
    began = time.process_time()
    function()
    return time.process_time() - began


def _loop(config: dict[str, Any], land: Landscape, observed: Metrics, *, keep_graph: bool) -> float:
    """Return the CPU seconds of 200 redraws by the ordinary metrics, from 40 of them."""
    rng = np.random.default_rng(0)
    errors = standard_errors(land.replicates)

    def one() -> None:
        redrawn = Landscape(config, land.replicates.mean + errors * rng.standard_normal(len(land)))
        if keep_graph:
            redrawn.__dict__["graph"] = land.graph
        find_metrics(redrawn, observed.tolerance, observed.noise_tolerance)

    return 200 / 40 * _cpu(lambda: [one() for _ in range(40)])


def _four(land: Landscape, tolerance: float) -> float:
    """Return the CPU seconds of L-ast, optima, neutrality and the basin of the best in NumPy."""
    rng = np.random.default_rng(0)
    began = time.process_time()
    for _ in range(200):
        heights = find_heights(land.replicates.mean + 0.01 * rng.normal(size=len(land)))
        autocorrelation(land.graph, heights.loss)
        Neutrality(land.graph, heights).mean(tolerance)
        basins = find_basins(land.graph, heights)
        assert basins.shares[0] > 0
    return time.process_time() - began


def _in_jax(land: Landscape, tolerance: float) -> tuple[float, float]:
    """Return the CPU seconds of L-ast, optima without plateaus, neutrality and the basin of the best."""
    import jax
    import jax.numpy as jnp

    count = len(land)
    steps = int(np.ceil(np.log2(count)))

    def numbers(losses, neighbours, degree):
        extended = jnp.append(losses, jnp.inf)
        near = extended[neighbours]
        there = neighbours < count
        y = losses - jnp.sum(degree * losses) / jnp.sum(degree)
        around = jnp.where(there, jnp.append(y, 0)[neighbours], 0).sum(axis=0)
        alike = jnp.sum(y * around) / jnp.sum(degree * y**2)
        close = jnp.sum(jnp.where(there, jnp.abs(near - losses) <= tolerance, 0), axis=0) / degree
        best = jnp.argmin(near, axis=0)
        improves = jnp.min(near, axis=0) < losses
        following = jnp.where(improves, jnp.take_along_axis(neighbours, best[None], axis=0)[0], jnp.arange(count))
        following = jax.lax.fori_loop(0, steps, lambda _, one: one[one], following)
        return alike, jnp.sum(~improves), close.mean(), jnp.mean(following == jnp.argmin(losses))

    program = jax.jit(lambda *given: jax.lax.map(lambda one: numbers(one, *given[1:]), given[0], batch_size=10))
    losses = np.nan_to_num(land.replicates.mean)[None] + 0.01 * np.random.default_rng(0).normal(size=(200, count))
    given = losses.astype(np.float32), land.graph.table, land.graph.degree.astype(np.float32)
    found = []
    for _ in range(2):
        began = time.process_time()
        jax.block_until_ready(program(*given))
        found.append(time.process_time() - began)
    return found[0], found[1]
