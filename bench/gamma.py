"""Measure what sets gamma, and when the model fails: the tables and pictures of docs/gamma.md.

    python -m bench gamma [--quick]

Over the reference searches, what the surface says and what the scores say; what happens when a hyperparameter is
fixed or a range is narrowed, and what the surface of the whole search predicts of it; and simulated failures.
"""

import contextlib
import io
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import nqjax
from bench.common import machine, reference_folder, table
from bench.gamma_failures import print_failures
from bench.surface_data import reference_searches
from nqjax.surface.draws import SurfaceDraws
from nqjax.surface.intervals import Interval
from nqjax.types import Floats

#: The page, whose tables are written anew below this heading, and the folder of its pictures.
PAGE = Path(__file__).parents[1] / "docs" / "gamma.md"
HEADING = "## Tables\n"

#: Trials that are drawn from a grid, and from a part of it.
TRIALS = 512
PART = 256

#: Shares of the trials inside given thresholds.
SHARES = (0.6, 0.4, 0.2, 0.1)

#: Ranges that are left of the learning rate of DeBERTaV3, as shares of the whole one.
WIDTHS = (1.0, 0.7, 0.5, 0.35, 0.25)

#: Grids: the beginning of the columns of scores, and the sign of the loss.
GRIDS = {
    "digits_mlp_grid5_s0": ("val_loss_30", 1),
    "mlp_phoneme": ("val_acc_", -1),
    "mlp_australian": ("val_acc_", -1),
    "fcnet_protein_structure": ("val_loss_", 1),
    "nb201_cifar10": ("val_acc_", -1),
    "svm_digits": ("test_error_100", 1),
    "tree_digits": ("test_error_100", 1),
}


class Search(NamedTuple):
    """A random search, or a whole grid: losses have one column for each run of a configuration."""

    name: str
    config: dict[str, Any]
    losses: Floats

    def some(self, rows: Any) -> "Search":
        return Search(self.name, {k: v[rows] for k, v in self.config.items()}, self.losses[rows])

    def sampled(self, count: int, seed: int = 0) -> "Search":
        """Return a random search with one run of each configuration."""
        rng = np.random.default_rng(seed)
        few = self.some(rng.permutation(len(self.losses))[:count])
        runs = np.where(np.isfinite(few.losses), rng.random(few.losses.shape), -1.0).argmax(axis=1)
        return few._replace(losses=np.take_along_axis(few.losses, runs[:, None], axis=1))


class Both(NamedTuple):
    """Answers of both views; the surface is None, with a reason, where there is none."""

    surface: nqjax.ResponseSurface | None
    reason: str
    gamma: Interval
    alpha: Interval


def read_grid(name: str) -> Search:
    """Return a grid with all its runs."""
    from pyarrow import parquet

    folder = reference_folder()
    if folder is None:
        raise FileNotFoundError("the grids are absent (set NQJAX_SHARED_DATA)")
    found = parquet.read_table(folder / "landscape" / f"{name}.parquet")
    beginning, sign = GRIDS[name]
    columns = {c: np.array(found[c].to_pylist()) for c in found.column_names}
    runs = np.array([v for c, v in columns.items() if c.startswith(beginning)], float).T
    scores = ("val_", "test_", "train_", "failed", "score")
    return Search(name, {c: v for c, v in columns.items() if not c.startswith(scores)}, sign * runs)


def views(search: Search) -> Both:
    """Return what the surface and the scores alone say of a search."""
    y = search.losses[:, 0]
    post = nqjax.confidence_region(y[np.isfinite(y)])
    gamma, alpha = (Interval(post.estimate(name), *post.interval(name, 0.9)) for name in ("gamma", "alpha"))
    try:
        return Both(nqjax.fit_surface(search.config, y), "", gamma, alpha)
    except nqjax.InputError as error:
        return Both(None, str(error).partition(":")[0], gamma, alpha)


def narrowed(surface: SurfaceDraws, low: Floats, high: Floats) -> SurfaceDraws:
    """Return the surface over a part of its box: what it predicts of a search there. Equal ends fix a coordinate."""
    middle, half = (low + high) / 2, (high - low) / 2
    free = half > 0
    away = (middle - surface.centre)[:, ~free]
    kept = surface.curvature[:, free][:, :, free]
    mixed = surface.curvature[:, free][:, :, ~free]
    slope = np.einsum("mij,mj->mi", mixed, away)
    moved = np.linalg.solve(kept, slope[:, :, None])[:, :, 0]
    fixed = np.einsum("mi,mij,mj->m", away, surface.curvature[:, ~free][:, :, ~free], away)
    lowest = surface.lowest + 0.5 * (fixed - np.sum(slope * moved, axis=1))
    return SurfaceDraws(
        box=replace(surface.box, axes=tuple(axis for axis, left in zip(surface.box.axes, free, strict=True) if left)),
        minimize=surface.minimize,
        lowest=lowest,
        centre=(surface.centre[:, free] - moved - middle[free]) / half[free],
        curvature=kept * np.outer(half[free], half[free]),
        noise=surface.noise,
        levels=surface.levels,
        shifts=surface.shifts[:, :, free],
        accident=surface.accident,
        threshold=surface.threshold,
        thresholds=surface.thresholds,
        threshold_probabilities=surface.threshold_probabilities,
        points=surface.points[:, free],
        present=surface.present[:, free],
        groups=surface.groups,
        scores=surface.scores,
        mixing=surface.mixing,
    )


