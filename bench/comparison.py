"""Comparisons of studies: calibration of pairwise probabilities, wrong orderings of equal studies, simultaneous bands.

    python -m bench comparison [--quick]

Pairs have parameters of their own, near to each other, so that differences are small as often as large: gamma 1 to 4, a
regime of 20 to 60 % of the scores, sigma 0.02 to 0.2 of the regime's width, 32 to 128 trials each; alpha and the width
of the second one differ a little. The truth is which of the two has the better median tuning curve. For the
family-wise error three studies are drawn from one distribution, and thirds of the search that ships with the package;
three that differ show how much is found. Finished work is kept in ``$NQJAX_BENCH_CACHE`` (default ``build/bench``).
"""

import json
import math
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.stats

import nqjax
from bench.common import cache_folder, table
from bench.thresholds import Cell, draw, place
from nqjax.analysis.orderings import probabilities, said
from nqjax.data import digits_mlp_path
from nqjax.posterior.envelope import envelope
from nqjax.runtime.parallel import in_parallel
from nqjax.trials.readers.read import read_study

#: Pairs of studies.
PAIRS = 1000
QUICK_PAIRS = 200

#: Families of three studies of each kind.
FAMILIES = 200
QUICK_FAMILIES = 40

#: Budgets in units of the smaller number of trials.
BUDGETS = (0.25, 0.5, 1.0)

#: Raised with every change to what is in a file.
VERSION = 1

#: Levels of the orderings.
LEVELS = (0.05, 0.25)


class Law(NamedTuple):
    """Scores of one study: a cell of the coverage study, moved and stretched."""

    cell: Cell
    shift: float
    scale: float

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        end, sigma = place(self.cell)
        return self.shift + self.scale * draw(rng, self.cell, end, sigma) / end

    def curve(self, n: np.ndarray) -> np.ndarray:
        """The true median tuning curve."""
        end, sigma = place(self.cell)
        with jax.enable_x64(True):
            law = nqjax.NoisyQuadratic(0.0, 1.0, float(self.cell.gamma), sigma)
            return self.shift + self.scale * np.asarray(law.quantile_tuning_curve(n)) / end


def drawn_law(rng: np.random.Generator, like: Law | None = None) -> Law:
    """Return a study, or one near another: with the same gamma in half of the cases, and small differences."""
    gamma = int(rng.integers(1, 5)) if like is None or rng.random() < 0.5 else like.cell.gamma
    share = float(rng.uniform(0.2, 0.6))
    s = float(np.exp(rng.uniform(math.log(0.02), math.log(0.2))))
    n = int(2 ** rng.uniform(5, 7))
    if like is None:
        return Law(Cell(gamma, share, n, s), 0.0, 1.0)
    spread = 0.3 * rng.random()
    return Law(Cell(gamma, share, n, s), spread * rng.normal(), float(np.exp(0.5 * spread * rng.normal())))


def one_pair(number: int) -> dict[str, Any]:
    """Return the probabilities for a pair, and the truth."""
    rng = np.random.default_rng([23, number])
    first = drawn_law(rng)
    laws = first, drawn_law(rng, first)
    posts = [nqjax.confidence_region(law.draw(rng)) for law in laws]
    n = np.array(BUDGETS) * min(law.cell.n for law in laws)
    curves = [post.quantile_tuning_curves(n).reshape(-1, len(n)) for post in posts]
    truth = [law.curve(n) for law in laws]
    known = np.array([n >= post.regime_start for post in posts])
    row: dict[str, Any] = {
        "probability": probabilities(curves, True)[0, 1].tolist(),
        "truth": (truth[0] < truth[1]).tolist(),
        "known": np.all(known, axis=0).tolist(),
        "told": bool(all(post.tells_parameters for post in posts)),
    }
    return row | {"bands": [_band(post, law) for post, law in zip(posts, laws, strict=True)]}


def _band(post: nqjax.AveragedPosterior, law: Law) -> list[bool] | None:
    """Return whether the simultaneous bands of 80 and 95 % hold the true curve within the regime; None without one."""
    start, most = max(post.regime_start, math.log(0.5) / math.log1p(-law.cell.share)), post.num_scores
    if start >= most:
        return None
    n = np.geomspace(start, most, 12)
    curves, truth = post.quantile_tuning_curves(n).reshape(-1, len(n)), law.curve(n)
    ends = [envelope(curves, level) for level in (0.8, 0.95)]
    return [bool(np.all((low <= truth) & (truth <= high))) for low, high in ends]


