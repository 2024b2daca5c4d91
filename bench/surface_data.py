"""The response surface of the two reference searches: thresholds, predictions of trials that were left out, and widths.

python -m bench surface_data [--quick]
"""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.special

import nqjax
from bench.common import table
from nqjax.surface.coordinates import find_box
from nqjax.trials.ranges import Range
from nqjax.types import Floats

SPLITS = 60
QUICK = 20

#: Samples of 48 trials whose intervals are compared, and the levels that are tried.
SAMPLES = 200
QUICK_SAMPLES = 40
LEVELS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998)

#: Share of a whole search that is its regime in the predictions.
SHARE = 0.35


class Reference(NamedTuple):
    """A whole reference search, as an error, with the space that was searched as far as its values tell."""

    name: str
    config: dict[str, Floats]
    error: Floats
    space: dict[str, Range]


def reference_searches() -> list[Reference]:
    """Return the searches whose files are there."""
    found = []
    files = ("deberta_v3_multinli", "accuracy_matched", "accuracy"), ("convnext_tiny_imagenet", "top_1", "top_5 nan")
    for name, metric, others in files:
        study = nqjax.read_study(f"../shared/data/{name}.csv", metric, maximize=True)
        config = {k: v for k, v in study.config.items() if not k.startswith(tuple(others.split()))}
        space = {axis.name: Range(axis.scale, axis.low, axis.high) for axis in find_box(config).axes}
        found.append(Reference(name.split("_")[0], config, 1 - study.scores, space))
    return found


def fit(one: Reference, rows: Any, **options: Any) -> nqjax.ResponseSurface:
    """Return the surface of some trials of a search."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nqjax.FitWarning)
        return nqjax.fit_surface({k: v[rows] for k, v in one.config.items()}, one.error[rows], **options)


def _thresholds(one: Reference) -> list[list[str]]:
    lines = []
    for share in (0.57, 0.45, 0.32, 0.1):
        end = float(np.quantile(one.error, share))
        found = fit(one, slice(None), threshold=end)
        best, sigma = found.interval("best"), found.interval("sigma")
        values = found.spectrum()
        lack = found.lack_of_fit
        lines.append(
            [
                one.name,
                f"{end:.4f}",
                f"{best.estimate:.4f} ({best.low:.4f} to {best.high:.4f})",
                f"{sigma.estimate:.5f} ({sigma.low:.5f} to {sigma.high:.5f})",
                ", ".join(f"{1e3 * v.estimate:.2g}" for v in values),
                f"{found.num_strong:.1f}",
                "" if lack is None else f"{lack.p_value:.1g}",
            ]
        )
    return lines


def _split(
    one: Reference, n: int, number: int, forest: Callable[[], Any], process: Callable[[], Any]
) -> dict[str, Any]:
    """Return how well one training set of n trials predicts the others inside the regime."""
    end = float(np.quantile(one.error, SHARE))
    rng = np.random.default_rng([5, n, number])
    order = rng.permutation(len(one.error))
    train, rest = order[:n], order[n:]
    rest = rest[one.error[rest] <= end]
    found = fit(one, train, space=one.space, threshold=end, key=jax.random.key(number))
    placed = found.box.place({k: v[rest] for k, v in one.config.items()})
    f = found.losses(*placed)
    noise = found.noise[:, None]
    y = one.error[rest]
    # What the draws say of a score given that it is inside: each counts by its probability of that.
    log_inside = scipy.special.log_ndtr((end - f) / noise)
    inside_mean = np.mean(np.exp(log_inside), axis=0)
    place = np.mean(scipy.special.ndtr((y - f) / noise), axis=0) / inside_mean
    z = (end - f) / noise
    mean = np.mean(np.exp(log_inside) * f - noise * np.exp(-0.5 * z**2 - 0.5 * np.log(2 * np.pi)), axis=0) / inside_mean
    inside = train[one.error[train] <= end]
    x = found.box.place({k: v[inside] for k, v in one.config.items()}).points
    errors = {"surface": np.mean((mean - y) ** 2)}
    for name, make in (("forest", forest), ("process", process)):
        model = make().fit(x, one.error[inside])
        errors[name] = np.mean((model.predict(placed.points) - y) ** 2)
    return {"held": np.mean((place > 0.05) & (place < 0.95)), **{k: float(np.sqrt(v)) for k, v in errors.items()}}


def _predictions(one: Reference, count: int) -> list[list[str]]:
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    def process() -> Any:
        kernel = ConstantKernel() * RBF(np.ones(len(one.config))) + WhiteKernel()
        return GaussianProcessRegressor(kernel, normalize_y=True)

    lines = []
    for n in (48, 128):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rows = [_split(one, n, i, lambda: RandomForestRegressor(random_state=0), process) for i in range(count)]
        names = ("surface", "forest", "process")
        errors = {name: np.median([row[name] for row in rows]) for name in names}
        wins = {name: np.mean([row["surface"] < row[name] for row in rows]) for name in names[1:]}
        held = 100 * np.mean([row["held"] for row in rows])
        lines.append([one.name, str(n), f"{held:.0f}", *(f"{errors[name]:.5f}" for name in names)])
        lines[-1] += [f"{100 * wins[name]:.0f}" for name in names[1:]]
        print(" | ".join(lines[-1]), flush=True)
    return lines


def _intervals(one: Reference, number: int, whole: tuple[float, float]) -> list[tuple[float, bool, float, bool]]:
    """Return widths at each level, and whether they hold the whole search's estimate: of the surface, of the scores."""
    chosen = np.random.default_rng([6, number]).permutation(len(one.error))[:48]
    surface = fit(one, chosen, key=jax.random.key(number))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nqjax.FitWarning)
        scores = nqjax.confidence_region(one.error[chosen])
    rows = []
    for level in LEVELS:
        mine, (low, high) = surface.interval("best", level), scores.interval("best", level)
        rows.append((mine.high - mine.low, mine.low <= whole[0] <= mine.high, high - low, low <= whole[1] <= high))
    return rows