def _shown(one: Interval, digits: int) -> str:
    return f"{one.estimate:.{digits}f} ({one.low:.{digits}f} to {one.high:.{digits}f})"


def _significant(one: Interval, digits: int = 3) -> str:
    return f"{one.estimate:.{digits}g} ({one.low:.{digits}g} to {one.high:.{digits}g})"


def _searches(quick: bool) -> list[tuple[Search, Both]]:
    found = [Search(one.name, one.config, one.error[:, None]) for one in reference_searches()]
    found += [read_grid(name).sampled(TRIALS) for name in (list(GRIDS)[:2] if quick else GRIDS)]
    lines, kept = [], []
    for search in found:
        both = views(search)
        kept.append((search, both))
        line = [search.name, str(len(search.losses)), _shown(both.gamma, 1), _significant(both.alpha)]
        if both.surface is None:
            line += [f"none: {both.reason}", *[""] * 4]
        else:
            surface, lack = both.surface, both.surface.lack_of_fit
            words = ", ".join(f"{one.words} {one.cost / surface.sigma:.2g}" for one in surface.directions[:3])
            inside = np.sum(surface.scores <= np.median(surface.threshold)) / len(surface.scores)
            line += [_shown(surface.interval("effective_number"), 1), _significant(surface.interval("best"))]
            line += [words, f"{100 * inside:.0f}", "" if lack is None else f"{lack.p_value:.1g}"]
        lines.append(line)
    header = ["search", "trials", "gamma of the scores (90 %)", "alpha of the scores (90 %)"]
    header += ["effective number of the surface (90 %)", "best score of the surface (90 %)"]
    header += ["costs of the first directions, in sigma", "inside the threshold, %", "lack of fit, p"]
    table("What the scores and the surface say", header, lines)
    return kept


def _depths(found: list[tuple[Search, Both]]) -> None:
    """Print how the effective number depends on how deep the regime is."""
    lines = []
    for search, _ in found:
        y = search.losses[:, 0]
        for share in SHARES:
            end = float(np.quantile(y, share))
            surface, fit = nqjax.fit_surface(search.config, y, threshold=end), nqjax.fit(y, threshold=end)
            number, depth = surface.interval("effective_number"), (end - surface.best) / surface.sigma
            cells = f"{end:.4g}", f"{100 * share:.0f}", f"{depth:.1f}", _shown(number, 1), str(fit.gamma)
            lines.append([search.name, *cells])
    header = ["search", "threshold", "inside, %", "depth, in sigma", "effective number of the surface (90 %)"]
    header.append("gamma of the scores, fitted")
    table("The effective number depends on how deep the regime is", header, lines)


def _line(what: str, guess: SurfaceDraws, both: Both, true: str) -> list[str]:
    alone = both.surface
    measured = ["", ""] if alone is None else [_shown(alone.interval("effective_number"), 1)]
    measured += [] if alone is None else [_significant(alone.interval("best"))]
    predicted = [_shown(guess.interval("effective_number"), 1), _significant(guess.interval("best"))]
    return [what, predicted[0], measured[0], _shown(both.gamma, 1), predicted[1], measured[1], true]


_HEADER = ["effective number, predicted (90 %)", "of the surface", "gamma of the scores"]
_HEADER += ["best score, predicted (90 %)", "of the surface", "lowest mean of five runs"]


def _fixed(quick: bool) -> list[tuple[SurfaceDraws, Both]]:
    """Fix each hyperparameter of a grid at a value: next to the optimum, and far from it."""
    grid = read_grid("mlp_phoneme")
    whole = views(grid.sampled(TRIALS))
    assert whole.surface is not None
    means = np.nanmean(grid.losses, axis=1)
    lines = [_line("none", whole.surface, whole, f"{means.min():.4f}")]
    points, pairs = whole.surface.box.place(grid.config).points, []
    middle = np.median(whole.surface.lowest_in_box[0], axis=0)
    for j, axis in enumerate(whole.surface.box.axes[: 2 if quick else None]):
        places = np.unique(points[:, j])
        near = places[np.argmin(np.abs(places - middle[j]))]
        at, low = points[:, j] == near, np.full(points.shape[1], -1.0)
        high = -low
        low[j] = high[j] = near
        part = Search(grid.name, {k: v[at] for k, v in grid.config.items() if k != axis.name}, grid.losses[at])
        both, guess = views(part.sampled(PART, 1)), narrowed(whole.surface, low, high)
        pairs.append((guess, both))
        value = float(axis.from_box(np.array([near]))[0])
        lines.append(_line(f"{axis.name} at {value:.3g}", guess, both, f"{means[at].min():.4f}"))
    table(f"One hyperparameter of mlp_phoneme fixed next to its optimum, {PART} trials", ["fixed", *_HEADER], lines)
    return pairs


