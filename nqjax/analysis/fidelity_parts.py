"""The noisy quadratic after parts of the training, and what a power law through them predicts for the end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nqjax.analysis.averaged import averaged_of
from nqjax.analysis.threshold import read_question
from nqjax.confidence.region import wider_tails
from nqjax.errors import InputError
from nqjax.inputs import AUTO
from nqjax.posterior.averaged import AveragedPosterior
from nqjax.runtime.progress import Progress
from nqjax.trials.learning_curves import LearningCurves
from nqjax.types import Floats

#: Exponents of the power law, of which the best is refined.
_EXPONENTS = np.geomspace(0.05, 10.0, 60)

#: How often the distance to the best exponent is halved.
_REFINEMENTS = 12

#: Shares of the training before its end that a power law of three parameters needs.
_FEWEST_SHARES = 3

#: Fewest trials of each half for the check on trials that are held back.
_FEWEST_HELD = 24

#: Seed of the halves, and of the order of the draws.
_SEED = 0


_FALLS = (
    "Do not rely on this law: the best trials gain more in the last quarter of the training than any power law can, so "
    "prefixes do not extrapolate here."
)


class HeldBack(NamedTuple):
    """The prediction from one half of the trials, and the fit of the other half at the end of its training.

    Attributes
    ----------
    predicted, predicted_lower, predicted_upper : float
    observed, observed_lower, observed_upper : float
    agrees : bool
        Whether the interval of their difference holds 0.
    trials : int
        Trials that were held back.
    """

    predicted: float
    predicted_lower: float
    predicted_upper: float
    observed: float
    observed_lower: float
    observed_upper: float
    agrees: bool
    trials: int


@dataclass(frozen=True, eq=False)
class FidelityParts:
    """Estimates of the noisy quadratic from the scores after each part of the training, with intervals.

    Numbers are NaN where the scores of a part allow no fit.

    Attributes
    ----------
    fractions : ndarray, shape (fractions,)
        Shares of the training; the last is 1.
    best, best_lower, best_upper : ndarray, shape (fractions,)
        The best score of the regime, noise averaged out: alpha where lower is better, else beta.
    gamma, gamma_lower, gamma_upper : ndarray, shape (fractions,)
        How many hyperparameters matter near the optimum.
    sigma, sigma_lower, sigma_upper : ndarray, shape (fractions,)
        The noise of one run near the optimum.
    tells : ndarray of bool, shape (fractions,)
        Whether the scores tell the parameters; where they do not, only the intervals count, which are wide.
    predicted, predicted_lower, predicted_upper : float
        ``best`` at the end by the power law ``a + c f**-k`` through the parts before the end.
    held_back : HeldBack or None
        The same prediction on trials that it has not seen; None if it was not asked for, or there are too few.
    confidence : float
        Of the intervals, for each number by itself.
    sentences : tuple of str
        The answer in words.
    """

    fractions: Floats
    best: Floats
    best_lower: Floats
    best_upper: Floats
    gamma: Floats
    gamma_lower: Floats
    gamma_upper: Floats
    sigma: Floats
    sigma_lower: Floats
    sigma_upper: Floats
    tells: NDArray[np.bool_]
    predicted: float
    predicted_lower: float
    predicted_upper: float
    held_back: HeldBack | None
    confidence: float
    sentences: tuple[str, ...]


def fidelity_parts(
    curves: LearningCurves,
    fractions: Sequence[float],
    confidence: float,
    *,
    extrapolates: bool | None,
    check: bool,
    progress: bool,
) -> FidelityParts:
    """Fit the scores after each part of the training; arguments are checked, and as for `FidelityReport.parts`.

    ``extrapolates`` is what the report says of the level of the good trials.
    """
    shares = [*fractions, 1.0]
    order = np.random.default_rng(_SEED).permutation(len(curves))
    halves = (order[::2], order[1::2]) if check and len(curves) >= 2 * _FEWEST_HELD else None
    with Progress("fits", len(shares) * (1 if halves is None else 2), show=progress) as bar:
        fitted = [_fitted(curves, part, np.arange(len(curves)), bar) for part in shares]
        held = None
        if halves is not None:
            before = [_fitted(curves, part, halves[0], bar) for part in fractions]
            held = _held_back(shares[:-1], before, _fitted(curves, 1.0, halves[1], bar), len(halves[1]), confidence)
    ends = {name: np.array([_ends(post, name, confidence) for post in fitted]).T for name in ("best", "gamma", "sigma")}
    draws = _predictions(shares[:-1], fitted[:-1])
    predicted = _quantiles(draws, confidence)
    sentences = _sentences(shares, ends, predicted, held, confidence)
    if extrapolates is False and math.isfinite(predicted[0]):
        sentences.append(_FALLS)
    return FidelityParts(
        fractions=np.array(shares),
        **{name + end: one[k] for name, one in ends.items() for k, end in enumerate(("", "_lower", "_upper"))},
        tells=np.array([post is not None and post.tells_parameters for post in fitted]),
        predicted=predicted[0],
        predicted_lower=predicted[1],
        predicted_upper=predicted[2],
        held_back=held,
        confidence=confidence,
        sentences=tuple(sentences),
    )


def _fitted(curves: LearningCurves, part: float, rows: NDArray[np.int_], bar: Progress) -> AveragedPosterior | None:
    """Return the posterior of the best scores of trials within a share of their training; None if there is none."""
    scores = curves.at([part], failed_keep=True)[rows, 0]
    scores = np.where(np.isfinite(scores), scores if curves.minimize else -scores, np.nan)
    question = read_question(AUTO, None, curves.minimize, None, None, None, (1, 5), None)
    try:
        found = averaged_of(scores, question)
    except InputError:  # too few different scores
        found = None
    bar.advance(1)
    return found


def _ends(post: AveragedPosterior | None, name: str, confidence: float) -> tuple[float, float, float]:
    """Return the median of a parameter, and its interval."""
    return (math.nan,) * 3 if post is None else (post.estimate(name), *post.interval(name, confidence))


def _draws(post: AveragedPosterior) -> Floats:
    return np.asarray(post.alpha if post.minimize else post.beta, np.float64).ravel()


def _predictions(fractions: Sequence[float], fitted: Sequence[AveragedPosterior | None]) -> Floats:
    """Return draws of the best score at the end, by the power law through draws of it after each part.

    Each law has the weights of the spread of the draws. Draws of different parts are paired at random: what one trial's
    curve has in common with itself is not used, so that the interval is rather too wide.
    """
    known = [(part, _draws(post)) for part, post in zip(fractions, fitted, strict=True) if post is not None]
    if len(known) < _FEWEST_SHARES:
        return np.full(1, math.nan)
    rng = np.random.default_rng(_SEED)
    shares, levels = np.array([part for part, _ in known]), np.column_stack([rng.permutation(y) for _, y in known])
    low, high = np.quantile(levels, [0.16, 0.84], axis=0)
    sign = 1.0 if any(post is not None and post.minimize for post in fitted) else -1.0
    floor = 1e-12 * max(1.0, float(np.abs(levels).max()))
    return sign * power_law_at_end(shares, sign * levels, 1 / np.maximum(high - low, floor) ** 2)


def power_law_at_end(shares: Floats, levels: Floats, weights: Floats) -> Floats:
    """Return ``a + c`` of the laws ``a + c f**-k`` that fit levels best.

    Parameters
    ----------
    shares, weights : ndarray, shape (shares,)
    levels : ndarray, shape (draws, shares)
        Lower ones better: c is not negative.

    Returns
    -------
    ndarray, shape (draws,)

    Examples
    --------
    >>> import numpy as np
    >>> shares = np.array([0.1, 0.25, 0.5, 0.75])
    >>> power_law_at_end(shares, 0.2 + 0.1 * shares[None] ** -1.0, np.ones(4)).round(2).tolist()
    [0.3]
    """
    share = weights / weights.sum()
    mean = levels @ share
    fewest, ends, at = np.full(len(levels), np.inf), np.full(len(levels), np.nan), np.ones(len(levels))

    def attempt(k: Floats) -> None:
        x = shares ** -k[:, None]
        middle = x @ share
        apart = x - middle[:, None]
        c = np.maximum(((levels - mean[:, None]) * apart) @ share / (apart**2 @ share), 0.0)
        error = (levels - mean[:, None] - c[:, None] * apart) ** 2 @ share
        better = error < fewest
        fewest[better], at[better] = error[better], k[better]
        ends[better] = (mean + c * (1 - middle))[better]

    for k in _EXPONENTS:
        attempt(np.full(len(levels), k))
    step = float(np.log(_EXPONENTS[1] / _EXPONENTS[0]))
    for _ in range(_REFINEMENTS):
        middle = at.copy()
        for away in (-0.5, 0.5):
            attempt(np.clip(middle * np.exp(away * step), _EXPONENTS[0], _EXPONENTS[-1]))
        step /= 2
    return ends


def _quantiles(draws: Floats, confidence: float) -> tuple[float, float, float]:
    low, high = wider_tails(confidence)
    return tuple(float(x) for x in np.quantile(draws, [0.5, low, high]))  # type: ignore[return-value]


def _held_back(
    fractions: Sequence[float],
    before: Sequence[AveragedPosterior | None],
    end: AveragedPosterior | None,
    count: int,
    confidence: float,
) -> HeldBack | None:
    """Compare the prediction from one half of the trials with the other half; None where one allows no fit."""
    draws = _predictions(fractions, before)
    if end is None or not np.all(np.isfinite(draws)):
        return None
    size = min(len(draws), end.alpha.size)
    _, low, high = _quantiles(
        np.random.default_rng(_SEED + 1).permutation(_draws(end))[:size] - draws[:size], confidence
    )
    return HeldBack(*_quantiles(draws, confidence), *_ends(end, "best", confidence), low <= 0 <= high, count)


def _sentences(
    shares: Sequence[float],
    ends: dict[str, Floats],
    predicted: tuple[float, float, float],
    held: HeldBack | None,
    confidence: float,
) -> list[str]:
    sure = f"{100 * confidence:g} %"

    def text(one: Sequence[float]) -> str:
        return f"{one[0]:.4g} ({sure}: {one[1]:.4g} to {one[2]:.4g})"

    known = np.flatnonzero(np.isfinite(ends["best"][0]))
    if not len(known):
        return ["The scores allow no fit after any part of the training."]

    def at_ends(one: Floats) -> tuple[str, str]:
        return text(one[:, known[0]].tolist()), text(one[:, known[-1]].tolist())

    (best, best_at_end), (sigma, sigma_at_end) = map(at_ends, (ends["best"], ends["sigma"]))
    about_best = f"The best score, noise averaged out, is {best} after {100 * shares[known[0]]:g} % of the training"
    last = f"after {100 * shares[known[-1]]:g} %" if known[-1] < len(shares) - 1 else "at its end"
    sentences = [f"{about_best} and {best_at_end} {last}; the noise of one run is {sigma} and {sigma_at_end}."]
    if not math.isfinite(predicted[0]):
        return [*sentences, f"A power law needs fits after {_FEWEST_SHARES} shares of the training."]
    until = f"the first {100 * shares[-2]:g} % of the training"
    sentences.append(f"A power law through {until} predicts {text(predicted)} for the end.")
    if held is not None:
        one, other = text(held[:3]), text(held[3:6])
        verdict = "which the intervals allow" if held.agrees else "which is something else: do not rely on the law"
        sentences.append(
            f"From one half of the trials it predicts {one}; the {held.trials:,} others, which it has not seen, end at "
            f"{other}, {verdict}."
        )
    return sentences
