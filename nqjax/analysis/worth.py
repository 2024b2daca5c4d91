"""Measure a method in random trials: how many trials of random search do as well as its searches."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy  # its parts are imported when they are used
from numpy.typing import ArrayLike, NDArray

from nqjax.analysis.incumbents import incumbent_worth
from nqjax.analysis.random_baseline import RandomBaseline
from nqjax.errors import InputError
from nqjax.inputs import as_minimize, as_probability, as_quantile, shortened
from nqjax.trials.study import PRUNED, StudyTable
from nqjax.trials.table import Trials
from nqjax.types import Floats

#: Budgets that are looked at by default, as far as the runs go.
_BUDGETS = (10, 20, 30, 50, 100, 200, 500, 1000)

#: Runs below which no interval of a quantile is given.
_FEW = 6


@dataclass(frozen=True, eq=False)
class Worth:
    """The number of random trials that a method's searches equal, at some budgets.

    ``estimate[k]`` random trials reach the same quantile of the best score as the method after ``at[k]`` trials.
    Arrays have the shape (budgets,).

    Attributes
    ----------
    at : array of int
        Trials of the method.
    estimate, lower, upper : array
        Random trials, and an interval that holds all budgets at once; infinite where the baseline has no score as good.
    worse_quartile, better_quartile : array
        The same for these quartiles of the searches.
    mean, mean_lower, mean_upper : array
        The number under the assumption that one number does for all quantiles, which is what ``shape_p`` tests.
    shape_p : array
        P-value of the hypothesis that one number of random trials does for all quantiles. NaN for a single search.
    better_p : array
        P-value of the hypothesis that the method is random search.
    replications, baseline : int
        Searches of the method, and scores of random trials (0 if their distribution is known).
    quantile, confidence : float
        The quantile of the best score that is compared, and the confidence of the intervals.
    score : {"observed", "true"}
        Whether the best observed score is compared, or the noise-free score of the trial that has it.
    by_mean : bool
        Whether the estimate and the interval are those of the mean, because there are too few searches for a quantile.
    unit : str
        What ``at`` counts, and with it the estimate: trials, or the costs of full trainings.
    """

    at: NDArray[np.int_]
    estimate: Floats
    lower: Floats
    upper: Floats
    worse_quartile: Floats
    better_quartile: Floats
    mean: Floats
    mean_lower: Floats
    mean_upper: Floats
    shape_p: Floats
    better_p: Floats
    replications: int
    baseline: int
    quantile: float
    confidence: float
    score: str
    by_mean: bool
    unit: str = "trials"

    @property
    def speedup(self) -> Floats:
        """Random trials that each trial of the method is worth."""
        return self.estimate / self.at

    def sentence(self, name: str = "the method", budget: int | None = None) -> str:
        """Return the result at a budget, the largest by default, in words."""
        k = len(self.at) - 1 if budget is None else int(np.argmin(np.abs(self.at - budget)))
        low, high = (self.number(float(v)) for v in (self.lower[k], self.upper[k]))
        until = f"{low} to {high}" if high else f"at least {low or f'{self.baseline:,}'}"
        many = self.number(float(self.estimate[k])) or f"more than {self.baseline:,}"
        percent = f"{100 * self.confidence:g} %"
        unit = self.unit
        return f"After {self.at[k]} {unit}, {name} equals random search after {many} {unit} ({percent}: {until})."

    def number(self, trials: float) -> str:
        """Return a number of random trials as text; empty where it is beyond the baseline, which cannot tell it."""
        if not math.isfinite(trials) or (self.baseline and trials > self.baseline):
            return ""
        return f"{trials:,.0f}" if trials >= 10 else f"{trials:.1f}"


def worth(
    runs: Any,
    baseline: Any,
    at: Sequence[int] | None = None,
    *,
    quantile: float = 0.5,
    confidence: float = 0.95,
    minimize: bool | None = None,
    maximize: bool | None = None,
    true: tuple[ArrayLike, ArrayLike] | None = None,
    unit: str = "trials",
) -> Worth:
    """Return how many random trials a method's searches are worth.

    If F is the distribution of the score of one random trial, the best of n random trials has an
    ``-log(1 - F(best))`` that is exponential with mean 1 / n, whatever F is. So the median of that quantity over the
    searches of a method, against log 2, is a number of random trials.

    Parameters
    ----------
    runs : array_like, shape (searches, trials), or a sequence of searches
        Scores in the order in which the trials ran; NaN or infinite for failed ones. A search may also be a study
        (`nqjax.read_study`). All are cut to the length of the shortest.
    baseline : array_like, a study, or a distribution
        Scores of random trials of the same task and space, or their distribution, which must have ``cdf`` (and may have
        ``cdf_ends``, the shares below a score and up to it, where there are ties).
    at : sequence of int, optional
        Numbers of trials at which the searches are compared; 10, 20, 30, 50, 100 and so on by default, and the last.
    quantile : float, optional
        The quantile of the best score, 0.5 by default.
    confidence : float, optional
        Of the intervals, for all budgets together.
    minimize, maximize : bool, optional
        Whether lower (the default) or higher scores are better; a study says it itself.
    true : pair of array_like, optional
        Noise-free scores of the runs and of the baseline. Then the noise-free score of the best trial is compared
        with that of the best of n random trials. Its interval leaves out the error of the baseline.
    unit : str, optional
        What a column of the runs stands for. Runs by equal cost have the best score after a cost of 1, 2, 3, ... full
        trainings (`nqjax.search.replay`): then this is "full trainings", of which each random trial costs one.

    Returns
    -------
    Worth

    Raises
    ------
    InputError
        There is no search or no baseline, or a budget is beyond the searches' length.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> rng = np.random.default_rng(0)
    >>> random_trials = rng.uniform(size=20_000)
    >>> every_second_is_wasted = np.repeat(rng.uniform(size=(400, 20)), 2, axis=1)
    >>> found = nqjax.worth(every_second_is_wasted, random_trials, at=[40])
    >>> bool(found.lower[0] < 20 < found.upper[0])
    True
    """
    lower_is_better = _direction(runs, baseline, minimize, maximize)
    quantile, confidence = as_quantile(quantile), as_probability("confidence", confidence)
    if not 0 < quantile < 1:
        raise InputError(f"quantile is {quantile}: give one between 0 and 1, such as 0.5")
    _check_whole([*runs] if isinstance(runs, list | tuple) else [runs])
    scores = _searches(runs, "runs", lower_is_better)
    budgets = _budgets(at, scores.shape[1])
    best = np.minimum.accumulate(scores, axis=1)[:, budgets - 1]  # (searches, budgets)
    known = _baseline(baseline, lower_is_better)
    target = -math.log1p(-quantile)
    depth = known.depth(best, target, quantile)
    found = {
        "worse_quartile": math.log(4) / np.quantile(depth, 0.75, axis=0),
        "better_quartile": -math.log(0.75) / np.quantile(depth, 0.25, axis=0),
        **_by_mean(known, best, depth, target, quantile, confidence, budgets),
    }
    by_mean = len(scores) < _FEW and true is None
    if true is not None:
        of_runs = _searches(true[0], "the true scores of the runs", lower_is_better)
        of_baseline = _searches([true[1]], "the true scores of the baseline", lower_is_better)[0]
        observed = _searches([baseline], "baseline", lower_is_better)[0]
        reached, ends = incumbent_worth(scores, of_runs, observed, of_baseline, budgets, quantile, confidence)
        found |= {"estimate": reached, "lower": ends[0], "upper": ends[1]}
    elif by_mean:
        found |= {"estimate": found["mean"], "lower": found["mean_lower"], "upper": found["mean_upper"]}
    else:
        found |= {"estimate": target / np.quantile(depth, quantile, axis=0)}
        found |= _by_order_statistics(known, best, target, quantile, confidence)
    return Worth(
        at=budgets,
        replications=len(scores),
        baseline=known.count,
        quantile=quantile,
        confidence=confidence,
        score="observed" if true is None else "true",
        by_mean=by_mean,
        unit=unit,
        **found,
    )


def _by_mean(
    known: RandomBaseline,
    best: Floats,
    depth: Floats,
    target: float,
    quantile: float,
    confidence: float,
    budgets: NDArray[np.int_],
) -> dict[str, Floats]:
    """Return the number of random trials if the depths are exponential, with its interval and tests."""
    count, total = len(depth), depth.sum(axis=0)
    level = (1 - confidence) / len(budgets)
    low = high = depth
    if known.count:  # half of the level is for the baseline's error, at all searches together
        level /= 2
        low, high = (known.bound(best, side, level / (2 * count)) for side in (-1, 1))
    ends = scipy.stats.chi2.ppf([level / 2, 1 - level / 2], 2 * count) / 2
    mean = count / total
    shape_p, better_p = np.full(len(budgets), np.nan), np.empty(len(budgets))
    for k, budget in enumerate(budgets):
        if known.count == 0:
            better_p[k] = scipy.stats.gamma.cdf(budget * total[k], count)
        else:
            null = known.simulated(float(budget), count, target, quantile).sum(axis=1)
            better_p[k] = (1 + np.sum(null <= total[k])) / (len(null) + 1)
        if count > 1:
            distance = _distance_from_exponential(known.simulated(float(mean[k]), count, target, quantile))
            own = _distance_from_exponential(np.sort(depth[:, k])[None])[0]
            shape_p[k] = (1 + np.sum(distance >= own - 1e-12)) / (len(distance) + 1)
    with np.errstate(divide="ignore"):
        bounds = {"mean_lower": ends[0] / high.sum(axis=0), "mean_upper": ends[1] / low.sum(axis=0)}
    return {"mean": mean, **bounds, "shape_p": shape_p, "better_p": better_p}


def _distance_from_exponential(ordered: Floats) -> Floats:
    """Return the Kolmogorov distance of sorted rows from the exponential distribution with their mean."""
    share = -np.expm1(-ordered / ordered.mean(axis=1, keepdims=True))
    steps = np.arange(ordered.shape[1] + 1) / ordered.shape[1]
    return np.maximum(np.max(steps[1:] - share, axis=1), np.max(share - steps[:-1], axis=1))


def _by_order_statistics(
    known: RandomBaseline, best: Floats, target: float, quantile: float, confidence: float
) -> dict[str, Floats]:
    """Return the interval of the number of random trials, from order statistics of the best scores."""
    count, width = best.shape
    level = (1 - confidence) / width
    if known.count:  # half of the level is for the baseline's error
        level /= 2
    # P(the score at place `low` is above the quantile) and P(that at `high` is below it) are at most level / 2.
    low = int(scipy.stats.binom.ppf(level / 2, count, quantile)) - 1
    high = int(scipy.stats.binom.ppf(1 - level / 2, count, quantile))
    ordered = np.sort(best, axis=0)
    least = known.bound(ordered[low], -1, level / 2) if low >= 0 else np.zeros(width)
    most = known.bound(ordered[high], 1, level / 2) if high < count else np.full(width, math.inf)
    with np.errstate(divide="ignore"):
        return {"lower": target / most, "upper": target / least}


def _check_whole(runs: Sequence[Any]) -> None:
    """Raise InputError for a study some of whose trials were stopped early, or took over the weights of others."""
    for run in runs:
        if "lineage" in (run.columns if isinstance(run, StudyTable) else run if isinstance(run, Trials) else ()):
            raise InputError(
                "trials of a population take over each other's weights, so the first of them are no search: give the "
                "scores as arrays, a row for each population, with at=[the size of a population]"
            )
        status: Any = ()
        if isinstance(run, StudyTable):
            status = run.status
        elif isinstance(run, Trials) and "status" in run:
            status = run["status"]
        stopped = int(np.sum(np.asarray(status) == PRUNED))
        if stopped:
            raise InputError(
                f"{stopped} of {len(run)} trials were stopped early, so trials do not cost the same: give the best "
                'score after each cost instead, as arrays, with unit="full trainings"'
            )


def _baseline(baseline: Any, lower_is_better: bool) -> RandomBaseline:
    if hasattr(baseline, "cdf"):
        cdf = baseline.cdf
        if lower_is_better and hasattr(baseline, "cdf_ends"):
            return RandomBaseline(np.empty(0), cdf, baseline.cdf_ends)
        return RandomBaseline(np.empty(0), cdf if lower_is_better else lambda y: 1 - np.asarray(cdf(-y)))
    scores = _searches([baseline], "baseline", lower_is_better)[0]
    if len(scores) < 2:
        raise InputError(f"the baseline has {len(scores)} scores: give those of a random search, hundreds or more")
    return RandomBaseline(np.sort(scores))


def _budgets(at: Sequence[int] | None, length: int) -> NDArray[np.int_]:
    if at is None:
        at = sorted({n for n in _BUDGETS if n <= length} | {length})
    try:
        budgets = np.atleast_1d(np.asarray(at))
        whole = budgets.dtype.kind in "iu" and budgets.ndim == 1 and len(budgets) > 0
    except (TypeError, ValueError):
        whole = False
    if not whole or np.any(budgets < 1):
        raise InputError(f"at is {shortened(at)}: give numbers of trials, such as [10, 30, 100]")
    if np.any(budgets > length):
        raise InputError(f"at has {budgets.max()} trials, but the shortest search has {length}: give at most {length}")
    return np.unique(budgets).astype(int)


def _searches(runs: Any, name: str, lower_is_better: bool) -> Floats:
    """Return the scores as an array of shape (searches, trials), lower ones better, infinite where a trial failed."""
    if hasattr(runs, "scores") and not isinstance(runs, Mapping):
        runs = [runs]
    try:
        rows = [np.asarray(getattr(run, "scores", run), np.float64) for run in runs]
    except (TypeError, ValueError):
        raise InputError(
            f"{name} is {shortened(runs)}: give the scores of each search, in the order of its trials"
        ) from None
    if any(run is None for run in runs):
        rows = []
    if rows and all(row.ndim == 0 for row in rows):
        rows = [np.array(rows)]
    if not rows or any(row.ndim != 1 or not len(row) for row in rows):
        raise InputError(f"{name} is {shortened(runs)}: give the scores of each search, in the order of its trials")
    length = min(map(len, rows))
    scores = np.stack([row[:length] for row in rows])
    if not lower_is_better:
        scores = -scores
    return np.where(np.isnan(scores), np.inf, scores)


def _direction(runs: Any, baseline: Any, minimize: bool | None, maximize: bool | None) -> bool:
    if minimize is None and maximize is None:
        several = runs if isinstance(runs, list | tuple) else [runs]
        for one in (*several, baseline):
            if isinstance(own := getattr(one, "minimize", None), bool):
                return own
    return as_minimize(minimize, maximize)
