"""Coverage of the best score on surfaces that are only nearly quadratic, and of searches with rounded scores.

    python -m bench shapes [--quick]

Configurations are uniform in a box, the noise is normal, and the truth is the lowest noise-free score of the box.
Widths and biases are in units of the distance from the truth to the median score. Rounded searches follow the noisy
quadratic (gamma 2) and are reported to two decimals. Finished cells are kept as by ``python -m bench thresholds``.
"""

import json
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

import nqjax
from bench.common import cache_folder, table
from nqjax.runtime.parallel import in_parallel
from nqjax.types import Floats

SEARCHES = 100
QUICK = 20
JITTERED = 500
LEVELS = (0.8, 0.95)

#: Raised with every change to what is in a cell's file.
VERSION = 1

#: Curvatures of a surface of five hyperparameters, over three decades.
DECADES = 10.0 ** -np.linspace(0, 3, 5)


class Shape(NamedTuple):
    """A surface whose lowest value is 0, the sides of its box, and the noise."""

    name: str
    surface: Callable[[Floats], Floats]  # of points, shape (trials, dimensions)
    dimensions: int
    sigma: float


def _squares(x: Floats) -> Floats:
    return np.asarray(np.sum(x**2, axis=1))


def _two_basins(share: float) -> Callable[[Floats], Floats]:
    """Return a surface with a wide basin and a better one, which holds a share of the box of two dimensions."""
    radius = np.sqrt(4 * share / np.pi)
    centre = np.array([0.55, 0.55])

    def surface(x: Floats) -> Floats:
        narrow = 0.5 * (_squares(x - centre) / radius**2)
        wide = 0.1 + 0.6 * _squares(x + 0.3)
        return np.asarray(np.minimum(narrow, wide))

    return surface


def _lopsided(x: Floats) -> Floats:
    """Return squares that are four times as steep on one side of the optimum as on the other."""
    return np.asarray(np.sum(np.where(x > 0, 4.0, 1.0) * x**2, axis=1))


SHAPES = (
    Shape("five dimensions, three decades", lambda x: np.asarray(x**2 @ DECADES), 5, 0.01),
    Shape("five dimensions, three decades, little noise", lambda x: np.asarray(x**2 @ DECADES), 5, 0.001),
    Shape("optimum on the border (gamma 3)", lambda x: (x[:, 0] + 1) / 2 + x[:, 1] ** 2, 2, 0.02),
    Shape("abs(x)**1.5 (gamma 2.67)", lambda x: np.asarray(np.sum(np.abs(x) ** 1.5, axis=1)), 2, 0.02),
    Shape("two basins, the better one 10 %", _two_basins(0.1), 2, 0.01),
    Shape("two basins, the better one 3 %", _two_basins(0.03), 2, 0.01),
    Shape("steeper on one side", _lopsided, 2, 0.02),
    Shape("quartic (gamma 0.5)", lambda x: x[:, 0] ** 4, 1, 0.02),
    Shape("quadratic in a box, d = 2", _squares, 2, 0.02),
    Shape("quadratic in a box, d = 3", _squares, 3, 0.02),
    Shape("quadratic in a box, d = 4", _squares, 4, 0.02),
)


def _draw(rng: np.random.Generator, shape: Shape, n: int) -> Floats:
    return shape.surface(rng.uniform(-1, 1, (n, shape.dimensions))) + shape.sigma * rng.normal(size=n)


def _measure_shape(shape: Shape, n: int, number: int) -> dict[str, float]:
    y = _draw(np.random.default_rng([23, n, number]), shape, n)
    post = nqjax.confidence_region(y)
    assert isinstance(post, nqjax.AveragedPosterior)
    unit = float(np.median(_draw(np.random.default_rng(0), shape, 4000)))
    row = {f"best {round(100 * c)}": bool(np.less_equal(*_ends(post, "best", c, 0.0)).all()) for c in LEVELS}
    row |= {f"sigma {round(100 * c)}": bool(np.less_equal(*_ends(post, "sigma", c, shape.sigma)).all()) for c in LEVELS}
    low, high = post.interval("best")
    return row | {
        "width": (high - low) / unit,
        "bias": post.estimate("best") / unit,
        "gamma": post.estimate("gamma"),
        "warned": bool(post.warnings),
    }


def _ends(post: nqjax.AveragedPosterior, name: str, confidence: float, truth: float) -> tuple[list[float], list[float]]:
    """Return what must be at most what, for the interval to hold the truth."""
    low, high = post.interval(name, confidence)
    return [low, truth], [truth, high]


class Rounded(NamedTuple):
    """Scores of a noisy quadratic over a span, reported to two decimals."""

    span: float
    sigma: float
    n: int


ROUNDED = tuple(Rounded(span, sigma, n) for span in (0.1, 0.3) for sigma in (0.003, 0.01) for n in (20, 64, 256))