def _shrunk(whole: Both, search: Search, quick: bool) -> list[tuple[SurfaceDraws, Both]]:
    """Narrow the range of the learning rate around its optimum, by the trials that lie there."""
    assert whole.surface is not None
    surface, lines, pairs = whole.surface, [], []
    j = next(j for j, axis in enumerate(surface.box.axes) if axis.name == "learning_rate")
    middle = float(np.median(surface.lowest_in_box[0][:, j]))
    for width in WIDTHS[:: 2 if quick else 1]:
        centre = np.clip(middle, width - 1, 1 - width)
        low, high = np.full(len(surface.box.axes), -1.0), np.full(len(surface.box.axes), 1.0)
        low[j], high[j] = centre - width, centre + width
        inside = np.abs(surface.points[:, j] - centre) <= width
        both = whole if width == 1 else views(search.some(inside))
        guess = narrowed(surface, low, high)
        pairs.append((guess, both))
        line = _line(f"{100 * width:.0f} % ({inside.sum()} trials)", guess, both, "")[:-1]
        lines.append([*line, _significant(both.alpha)])
    header = ["range of the learning rate", *_HEADER[:-1], "alpha of the scores"]
    table("The learning rate of DeBERTaV3 within a narrower range", header, lines)
    return pairs


def _draw_searches(found: list[tuple[Search, Both]]) -> None:
    from matplotlib.figure import Figure

    figure = Figure((5.4, 4.2), layout="constrained")
    ax = figure.subplots()
    drawn = sorted((one for one in found if one[1].surface), key=lambda one: one[1].gamma.estimate)
    for place, (search, both) in enumerate(drawn):
        assert both.surface is not None
        number, gamma = both.surface.interval("effective_number"), both.gamma
        ax.plot([number.low, number.high], [gamma.estimate] * 2, color="0.7", lw=1)
        ax.plot([number.estimate] * 2, [gamma.low, gamma.high], color="0.7", lw=1)
        ax.plot(number.estimate, gamma.estimate, "o", color="tab:blue")
        name = search.name.replace("_structure", "").replace("_grid5_s0", "")
        ax.annotate(
            name, (number.estimate, gamma.estimate), (5, 4 - 13 * (place % 2)), textcoords="offset points", fontsize=8
        )
    ax.axline((1, 1), slope=1, color="0.5", ls=":", lw=1)
    ax.set(xlabel="effective number of the surface", ylabel="gamma of the scores", xlim=(0, None), ylim=(0, None))
    figure.savefig(PAGE.with_name("gamma_searches.svg"), metadata={"Date": None})


def _draw_predictions(parts: dict[str, list[tuple[SurfaceDraws, Both]]]) -> None:
    from matplotlib.figure import Figure

    figure = Figure((8.4, 3.8), layout="constrained")
    for ax, name in zip(figure.subplots(1, 2), ("effective_number", "best"), strict=True):
        for (words, pairs), colour in zip(parts.items(), ("tab:blue", "tab:orange"), strict=True):
            for guess, both in pairs:
                if both.surface is None:
                    continue
                x, y = guess.interval(name), both.surface.interval(name)
                # Best scores of two searches are shown relative to the first one's.
                base = parts[words][0][0].interval(name).estimate if name == "best" else 0.0
                ax.plot([x.low - base, x.high - base], [y.estimate - base] * 2, color="0.75", lw=1)
                ax.plot([x.estimate - base] * 2, [y.low - base, y.high - base], color="0.75", lw=1)
                ax.plot(x.estimate - base, y.estimate - base, "o", color=colour)
            ax.plot([], [], "o", color=colour, label=words)
        ax.axline((0, 0), slope=1, color="0.5", ls=":", lw=1)
        more = ", less the first one" if name == "best" else ""
        what = f"{'best score' if name == 'best' else 'effective number'}{more}"
        ax.set(xlabel=f"{what}: predicted", ylabel="of the narrower search")
        ax.legend(fontsize=8)
    figure.savefig(PAGE.with_name("gamma_predicted.svg"), metadata={"Date": None})


def main(*, quick: bool) -> None:
    """Print the tables, and write them and the pictures into the page unless it is quick."""
    warnings.simplefilter("ignore")
    began, text = time.process_time(), io.StringIO()
    with contextlib.redirect_stdout(text):
        found = _searches(quick)
        parts = {
            "mlp_phoneme, one fixed": _fixed(quick),
            "DeBERTaV3, narrower": _shrunk(found[0][1], found[0][0], quick),
        }
        print_failures(quick)
        print(f"\n{(time.process_time() - began) / 60:.1f} minutes of CPU: {machine()}.")
    print(text.getvalue())
    if PAGE.exists() and not quick:
        _draw_searches(found)
        _draw_predictions(parts)
        PAGE.write_text(PAGE.read_text().partition(HEADING)[0] + HEADING + text.getvalue())
