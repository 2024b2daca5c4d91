"""Coverage of the response surface on simulated searches, random and adaptive, and what ignoring the selection does.

    python -m bench surface [--quick]

Quadratics in a box of d hyperparameters, some of whose directions are strong and the others fifty times weaker, in
random directions. The noise is a share s of the median noise-free score above the best. Beyond the regime, the best
60 % of the box, scores grow exponentially. "TPE" searches are Optuna's, where it is installed. Finished cells are kept
as by ``python -m bench thresholds``.
"""

import json
import time
import warnings
from typing import Any, NamedTuple

import jax
import numpy as np

import nqjax
from bench.common import cache_folder, table
from nqjax.surface.intervals import tails
from nqjax.types import Floats

SEARCHES = 500
QUICK = 40
LEVELS = (0.8, 0.95)
VERSION = 4

#: Curvature of a weak direction in units of a strong one, and the share of the box in which the surface is quadratic.
WEAK = 0.02
REGIME = 0.6


class Cell(NamedTuple):
    """A kind of search."""

    d: int
    strong: int
    s: float
    n: int
    sampler: str = "random"


CELLS = (
    Cell(3, 1, 0.1, 48),
    Cell(3, 2, 0.1, 48),
    Cell(3, 1, 0.4, 128),
    Cell(3, 2, 0.02, 48),
    Cell(5, 1, 0.1, 48),
    Cell(5, 2, 0.1, 128),
    Cell(5, 3, 0.02, 128),
    Cell(8, 2, 0.1, 128),
    Cell(5, 2, 0.1, 512),
    Cell(8, 3, 0.02, 512),
    Cell(3, 2, 0.1, 48, "TPE"),
    Cell(5, 2, 0.1, 128, "TPE"),
    Cell(5, 1, 0.02, 128, "TPE"),
)


class Truth(NamedTuple):
    """A simulated surface."""

    curvature: Floats
    optimum: Floats
    sigma: float
    end: float  # of the regime

    def score(self, z: Floats, rng: np.random.Generator) -> Floats:
        """Return scores of points (trials, d)."""
        away = z - self.optimum
        y = 0.5 * np.sum(away @ self.curvature * away, axis=1) + self.sigma * rng.normal(size=len(z))
        over = np.maximum(y - self.end, 0) / self.end
        return np.where(over > 0, self.end * (1 + np.expm1(2 * over) / 2), y)


def draw_truth(cell: Cell, rng: np.random.Generator) -> Truth:
    """Return a surface of a kind."""
    turn = np.linalg.qr(rng.normal(size=(cell.d, cell.d)))[0]
    values = np.where(np.arange(cell.d) < cell.strong, 1.0, WEAK)
    optimum = rng.uniform(-0.5, 0.5, cell.d)
    curvature = (turn * values) @ turn.T
    away = np.random.default_rng(0).uniform(-1, 1, (4000, cell.d)) - optimum
    depth = 0.5 * np.sum(away @ curvature * away, axis=1)
    return Truth(curvature, optimum, cell.s * float(np.median(depth)), float(np.quantile(depth, REGIME)))


