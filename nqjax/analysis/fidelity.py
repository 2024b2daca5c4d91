"""Compare scores after a part of the training with those at its end: `nqjax.fidelity_report`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy  # its parts are imported when they are used
from numpy.typing import ArrayLike, NDArray

from nqjax.errors import InputError
from nqjax.inputs import as_count, as_flag, as_minimize, as_probability, shortened
from nqjax.trials.learning_curves import LearningCurves, learning_curves
from nqjax.types import Floats

if TYPE_CHECKING:
    from nqjax.analysis.fidelity_parts import FidelityParts

#: The factors of halving that are looked at.
FACTORS = tuple(range(2, 11))

#: A factor is safe if it keeps this share of the best trials.
_SAFE = 0.9

#: The shares of the training between which gains are compared.
_QUARTERS = (0.5, 0.75, 1.0)

#: A power law that falls gains less than this in the last quarter, as a multiple of its gain in the quarter before: it
#: is the limit of slow laws, a logarithm.
POWER_LAW_LIMIT = math.log(1 / 0.75) / math.log(0.75 / 0.5)

#: Shares of the training through which a power law is laid, to predict the end.
_PREFIXES = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75)

#: Exponents of that power law, of which the best is taken.
_EXPONENTS = np.geomspace(0.05, 10.0, 200)

#: Resamples of the trials for the interval of the gains.
_RESAMPLES = 1000

#: Fewer trials than this say nothing.
_FEW = 12


@dataclass(frozen=True, eq=False)
class FidelityReport:
    """Scores after a part of the training, against those at the end.

    The score of a trial after a part of its training is its best so far; a trial that fails keeps the best that it had,
    and one without a score is worse than all.

    Attributes
    ----------
    fractions : ndarray, shape (fractions,)
        Shares of the training.
    correlation, lower, upper : ndarray, shape (fractions,)
        Spearman's correlation with the scores at the end, and its interval (Bonett and Wright 2000).
    best_correlation, best_lower, best_upper : ndarray, shape (fractions,)
        The same among the trials that are best in the end.
    kept : ndarray, shape (fractions, factors)
        How many of the ``top`` best trials are among the best ``1 / factor`` after a part of the training.
    factors : tuple of int
        The factors of halving.
    safe_factor : ndarray of int, shape (fractions,)
        The largest factor up to which at least nine in ten of the best trials are kept; 1 if there is none.
    gain_ratio, gain_lower, gain_upper : float
        The gain of the good trials' level in the last quarter of the training, over that in the quarter before, with an
        interval from resamples of the trials.
    extrapolates : bool or None
        False if the level falls at the end faster than any power law can; True if it levels off; None if that is open.
    predicted, observed : float
        The level at the end: by a power law through the levels up to 75 % of the training, and as it is. The level is
        the median score of the best trials at each share, in the direction of the scores.
    num_trials, num_best, top : int
        Trials, those that are best in the end, and those that halving should keep.
    confidence : float
    curves : LearningCurves
        What was read.
    sentences : tuple of str
        The answer in words.
    """

    fractions: Floats
    correlation: Floats
    lower: Floats
    upper: Floats
    best_correlation: Floats
    best_lower: Floats
    best_upper: Floats
    kept: NDArray[np.int_]
    factors: tuple[int, ...]
    safe_factor: NDArray[np.int_]
    gain_ratio: float
    gain_lower: float
    gain_upper: float
    extrapolates: bool | None
    predicted: float
    observed: float
    num_trials: int
    num_best: int
    top: int
    confidence: float
    curves: LearningCurves = field(repr=False)
    sentences: tuple[str, ...] = ()

    def parts(self, *, check: bool = True, progress: bool = False) -> FidelityParts:
        """Fit the noisy quadratic to the scores after each part of the training, and extrapolate its best score.

        Each fit is the averaged posterior, the answer of `nqjax.fit` where no threshold is given, of the best scores
        within a share of the training; it takes one to four seconds. Failed trials keep the best that they had.

        Parameters
        ----------
        check : bool
            Whether to check the extrapolation on trials that are held back: as many fits again, each of half of them.
        progress : bool
            Whether to show progress.

        Returns
        -------
        FidelityParts

        Examples
        --------
        >>> import numpy as np
        >>> import nqjax
        >>> rng = np.random.default_rng(0)
        >>> ends = 0.1 + rng.random(48)  # gamma = 2
        >>> curves = [end + np.arange(1, 21) ** -1.0 + 0.01 * rng.normal(size=20) for end in ends]
        >>> parts = nqjax.fidelity_report(curves, minimize=True).parts(check=False)
        >>> bool(parts.best[0] > parts.best[-1]), bool(parts.predicted_lower < 0.15 < parts.predicted_upper)
        (True, True)
        """
        from nqjax.analysis.fidelity_parts import fidelity_parts

        return fidelity_parts(
            self.curves,
            self.fractions.tolist(),
            self.confidence,
            extrapolates=self.extrapolates,
            check=as_flag("check", check),
            progress=as_flag("progress", progress),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return all of it but the curves for JSON; numbers that are not finite are None."""
        names = [one.name for one in dataclasses.fields(self) if one.name != "curves"]
        return {name: _plain(getattr(self, name)) for name in names}