def _measure_rounded(cell: Rounded, number: int) -> dict[str, float]:
    rng = np.random.default_rng([29, round(100 * cell.span), round(1000 * cell.sigma), cell.n, number])
    exact = 0.1 + cell.span * rng.uniform(size=cell.n) + cell.sigma * rng.normal(size=cell.n)
    try:
        post = nqjax.confidence_region(np.round(exact, 2))
    except nqjax.InputError:
        return {"fitted": False}
    assert isinstance(post, nqjax.AveragedPosterior)
    with jax.enable_x64(True):
        law = nqjax.NoisyQuadratic(0.1, 0.1 + cell.span, 2.0, cell.sigma)
        curve = float(law.quantile_tuning_curve(2 * cell.n))
    row = {"fitted": True, "warned": bool(post.warnings)}
    for c in LEVELS:
        level = round(100 * c)
        for name, truth in (("best", 0.1), ("sigma", cell.sigma)):
            row[f"{name} {level}"] = bool(np.less_equal(*_ends(post, name, c, truth)).all())
        band = post.curve(2 * cell.n, c)
        row[f"curve {level}"] = bool(band.low <= curve <= band.high)
    low, high = post.interval("best")
    return row | {"width": (high - low) / cell.span, "bias": (post.estimate("best") - 0.1) / cell.span}


def _jittered(number: int) -> bool:
    """Return whether a search whose repeated scores differ by rounding errors is fitted."""
    rng = np.random.default_rng([31, number])
    n, noise, ulps, lift = (rng.choice(values) for values in ((20, 48, 100), (0, 0.02), (16, 256), (0, 1, 1000)))
    y = rng.uniform(size=n) ** rng.choice([1, 2]) + noise * rng.normal(size=n) + lift
    y = rng.choice([-1, 1]) * np.concatenate([y, rng.choice(y, n)])
    y = y + rng.integers(-ulps, ulps + 1, len(y)) * np.spacing(np.abs(y))
    try:
        found = nqjax.fit(y, minimize=bool(rng.integers(2)))
    except nqjax.InputError:
        return False
    return bool(np.isfinite([found.alpha, found.beta, found.gamma, found.sigma]).all())


def _rows(name: str, measure: Callable[[int], dict[str, float]], count: int) -> list[dict[str, float]]:
    """Return the rows of a cell, from its file as far as it goes."""
    path = cache_folder("shapes") / f"{VERSION}-{name}.json"
    rows: list[dict[str, float]] = json.loads(path.read_text()) if path.exists() else []
    if len(rows) < count:
        more = range(len(rows), count)
        found = dict(in_parallel(lambda i, _: (i, measure(i)), more, jax.local_devices()))
        rows += [found[i] for i in more]
        path.write_text(json.dumps(rows))
    return rows[:count]


def _share(rows: list[dict[str, float]], name: str) -> str:
    rates = [100 * np.mean([row[f"{name} {level}"] for row in rows if f"{name} {level}" in row]) for level in (80, 95)]
    return f"{rates[0]:.0f} / {rates[1]:.0f}"


def _medians(rows: list[dict[str, float]]) -> tuple[str, str]:
    width, bias = (float(np.median([row[name] for row in rows if name in row])) for name in ("width", "bias"))
    return f"{width:.2f}", f"{bias:+.2f}"


def main(*, quick: bool) -> None:
    """Print both tables."""
    count = QUICK if quick else SEARCHES
    lines = []
    for place, shape in enumerate(SHAPES):
        for n in (48, 128, 512) if "box" in shape.name else (48, 128):
            rows = _rows(f"{place}-{n}", lambda i, shape=shape, n=n: _measure_shape(shape, n, i), count)  # type: ignore[misc]
            width, bias = _medians(rows)
            missed = [row["warned"] for row in rows if not row["best 95"]]
            warned = f"{sum(missed)} of {len(missed)}"
            gamma = f"{np.median([row['gamma'] for row in rows]):.1f}"
            lines.append(
                [
                    f"{shape.name}, n = {n}",
                    f"{_share(rows, 'best')} ({width})",
                    bias,
                    gamma,
                    _share(rows, "sigma"),
                    warned,
                ]
            )
            print(" | ".join(lines[-1]), flush=True)
    header = [
        "surface",
        "best score: 80 / 95 (width)",
        "median bias",
        "median gamma",
        "sigma",
        "missed at 95 and warned",
    ]
    table(f"Surfaces that are nearly quadratic, {count} searches each", header, lines)
    lines = []
    for cell in ROUNDED:
        name = f"rounded-{cell.span:g}-{cell.sigma:g}-{cell.n}"
        rows = _rows(name, lambda i, cell=cell: _measure_rounded(cell, i), count)  # type: ignore[misc]
        width, bias = _medians(rows)
        fitted = f"{100 * np.mean([row['fitted'] for row in rows]):.0f}"
        lines.append(
            [
                f"{cell.span:g}, {cell.sigma:g}, {cell.n}",
                fitted,
                f"{_share(rows, 'best')} ({width})",
                bias,
                _share(rows, "sigma"),
                _share(rows, "curve"),
            ]
        )
        print(" | ".join(lines[-1]), flush=True)
    header = ["span, sigma, n", "answered, %", "best score: 80 / 95 (width)", "median bias", "sigma", "curve at 2 n"]
    table(f"Scores rounded to 0.01, gamma 2, {count} searches each", header, lines)
    fitted = sum(map(_jittered, range(JITTERED)))
    print(f"\nScores that differ by 16 or 256 ulp: {fitted} of {JITTERED} searches are fitted")