def search(cell: Cell, truth: Truth, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return points and scores of a search."""
    if cell.sampler == "random":
        z = rng.uniform(-1, 1, (cell.n, cell.d))
        return z, truth.score(z, rng)
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=int(rng.integers(2**31))))
    for _ in range(cell.n):
        trial = study.ask({str(j): optuna.distributions.FloatDistribution(-1, 1) for j in range(cell.d)})
        z = np.array([[trial.params[str(j)] for j in range(cell.d)]])
        study.tell(trial, float(truth.score(z, rng)[0]))
    z = np.array([[t.params[str(j)] for j in range(cell.d)] for t in study.trials])
    return z, np.array([t.value for t in study.trials])


def measure(cell: Cell, number: int) -> dict[str, Any]:
    """Return what the intervals of one search hold, and what least squares on the selected trials gives."""
    seed = [41, cell.d, cell.strong, round(1000 * cell.s), cell.n, len(cell.sampler), number]
    rng = np.random.default_rng(seed)
    truth = draw_truth(cell, rng)
    z, y = search(cell, truth, rng)
    space = {str(j): nqjax.search.Uniform(-1.0, 1.0) for j in range(cell.d)}
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nqjax.FitWarning)
        found = nqjax.fit_surface({str(j): z[:, j] for j in range(cell.d)}, y, space, key=jax.random.key(number))
    row: dict[str, Any] = {"seconds": time.perf_counter() - began, "mixing": found.mixing}
    # A strong direction of the truth, and where the optimum is along it.
    strong = np.linalg.eigh(truth.curvature)[1][:, -1]
    effective = _effective(truth, float(np.median(found.threshold)))
    for level in LEVELS:
        name = round(100 * level)
        best, sigma = found.interval("best", level), found.interval("sigma", level)
        place = np.quantile(found.lowest_in_box[0] @ strong, tails(level))
        number_of = found.interval("effective_number", level)
        row[f"best {name}"] = bool(best.low <= 0 <= best.high)
        row[f"sigma {name}"] = bool(sigma.low <= truth.sigma <= sigma.high)
        row[f"optimum {name}"] = bool(place[0] <= truth.optimum @ strong <= place[1])
        row[f"effective {name}"] = bool(number_of.low <= effective <= number_of.high)
    best = found.interval("best", 0.95)
    row |= {"width": (best.high - best.low) / truth.end, "bias": found.best / truth.end, "strong": found.num_strong}
    row |= {"sigma ratio": found.sigma / truth.sigma, "effective bias": found.effective_number - effective}
    # Least squares on the best 40 % as if they had not been chosen by their scores.
    inside = y <= np.quantile(y, 0.4)
    row["naive sigma"] = _least_squares_sigma(z[inside], y[inside]) / truth.sigma
    return row


def _least_squares_sigma(z: Floats, y: Floats) -> float:
    """Return the residual standard deviation of all quadratic features; NaN where there are too few trials."""
    i, j = np.triu_indices(z.shape[1])
    features = np.concatenate([np.ones((len(z), 1)), z, z[:, i] * z[:, j]], axis=1)
    freedom = len(z) - features.shape[1]
    if freedom < 2:
        return float("nan")
    rest = y - features @ np.linalg.lstsq(features, y, rcond=None)[0]
    return float(np.sqrt(np.sum(rest**2) / freedom))


def _effective(truth: Truth, reach: float) -> float:
    """Return the exponent of the true volume below a threshold, as `ResponseSurface.effective_numbers` has it."""
    away = np.random.default_rng(0).uniform(-1, 1, (100_000, len(truth.optimum))) - truth.optimum
    depth = 0.5 * np.sum(away @ truth.curvature * away, axis=1)
    reach = max(reach, float(np.partition(depth, 400)[400]))
    return float(2 / np.mean(np.log(reach / depth[depth <= reach])))


def rows_of(cell: Cell, count: int) -> list[dict[str, Any]]:
    """Return the rows of a cell, from its file as far as it goes."""
    name = f"{VERSION}-{cell.d}-{cell.strong}-{cell.s:g}-{cell.n}-{cell.sampler}.json"
    path = cache_folder("surface") / name
    rows: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    for number in range(len(rows), count):
        rows.append(measure(cell, number))
        path.write_text(json.dumps(rows))
    return rows[:count]


def main(*, quick: bool) -> None:
    """Print the table."""
    count = QUICK if quick else SEARCHES
    lines = []
    for cell in CELLS:
        rows = rows_of(cell, count)

        def share(name: str, rows: list[dict[str, Any]] = rows) -> str:
            return " / ".join(f"{100 * np.mean([row[f'{name} {c}'] for row in rows]):.0f}" for c in (80, 95))

        def median(name: str, rows: list[dict[str, Any]] = rows) -> float:
            return float(np.median([row[name] for row in rows]))

        lines.append(
            [
                f"{cell.d}, {cell.strong}, {cell.s:g}, {cell.n}, {cell.sampler}",
                f"{share('best')} ({median('width'):.2f})",
                f"{median('bias'):+.3f}",
                share("sigma"),
                share("optimum"),
                f"{share('effective')} ({median('effective bias'):+.2f})",
                f"{median('sigma ratio'):.2f} / {median('naive sigma'):.2f}",
                f"{median('mixing'):.2f}",
                f"{median('seconds'):.1f} s",
            ]
        )
        print(" | ".join(lines[-1]), flush=True)
    header = [
        "d, strong, s, n, trials",
        "best score: 80 / 95 (width)",
        "bias",
        "sigma",
        "optimum along the strongest",
        "effective number (bias)",
        "sigma over the truth: ours / least squares on the best 40 %",
        "R-hat",
        "time",
    ]
    table(f"Response surfaces: coverage in per cent, {count} searches a cell", header, lines)
