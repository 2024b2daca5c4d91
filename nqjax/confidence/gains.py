"""Gains of more trials of a random search, beyond the best score that was seen."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nqjax.errors import InputError
from nqjax.estimation.fit import Fit
from nqjax.inputs import as_number, as_trials, shortened
from nqjax.special.chunked import noisy_cdf
from nqjax.types import Floats


class Gains(NamedTuple):
    """Gains of more trials under a fit; every array has the shape of ``trials``.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> fit = nqjax.fit(np.random.default_rng(0).random(48), threshold=None, gamma=2, sigma=0)
    >>> gains = nqjax.expected_gains(fit, [10, 100])
    >>> bool(gains.probability[0] < gains.probability[1])
    True
    """

    trials: Floats  # numbers of further trials
    probability: Floats  # that the best of them is better than the best score seen
    probability_beyond_noise: Floats  # that it is better by more than one standard deviation of the noise
    median_best: Floats  # median of the best score of all trials, those already run included


def expected_gains(fit: Fit, trials: ArrayLike = (10, 100, 1000), *, best: float | None = None) -> Gains:
    """Return what more trials of a random search would bring.

    Parameters
    ----------
    fit : Fit
        A fit to the search. The uncertainty of its parameters is ignored.
    trials : array_like
        Numbers of further trials, positive.
    best : float, optional
        The best score so far; by default that of the fit's search.

    Returns
    -------
    Gains

    Raises
    ------
    InputError
        No fit; numbers of trials that are not positive; a best score that is not a number.

    Notes
    -----
    With F the fitted distribution, oriented to minimisation, the best of n more trials is below the score y with
    probability ``1 - (1 - F(y))**n``. Part of what is won in this way is the noise of
    single runs.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(48)
    >>> fit = nqjax.fit(scores, threshold=None, gamma=2, sigma=0)
    >>> gains = nqjax.expected_gains(fit, 48)
    >>> bool(0 < gains.probability < 1)
    True
    """
    if not isinstance(fit, Fit):
        raise InputError(f"the fit is {shortened(fit)}: give one from nqjax.fit")
    n = as_trials(trials)
    score = fit.best_score if best is None else as_number("best", best)
    sign = 1 if fit.minimize else -1
    log_miss = [np.log1p(-_cdf(fit, at)) for at in (score, score - sign * fit.sigma)]
    better, beyond = (-np.expm1(n * miss) for miss in log_miss)
    curve = fit.quantile_tuning_curve(n)
    return Gains(n, better, beyond, np.minimum(score, curve) if fit.minimize else np.maximum(score, curve))


def _cdf(fit: Fit, score: float) -> float:
    """Return the probability that one trial is at least as good as a score."""
    delta, sigma = max(fit.beta - fit.alpha, 1e-300), fit.sigma
    distance = (score - fit.alpha if fit.minimize else fit.beta - score) / delta
    return float(np.clip(noisy_cdf(np.asarray(distance), 1.0, sigma / delta, float(fit.gamma)), 0.0, 1.0 - 2.0**-53))
