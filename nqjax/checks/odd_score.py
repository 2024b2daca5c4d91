"""Whether the best score decides the fit by itself: one run that logged an impossible value can do that."""

import math
from typing import NamedTuple

import numpy as np

from nqjax.checks.goodness import Parameters
from nqjax.errors import InputError
from nqjax.estimation.evaluate import group, losses, standard_theta
from nqjax.estimation.fit import Fit, fit_prepared
from nqjax.estimation.study import Study, prepare
from nqjax.special.chunked import noisy_cdf

#: Fewest scores in the regime among which one can be odd.
_FEWEST = 5

#: Least gap between the best two scores, in units of the regime's width without the best one.
_LEAST_GAP = 0.3

#: The gap times the number of fitted scores is at least this: among few scores wide gaps are common.
_LEAST_GAP_OF_FEW = 8.0

#: Least statistic, see `odd_score`. True regimes reach it in 0.7 % of searches, in the worst of 27 kinds in 3.5 %.
_LEAST_STATISTIC = 7.0

#: The answer changes decisively if alpha moves by this share of the regime's width, or sigma by this factor.
_ALPHA_SHARE = 0.1
_SIGMA_FACTOR = 3.0


class OddScore(NamedTuple):
    """The best score, where it decides the fit; alpha and sigma are those of the fit without it."""

    place: int  # in the search, counted from 0
    score: float
    best: float  # alpha when minimising, beta when maximising
    sigma: float


def stands_apart(study: Study) -> bool:
    """Return whether a wide gap lies between the best score and the second best one."""
    y = study.orient(np.asarray(study.scores, np.float64))
    low, end = study.ends
    inside = np.sort(y[np.isfinite(y) & (y <= end)])
    if len(inside) < _FEWEST or inside[0] <= low:
        return False
    gap, width = inside[1] - inside[0], inside[-1] - inside[1]
    return bool(width > 0 and gap > 0 and gap >= max(_LEAST_GAP, _LEAST_GAP_OF_FEW / len(inside)) * width)


def odd_score(study: Study, fit: Fit) -> OddScore | None:
    """Return the best score if the fit without it is decisively another one, else None.

    The statistic compares the two fits on the other scores, by a likelihood ratio, and adds how improbable the best
    score is under the fit to all. Only searches with a wide gap below the second best score are fitted again.
    """
    if fit.alpha == fit.beta or not stands_apart(study):
        return None
    y = study.orient(np.asarray(study.scores, np.float64))
    ranked = np.where(np.isfinite(y), y, math.inf)
    place = int(np.argmin(ranked))
    best, second = np.sort(ranked)[:2]
    width = float(np.max(ranked[np.isfinite(ranked) & (ranked <= study.ends[1])])) - second
    rest = study._replace(scores=np.delete(study.scores, place))
    try:
        scaled = prepare(rest)
        without = fit_prepared(scaled)
    except InputError:
        return None
    old, new = Parameters.of(fit), Parameters.of(without)
    where = scaled.location, scaled.scale
    theta = np.array([standard_theta(*one[:3], *where) for one in (old, new)])
    gammas = np.array([round(old.gamma), round(new.gamma)])
    both = losses(group([(scaled.data, *where)]), np.zeros(2, np.intp), gammas, theta)
    statistic = 2 * (scaled.data.num_scores + 1) * (both[0] - both[1]) - 2 * _log_chance(old, best, len(y))
    floor = 1e-3 * width
    factor = max(old.sigma, floor) / max(new.sigma, floor)
    moved = abs(old.alpha - new.alpha) >= _ALPHA_SHARE * width or not 1 / _SIGMA_FACTOR < factor < _SIGMA_FACTOR
    if statistic < _LEAST_STATISTIC or not moved:
        return None
    end_of_regime = without.alpha if study.minimize else without.beta
    return OddScore(place, float(study.scores[place]), end_of_regime, without.sigma)


def _log_chance(parameters: Parameters, score: float, n: int) -> float:
    """Return the log-probability that the best of n trials is at least as good as a score."""
    alpha, delta, sigma, gamma = parameters
    delta = max(delta, 1e-300)
    tail = float(noisy_cdf(np.asarray((score - alpha) / delta), 1.0, sigma / delta, float(gamma)))
    better = -math.expm1(n * math.log1p(-min(max(tail, 0.0), 1 - 2.0**-53)))
    return math.log(max(better, 1e-300))
