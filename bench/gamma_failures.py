"""Simulated searches in which the model fails, and what `nqjax analyze` says: part of ``python -m bench gamma``."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import nqjax
from bench.common import table
from nqjax.types import Floats

#: Searches of each kind.
SEARCHES = 20
QUICK = 4

TRIALS = 128
SIGMA = 0.05

#: Curvatures of the three hyperparameters, and the optimum.
BENT = np.array([4.0, 1.0, 0.05])
OPTIMUM = np.array([0.3, -0.2, 0.1])

#: A p-value that counts as said.
DOUBTFUL = 0.01


class Kind(NamedTuple):
    """A kind of search: its points, losses without noise, noise, and the best noise-free score."""

    name: str
    loss: Callable[[Floats], Floats]
    noise: Callable[[np.random.Generator, Floats], Floats]
    best: float
    levels: int = 0  # of each hyperparameter; 0: any number


def _bowl(z: Floats, optimum: Floats = OPTIMUM) -> Floats:
    return np.asarray(0.5 * (z - optimum) ** 2 @ BENT)


def _normal(rng: np.random.Generator, loss: Floats) -> Floats:
    return SIGMA * rng.normal(size=len(loss))


def _two(z: Floats) -> Floats:
    return np.minimum(_bowl(z, np.array([0.6, -0.2, 0.1])), 0.02 + _bowl(z, np.array([-0.6, 0.3, 0.1])))


_EDGE = np.array([1.4, -0.2, 0.1])

KINDS = (
    Kind("the model holds", _bowl, _normal, 0.0),
    Kind("optimum beyond the edge", lambda z: _bowl(z, _EDGE), _normal, 0.5 * 4.0 * 0.4**2),
    Kind("two basins", _two, _normal, 0.0),
    Kind("noise grows with the loss", _bowl, lambda r, y: (SIGMA + 0.5 * y) * r.normal(size=len(y)), 0.0),
    Kind("skewed noise", _bowl, lambda r, y: SIGMA * (r.exponential(size=len(y)) - 1), 0.0),
    Kind("three values each", _bowl, _normal, float(_bowl(np.array([[0.0, 0.0, 0.0]]))[0]), 3),
)


def _search(kind: Kind, number: int) -> list[dict[str, float]]:
    rng = np.random.default_rng([7, KINDS.index(kind), number])
    z = rng.uniform(-1, 1, (TRIALS, 3))
    if kind.levels:
        z = rng.integers(kind.levels, size=(TRIALS, 3)) * 2.0 / (kind.levels - 1) - 1
    loss = kind.loss(z)
    y = 1 + loss + kind.noise(rng, loss)
    return [
        dict(zip("abc", row, strict=True)) | {"loss": float(score)} for row, score in zip(z.tolist(), y, strict=True)
    ]


def print_failures(quick: bool) -> None:
    """Print what is held, and what is said, of each kind."""
    lines = []
    for kind in KINDS:
        rows = [_row(kind, number) for number in range(QUICK if quick else SEARCHES)]
        means = [f"{100 * float(np.mean([row[j] for row in rows])):.0f}" for j in range(2)]
        numbers = [f"{float(np.median([row[j] for row in rows])):.2f}" for j in (2, 3, 4)]
        said: dict[str, int] = {}
        for row in rows:
            for words in row[5]:
                said[words] = said.get(words, 0) + 1
        words = "; ".join(f"{text} ({count})" for text, count in sorted(said.items(), key=lambda one: -one[1]))
        lines.append([kind.name, *means, *numbers, words or "nothing"])
    header = ["search", "surface: best score held, %", "scores alone: held, %", "sigma over the noise at the best"]
    header += ["effective number", "gamma", f"what is said, in how many of {len(rows)}"]
    table(f"Simulated searches of {TRIALS} trials, 95 % intervals of the best noise-free score", header, lines)


def _row(kind: Kind, number: int) -> tuple[bool, bool, float, float, float, set[str]]:
    found = nqjax.analyze(_search(kind, number), "loss")
    section, surface = found.section, found.surface
    if surface is None:
        raise RuntimeError(section["skipped"])
    best, alone = section["best"], section["scores_alone"]["best"]
    truth = 1 + kind.best
    said = {f"edge: {one.name}" for one in found.edges}
    lack = surface.lack_of_fit
    if lack is not None and lack.p_value < DOUBTFUL:
        said.add("a quadratic does not fit")
    if any(one["p_value"] < DOUBTFUL for one in section["scores_alone"].values()):
        said.add("the views disagree")
    if any("chains" in text for text in surface.warnings):
        said.add("chains disagree")
    said |= {"the scores alone: " + text.partition(":")[0][:60] for text in found.fit.posterior.warnings}
    return (
        best["low"] <= truth <= best["high"],
        alone["low"] <= truth <= alone["high"],
        surface.sigma / SIGMA,
        surface.effective_number,
        found.fit.posterior.estimate("gamma"),
        said,
    )