def fidelity_report(
    study: Any,
    fractions: Sequence[float] = (0.1, 0.25, 0.5, 0.75),
    *,
    best: float = 0.25,
    top: int = 10,
    confidence: float = 0.95,
    rounds: ArrayLike | None = None,
    shares: Sequence[ArrayLike] | None = None,
    minimize: bool | None = None,
    maximize: bool | None = None,
) -> FidelityReport:
    """Say how much scores after a part of the training tell of those at its end.

    Rank correlations over all trials look fine early, because poor trials are poor from the start. Among the best
    trials, between which a search has to choose, they are lower: so both are given.

    Parameters
    ----------
    study : Trials, StudyTable, or a sequence of array_like
        A random search whose trials were trained to their ends, with learning curves; or the values of each trial.
    fractions : sequence of float
        Shares of the training, above 0 and below 1.
    best : float
        The share of the trials that is best in the end.
    top : int
        How many of the best trials halving should keep.
    confidence : float
        Of the intervals, for each number by itself.
    rounds : array_like, shape (trials,), optional
        How many values the curve of each trial has when it does not fail; by default what the study says, or the
        length of its curve.
    shares : sequence of array_like, optional
        The share of the training at each value of each curve; by default the values are evenly spaced.
    minimize, maximize : bool, optional
        Whether lower or higher scores are better; a study says it itself.

    Returns
    -------
    FidelityReport

    Raises
    ------
    InputError
        There are no learning curves, too few trials, or trials were stopped early.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> rng = np.random.default_rng(0)
    >>> epochs = np.arange(1, 21)
    >>> curves = [end + rate * np.exp(-epochs / 4) for end, rate in rng.uniform(0.1, 1.0, size=(200, 2))]
    >>> report = nqjax.fidelity_report(curves, minimize=True)
    >>> bool(report.correlation[0] < report.correlation[3]), report.extrapolates
    (True, True)
    """
    if minimize is not None or maximize is not None:
        minimize = as_minimize(minimize, maximize)
    curves = learning_curves(study, rounds=rounds, shares=shares, minimize=minimize)
    parts = _fractions(fractions)
    best, confidence = as_probability("best", best), as_probability("confidence", confidence)
    top = as_count("top", top)
    count = len(curves)
    if count < _FEW or top > count:
        raise InputError(f"there are {count} trials: give a random search of {max(_FEW, top)} or more, better 100")
    scores = curves.at([*parts, 1.0], failed_keep=True)
    scored = int(np.sum(np.isfinite(scores[:, -1])))
    if scored < _FEW:
        raise InputError(f"{scored} of {count} trials have a finite score: at least {_FEW} are needed")
    final, scores = scores[:, -1], scores[:, :-1]
    order = np.argsort(final, kind="stable")
    good = order[: max(_FEW // 2, math.ceil(best * count))]
    every, among = (_correlations(scores[rows], final[rows], confidence) for rows in (np.arange(count), good))
    kept = _kept(scores, order[:top])
    levels = curves.at([*_PREFIXES, *_QUARTERS], failed_keep=True)
    ratio, ends = _gain_ratio(levels[:, -3:], best, confidence)
    low, high = ends
    sign = 1 if curves.minimize else -1
    found = FidelityReport(
        fractions=parts,
        correlation=every[0],
        lower=every[1],
        upper=every[2],
        best_correlation=among[0],
        best_lower=among[1],
        best_upper=among[2],
        kept=kept,
        factors=FACTORS,
        safe_factor=_safe_factors(kept, top),
        gain_ratio=ratio,
        gain_lower=low,
        gain_upper=high,
        extrapolates=False if low > POWER_LAW_LIMIT else True if high < POWER_LAW_LIMIT else None,
        predicted=sign * _predicted(_level(levels[:, :-3], best)),
        observed=sign * float(_level(levels[:, -1:], best)[0]),
        num_trials=count,
        num_best=len(good),
        top=top,
        confidence=confidence,
        curves=curves,
    )
    return dataclasses.replace(found, sentences=tuple(_sentences(found)))


def _fractions(fractions: Sequence[float]) -> Floats:
    try:
        parts = np.unique(np.asarray(fractions, np.float64))
    except (TypeError, ValueError):
        parts = np.empty(0)
    if parts.ndim != 1 or not len(parts) or not np.all((parts > 0) & (parts < 1)):
        raise InputError(f"fractions is {shortened(fractions)}: give shares of the training between 0 and 1")
    return parts


def _correlations(scores: Floats, final: Floats, confidence: float) -> tuple[Floats, Floats, Floats]:
    """Return Spearman's correlations and their intervals by Fisher's transformation (Bonett and Wright 2000)."""
    ranks = scipy.stats.rankdata(np.column_stack([scores, final]), axis=0)
    ranks -= ranks.mean(axis=0)
    spread = np.sqrt(np.sum(ranks**2, axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        rho = np.clip(ranks[:, :-1].T @ ranks[:, -1] / (spread[:-1] * spread[-1]), -1.0, 1.0)
        half = scipy.special.ndtri((1 + confidence) / 2) * np.sqrt((1 + rho**2 / 2) / (len(final) - 3))
        return rho, np.tanh(np.arctanh(rho) - half), np.tanh(np.arctanh(rho) + half)


def _kept(scores: Floats, winners: NDArray[np.int_]) -> NDArray[np.int_]:
    """Return how many winners are among the best ``1 / factor`` of the trials, of shape (fractions, factors)."""
    count = len(scores)
    place = np.empty(scores.shape, int)
    for k in range(scores.shape[1]):
        place[np.argsort(scores[:, k], kind="stable"), k] = np.arange(count)
    return np.array([[np.sum(place[winners, k] < count // f) for f in FACTORS] for k in range(scores.shape[1])])


def _safe_factors(kept: NDArray[np.int_], top: int) -> NDArray[np.int_]:
    safe = np.logical_and.accumulate(kept >= _SAFE * top, axis=1)
    return np.array([max((f for f, s in zip(FACTORS, row, strict=True) if s), default=1) for row in safe])


def _level(scores: Floats, best: float) -> Floats:
    """Return the median of the best trials at each share of the training: a quantile of all scores."""
    return np.asarray(np.quantile(scores, best / 2, axis=-2, method="higher"), np.float64)


def _gain_ratio(scores: Floats, best: float, confidence: float) -> tuple[float, tuple[float, float]]:
    """Return the gain of the level in the last quarter over that in the quarter before, and its interval."""
    rng = np.random.default_rng(0)
    count = len(scores)
    found = [_ratio(_level(scores, best))]
    found += [_ratio(_level(scores[rng.integers(count, size=count)], best)) for _ in range(_RESAMPLES)]
    tail = (1 - confidence) / 2
    low, high = np.quantile(found[1:], [tail, 1 - tail], method="nearest")
    return found[0], (float(low), float(high))


def _ratio(level: Floats) -> float:
    if not np.all(np.isfinite(level)):
        return math.nan
    before, last = level[0] - level[1], level[1] - level[2]
    if last <= 0:
        return 0.0
    return float(last / before) if before > 0 else math.inf


def _predicted(level: Floats) -> float:
    """Return ``a + c`` of the law ``a + c f**-k`` that fits the levels best; NaN where they are not finite."""
    if not np.all(np.isfinite(level)):
        return math.nan
    shares = np.array(_PREFIXES)
    errors, ends = [], []
    for k in _EXPONENTS:
        terms = np.column_stack([np.ones_like(shares), shares**-k])
        (a, c), *_ = np.linalg.lstsq(terms, level, rcond=None)
        errors.append(float(np.sum((terms @ np.array([a, c]) - level) ** 2)))
        ends.append(float(a + c))
    return ends[int(np.argmin(errors))]


def _sentences(found: FidelityReport) -> list[str]:
    k = 0
    part = f"{100 * found.fractions[k]:g} % of the training"
    sentences = [
        f"After {part}, ranks correlate with those at the end by {found.correlation[k]:.2f} over all "
        f"{found.num_trials:,} trials, but by {found.best_correlation[k]:.2f} "
        f"({found.best_lower[k]:.2f} to {found.best_upper[k]:.2f}) among the best {found.num_best:,}: "
        "partial training tells which trials are bad, not which is best."
        if found.best_correlation[k] < found.correlation[k] - 0.1
        else f"After {part}, ranks correlate with those at the end by {found.correlation[k]:.2f} over all "
        f"{found.num_trials:,} trials, and by {found.best_correlation[k]:.2f} "
        f"({found.best_lower[k]:.2f} to {found.best_upper[k]:.2f}) among the best {found.num_best:,}."
    ]
    safe = [f"one in {factor} after {100 * part:g} %" for part, factor in _safe_pairs(found)]
    sentences.append(
        f"To keep {', '.join(safe)} of the training keeps at least nine in ten of the {found.top} best trials."
        if safe
        else f"Keeping half of the trials loses more than one in ten of the {found.top} best at each of these shares."
    )
    ratio = f"{found.gain_ratio:.2f} ({found.gain_lower:.2f} to {found.gain_upper:.2f}) times"
    gains = f"the best trials gain {ratio} as much in the last quarter of the training as in the quarter before"
    if found.extrapolates is False:
        sentences.append(
            f"Prefixes do not extrapolate: {gains}, more than the {POWER_LAW_LIMIT:.2f} that a power law allows. The "
            "schedule may anneal at the end: use short runs with whole schedules instead."
        )
    elif found.extrapolates:
        sentences.append(
            f"Prefixes level off: {gains}. A power law through the first 75 % predicts {found.predicted:.4g} for the "
            f"median of the best; it is {found.observed:.4g}."
        )
    else:
        sentences.append(f"Whether prefixes extrapolate is open: {gains}.")
    return sentences


def _safe_pairs(found: FidelityReport) -> list[tuple[float, int]]:
    pairs = zip(found.fractions.tolist(), found.safe_factor.tolist(), strict=True)
    return [(part, factor) for part, factor in pairs if factor > 1]


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [_plain(one) for one in value.tolist()]
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
