"""The best trials of a search, ranked by what they would score again."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jax import Array

from nqjax.confidence.region import region_behind, wider_tails
from nqjax.errors import InputError
from nqjax.inputs import as_count, as_key, as_probability, shortened
from nqjax.posterior.averaged import AveragedPosterior
from nqjax.posterior.averaged_fit import AveragedFit
from nqjax.posterior.noise_free import noise_free_draws, oriented_draws
from nqjax.posterior.seeds import make_seed
from nqjax.types import Floats

#: Draws of the posterior that are used.
_DRAWS = 1000

#: Numbers of reruns of each trial that a plan tries, and repetitions of each draw in its simulation.
_RERUNS = (1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50)
_REPEATS = 4


class RerunPlan(NamedTuple):
    """Numbers of trials and of reruns of each that pick the best trial."""

    trials: int  # those that are the most probably the best
    reruns: int  # of each of them; 0 if the likeliest trial is sure enough as it is
    probability: float  # that the trial that then looks best has the best noise-free score
    places: tuple[int, ...] = ()  # these trials, by their place among the scores, the likeliest first


@dataclass(frozen=True, eq=False)
class RankedTrials:
    """The trials with the best scores; every array has one element a trial, the best observed score first.

    Attributes
    ----------
    index : ndarray of int
        Place of the trial among the scores, from 0.
    score : ndarray
        The observed score.
    rerun : ndarray
        The score to be expected when the configuration is run again: the mean of the noise-free score.
    rerun_low, rerun_high : ndarray
        Interval of the score of one more run.
    noise_free_low, noise_free_high : ndarray
        Interval of the noise-free score: the mean over many runs.
    probability_best : ndarray
        Probability that the trial has the best noise-free score of those in the ranking.
    confidence : float
        Probability of the intervals.
    minimize : bool
    source : "scores", "surface" or "both"
        What the noise-free scores follow from: the scores alone, a response surface, or the average of the two.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> rng = np.random.default_rng(0)
    >>> scores = 0.1 + rng.random(64) + 0.05 * rng.normal(size=64)
    >>> ranked = nqjax.rank_trials(nqjax.fit(scores), top=5)
    >>> bool(ranked.rerun[0] > ranked.score[0])  # noise helped the best score
    True
    >>> round(float(ranked.probability_best.sum()), 9)
    1.0
    """

    index: np.ndarray
    score: Floats
    rerun: Floats
    rerun_low: Floats
    rerun_high: Floats
    noise_free_low: Floats
    noise_free_high: Floats
    probability_best: Floats
    confidence: float
    minimize: bool
    draws: Floats = field(repr=False)  # (draws, trials), noise-free scores, oriented to minimisation
    noise: Floats = field(repr=False)  # (draws,), standard deviation of one run
    source: str = "scores"

    def __len__(self) -> int:
        return len(self.index)

    def plan(self, probability: float = 0.8) -> RerunPlan | None:
        """Return the fewest reruns with which the best of the ranked trials is picked.

        The trial is picked by its old score and its reruns together. None if 50 reruns of each trial are too few.

        Parameters
        ----------
        probability : float
            With which the trial that is picked has the best noise-free score.
        """
        probability = as_probability("probability", probability, "such as 0.8")
        rng = np.random.default_rng(0)
        # In units of the noise, so that nothing overflows.
        unit = float(np.median(self.noise)) or 1.0
        order = np.argsort(-self.probability_best, kind="stable")
        draws = (self.draws[:, order] - self.draws[0, 0]) / unit
        truth = np.tile(draws, (_REPEATS, 1))
        noise = np.tile(self.noise / unit, _REPEATS)[:, None]
        mean, variance = draws.mean(axis=0), np.maximum(draws.var(axis=0), 1e-300)
        best = truth.min(axis=1)
        chance = float(self.probability_best[order[0]])
        if chance >= probability:
            return RerunPlan(1, 0, chance, (int(self.index[order[0]]),))
        plans = sorted((k * r, k, r) for k in range(2, len(self) + 1) for r in _RERUNS)
        for _, k, r in plans:
            reruns = truth[:, :k] + noise / np.sqrt(r) * rng.standard_normal((len(truth), k))
            weight = r / np.maximum(noise**2, 1e-300)
            guess = np.broadcast_to(mean, truth.shape).copy()
            guess[:, :k] = (weight * reruns + mean[:k] / variance[:k]) / (weight + 1 / variance[:k])
            reached = float(np.mean(truth[np.arange(len(truth)), np.argmin(guess, axis=1)] == best))
            if reached >= probability:
                return RerunPlan(k, r, reached, tuple(self.index[order[:k]].tolist()))
        return None


def rank_trials(
    answer: AveragedFit | AveragedPosterior, top: int = 10, *, confidence: float = 0.95, key: Array | None = None
) -> RankedTrials:
    """Rank the best trials of a search by what they would score again.

    The best of many noisy scores is good partly by luck (the winner's curse). The distribution of a trial's noise-free
    score given its observed one follows from the parameters; it is averaged over the posterior.

    Parameters
    ----------
    answer : AveragedFit or AveragedPosterior
        From `nqjax.fit` or `nqjax.confidence_region`.
    top : int
        Number of trials. Those beyond the most probable threshold are left out.
    confidence : float
        Probability of the intervals.
    key : Array, optional
        A JAX random key; the draws hardly depend on it.

    Returns
    -------
    RankedTrials

    Raises
    ------
    InputError
        No averaged answer; ``top`` is not a positive number; invalid confidence.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(1).random(48) ** 2
    >>> ranked = nqjax.rank_trials(nqjax.confidence_region(scores), top=3)
    >>> ranked.index.shape, bool(np.all(ranked.rerun_low < ranked.rerun_high))
    ((3,), True)
    """
    post = region_behind(answer)
    if not isinstance(post, AveragedPosterior):
        raise InputError(f"the answer is {shortened(answer)}: give one from nqjax.fit, without a threshold")
    top, confidence = as_count("top", top), as_probability("confidence", confidence)
    rng = np.random.default_rng(0 if key is None else make_seed(as_key(key)))
    study = post.study
    y = np.where(np.isfinite(study.scores), study.orient(study.scores), np.inf)
    order = np.argsort(y, kind="stable")
    end = study.orient(np.asarray(post.limits[1] if post.minimize else post.limits[0]))
    order = order[: max(1, min(top, int(np.sum(y <= end))))]
    sign = 1 if post.minimize else -1
    best, worst, noise, gamma = oriented_draws(post, _DRAWS)
    draws = noise_free_draws(y[order], best, worst, noise, gamma, rng)
    return ranking_of(order, study.scores, draws, noise, sign, confidence, wider_tails(confidence), "scores", rng)


def ranking_of(
    index: np.ndarray,
    scores: Floats,
    draws: Floats,
    noise: Floats,
    sign: int,
    confidence: float,
    ends: tuple[float, float],
    source: str,
    rng: np.random.Generator | None = None,
) -> RankedTrials:
    """Return the ranking that follows from draws of noise-free scores.

    Parameters
    ----------
    index : ndarray of int, shape (trials,)
        The best trials among the scores.
    scores : ndarray
    draws : ndarray, shape (draws, trials)
        Noise-free scores of these trials, oriented to minimisation.
    noise : ndarray, shape (draws,)
        Standard deviation of one run.
    sign : int
        1 if lower scores are better, else -1.
    confidence : float
    ends : tuple of float
        Shares of the draws at which intervals of this confidence end.
    source : str
    rng : Generator, optional
    """
    rng = np.random.default_rng(0) if rng is None else rng
    again = draws + noise[:, None] * rng.standard_normal(draws.shape)
    intervals = [sign * np.quantile(a, ends, axis=0) for a in (again, draws)]
    (rerun_low, rerun_high), (low, high) = (np.sort(pair, axis=0) for pair in intervals)
    # Equal configurations have equal noise-free scores, and share what they win.
    is_best = draws == draws.min(axis=1, keepdims=True)
    wins = np.mean(is_best / is_best.sum(axis=1, keepdims=True), axis=0)
    return RankedTrials(
        index=index,
        score=np.asarray(scores)[index],
        rerun=sign * draws.mean(axis=0),
        rerun_low=rerun_low,
        rerun_high=rerun_high,
        noise_free_low=low,
        noise_free_high=high,
        probability_best=wins,
        confidence=confidence,
        minimize=sign > 0,
        draws=draws,
        noise=noise,
        source=source,
    )
