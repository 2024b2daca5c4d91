"""Gains of the next trials of a random search, in the reported score and in what a rerun keeps."""

from typing import NamedTuple

import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from nqjax.confidence.region import region_behind, wider_tails
from nqjax.errors import InputError
from nqjax.inputs import as_key, as_probability, as_trials, shortened
from nqjax.posterior.averaged import AveragedPosterior
from nqjax.posterior.averaged_fit import AveragedFit
from nqjax.posterior.noise_free import noise_free_draws, oriented_draws
from nqjax.posterior.seeds import make_seed
from nqjax.types import Floats

#: Draws of the posterior that are used, and most trials that are simulated for each.
_DRAWS = 1000
_MOST_TRIALS = 10_000

#: Numbers of simulated scores that are in memory together.
_TOGETHER = 2_000_000


class NextTrials(NamedTuple):
    """Gains of more trials; every array has the shape of ``trials``. A gain of 0 is no gain, whatever the direction.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> rng = np.random.default_rng(0)
    >>> scores = 0.1 + rng.random(48) + 0.05 * rng.normal(size=48)
    >>> gains = nqjax.next_trials(nqjax.fit(scores), [10, 100])
    >>> bool(gains.kept[0] < gains.kept[1] < gains.reported[1])
    True
    """

    trials: Floats
    kept: Floats  # expected gain of the noise-free score of the trial that looks best
    kept_low: Floats  # ends of its interval; a gain below 0 is a loss
    kept_high: Floats
    reported: Floats  # expected gain of the best reported score
    probability: Floats  # that a better score than the best one is reported


def next_trials(
    answer: AveragedFit | AveragedPosterior,
    trials: ArrayLike = (1, 10, 50, 200),
    *,
    confidence: float = 0.8,
    key: Array | None = None,
) -> NextTrials:
    """Return what more trials of the same random search would gain.

    New trials are simulated from each draw of the posterior. The search then has another best trial if one of them
    reports a better score than all before; the gain that is kept is the difference of the noise-free scores of the new
    and the old best trial. It is smaller than the reported gain, because part of the new best score is luck, too. It is
    below 0 where the trial that then looks best is worse than the old one.

    Parameters
    ----------
    answer : AveragedFit or AveragedPosterior
        From `nqjax.fit` or `nqjax.confidence_region`.
    trials : array_like
        Numbers of further trials, whole and up to 10,000.
    confidence : float
        Probability of the intervals. They hold the gain of one such search, its luck included.
    key : Array, optional
        A JAX random key.

    Raises
    ------
    InputError
        No averaged answer; numbers of trials that are not whole, or too large; invalid confidence.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(1).random(48) ** 2
    >>> gains = nqjax.next_trials(nqjax.confidence_region(scores), 50)
    >>> bool(gains.kept_low <= gains.kept_high)
    True
    """
    n = as_trials(trials)
    ends = wider_tails(as_probability("confidence", confidence))
    kept, reported = simulated_gains(answer, n.ravel(), key)
    low, high = np.quantile(kept, ends, axis=0)
    rows = kept.mean(axis=0), low, high, reported.mean(axis=0), np.mean(reported > 0, axis=0)
    return NextTrials(n, *(np.asarray(row.reshape(n.shape)) for row in rows))


def simulated_gains(
    answer: AveragedFit | AveragedPosterior, trials: Floats, key: Array | None = None
) -> tuple[Floats, Floats]:
    """Return the gains of simulated further trials, kept and reported, shape (draws, numbers of trials) each.

    Raises
    ------
    InputError
        The answer is of one threshold; numbers of trials that are not whole, or too large.
    """
    post = region_behind(answer)
    if not isinstance(post, AveragedPosterior):
        raise InputError(f"the answer is {shortened(answer)}: give one from nqjax.fit, without a threshold")
    if np.any((trials != np.rint(trials)) | (trials > _MOST_TRIALS)):
        raise InputError(f"the numbers of trials are whole, and at most {_MOST_TRIALS:,}")
    rng = np.random.default_rng(1 if key is None else make_seed(as_key(key)))
    best, worst, sigma, gamma = oriented_draws(post, _DRAWS)
    score = float(post.study.orient(np.asarray(post.best_score)))
    now = noise_free_draws(np.array([score]), best, worst, sigma, gamma, rng)[:, 0]
    wanted = trials.astype(int)
    kept, reported = (np.empty((len(best), len(wanted))) for _ in range(2))
    most = int(wanted.max(initial=1))
    step = max(1, _TOGETHER // most)
    for start in range(0, len(best), step):
        some = slice(start, start + step)
        low, high, noise, power = (a[some, None] for a in (best, worst, sigma, 2 / gamma))
        v = low + (high - low) * rng.random((len(low), most)) ** power
        y = v + noise * rng.standard_normal(v.shape)
        for place, number in enumerate(wanted):
            first = np.argmin(y[:, :number], axis=1)[:, None]
            found = np.take_along_axis(y, first, axis=1)[:, 0]
            better = found < score
            reported[some, place] = np.where(better, score - found, 0.0)
            kept[some, place] = np.where(better, now[some] - np.take_along_axis(v, first, axis=1)[:, 0], 0.0)
    return kept, reported