def three(kind: str, number: int) -> dict[str, Any]:
    """Return the orderings of three studies: equal ones, thirds of one real search, or ones that differ."""
    rng = np.random.default_rng([29, number])
    n = int(2 ** rng.uniform(5, 7))
    truth = np.zeros(3)
    if kind == "one real search":
        y = read_study(digits_mlp_path(), "val_loss").scores
        studies = list(rng.choice(y, (3, n), replace=False))
    else:
        law = drawn_law(rng)
        truth = np.array([0.0, 0.1, 0.3]) if kind == "three that differ" else truth
        studies = [law._replace(cell=law.cell._replace(n=n), shift=shift).draw(rng) for shift in truth]
    posts = [nqjax.confidence_region(y) for y in studies]
    budgets = np.append(2.0 ** np.arange(2, int(math.log2(n)) + 1), n)
    curves = [post.quantile_tuning_curves(budgets).reshape(-1, len(budgets)) for post in posts]
    known = np.array([(budgets >= post.regime_start) & post.tells_parameters for post in posts])
    share = probabilities(curves, True)
    row: dict[str, Any] = {}
    for level in LEVELS:
        signs = said(share, known, level)
        better = np.sign(truth[None, :] - truth[:, None])[..., None]  # 1 where the row is better
        wrong = (signs != 0) & (signs != better)
        upper = np.triu(np.ones((3, 3), bool), 1)
        row[str(level)] = {
            "wrong anywhere": bool(wrong.any()),
            "wrong in the end": bool(wrong[..., -1].any()),
            "right in the end": int(np.sum((signs[..., -1] == better[..., 0])[upper] & (signs[..., -1] != 0)[upper])),
        }
    return row


def rows_of(name: str, count: int, measure: Callable[[int], dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows from a file as far as it goes; it is written after every 20 more."""
    path = cache_folder("comparison") / f"{VERSION}-{name.replace(' ', '-')}.json"
    rows: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    while len(rows) < count:
        more = range(len(rows), min(len(rows) + 20, count))
        found = dict(in_parallel(lambda i, _: (i, measure(i)), more, jax.local_devices()))
        rows += [found[i] for i in more]
        path.write_text(json.dumps(rows))
    return rows[:count]


def calibration(rows: list[dict[str, Any]]) -> None:
    """Print how often the truth is what the probabilities say, in ten bins; a pair counts once."""
    lines = []
    for low in np.arange(10) / 10:
        cells = [f"{100 * low:.0f} to {100 * low + 10:.0f} %"]
        for k in range(len(BUDGETS)):
            kept = [row for row in rows if row["known"][k] and row["told"]]
            p = np.array([row["probability"][k] for row in kept])
            true = np.array([row["truth"][k] for row in kept])
            inside = (p >= low) & ((p < low + 0.1) | ((low > 0.85) & (p == 1)))
            shares = f"{100 * p[inside].mean():.0f} / {100 * true[inside].mean():.0f}" if inside.any() else "–"
            cells.append(f"{shares} ({inside.sum()})")
        lines.append(cells)
    header = ["P(first better)", *(f"mean P / true, % (pairs), budget {b:g} n" for b in BUDGETS)]
    table(f"Calibration of pairwise probabilities, {len(rows)} pairs", header, lines)
    for k, budget in enumerate(BUDGETS):
        kept = [row for row in rows if row["known"][k] and row["told"]]
        p = np.array([row["probability"][k] for row in kept])
        true = np.array([row["truth"][k] for row in kept])
        groups = [np.minimum(np.floor(10 * p), 9) == place for place in range(10)]
        away = [np.sum(true[one] - p[one]) ** 2 / np.sum(p[one] * (1 - p[one])) for one in groups if one.any()]
        print(f"budget {budget:g} n: chi-squared test of the bins: p {scipy.stats.chi2.sf(sum(away), len(away)):.2g}")
        sure, right = np.maximum(p, 1 - p), np.where(p >= 0.5, true, ~true)
        shares = [f"{np.mean(~right[sure >= at]):.3f} of {np.sum(sure >= at)} at {at:g}" for at in (0.9, 0.975, 0.995)]
        print(f"budget {budget:g} n: wrong among the sure ones: {'; '.join(shares)}; used {len(kept)} of {len(rows)}")
    bands = np.array([one for row in rows if row["told"] for one in row["bands"] if one is not None])
    print(f"simultaneous bands hold: {100 * bands.mean(axis=0)} % (80 and 95 % wanted), {len(bands)} studies")


def main(*, quick: bool) -> None:
    """Print the tables."""
    warnings.filterwarnings("ignore", category=nqjax.FitWarning)
    pairs, families = (QUICK_PAIRS, QUICK_FAMILIES) if quick else (PAIRS, FAMILIES)
    lines = []
    for kind in ("three equal studies", "one real search", "three that differ"):
        rows = rows_of(kind, families, partial(three, kind))
        for level in LEVELS:
            found = [row[str(level)] for row in rows]
            mean = {name: np.mean([row[name] for row in found]) for name in found[0]}
            wrong = [f"{100 * mean[name]:.1f} %" for name in ("wrong in the end", "wrong anywhere")]
            lines.append([kind, f"{level:g}", *wrong, f"{mean['right in the end']:.2f}"])
    header = ["studies", "level", "a wrong ordering in the end", "at any budget", "right orderings of 3"]
    table(f"Orderings of three studies, {families} each", header, lines)
    calibration(rows_of("pairs", pairs, one_pair))