def _widths(one: Reference, count: int) -> list[list[str]]:
    """Return widths of intervals of the best score from 48 trials, at 90 % and where they hold in 90 % of samples."""
    whole = fit(one, slice(None)).best, nqjax.confidence_region(one.error).estimate("best")
    rows = np.array([_intervals(one, number, whole) for number in range(count)], float)
    held = rows[:, :, [1, 3]].mean(axis=0)
    stated = [LEVELS.index(0.9)] * 2
    # The least level that holds as often as it should; the widest one where none does.
    enough = [int(np.argmax(own >= 0.9)) if np.any(own >= 0.9) else len(LEVELS) - 1 for own in held.T]
    lines = []
    for name, (a, b) in (("90 %", stated), ("that hold in 90 %", enough)):
        mine, other = rows[:, a, 0], rows[:, b, 2]
        cells = [
            f"{np.median(mine):.5f}",
            f"{100 * held[a, 0]:.0f}",
            f"{np.median(other):.5f}",
            f"{100 * held[b, 1]:.0f}",
        ]
        levels = f"{name} ({100 * LEVELS[a]:g} and {100 * LEVELS[b]:g} %)"
        lines.append([one.name, levels, *cells, f"{np.median(mine / other):.2f}"])
        print(" | ".join(lines[-1]), flush=True)
    return lines


def main(*, quick: bool) -> None:
    """Print the tables."""
    count = QUICK if quick else SPLITS
    searches = reference_searches()
    header = [
        "search",
        "threshold",
        "best score (90 %)",
        "sigma (90 %)",
        "spectrum, times 1,000",
        "strong",
        "lack of fit, p",
    ]
    table("Whole searches within given thresholds", header, [line for one in searches for line in _thresholds(one)])
    header = ["search", "trials", "held at 90 %, %", "RMSE: surface", "random forest", "Gaussian process"]
    header += ["better than the forest, %", "than the process, %"]
    lines = [line for one in searches for line in _predictions(one, count)]
    table(f"Trials inside the regime (best {SHARE:.0%}) that were left out, {count} splits", header, lines)
    header = ["search", "intervals (levels)", "width: surface", "holds the full search's, %"]
    header += ["width: scores alone", "holds, %", "ratio, median"]
    samples = QUICK_SAMPLES if quick else SAMPLES
    lines = [line for one in searches for line in _widths(one, samples)]
    table(f"Intervals of the best score from 48 trials, {samples} samples", header, lines)
