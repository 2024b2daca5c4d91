"""Whether the scores of a search look like noise alone: draws from one normal distribution."""

import math

import numpy as np
import scipy.special

from nqjax.errors import InputError
from nqjax.estimation.fit import fit_prepared
from nqjax.estimation.study import Study, prepare

#: Fewest finite scores that can look like noise alone: fewer look like anything.
_FEWEST = 20

#: Most scores that the Shapiro-Wilk test takes.
_MOST = 5000

#: Scores look normal from this p-value on. Normal scores do so in 7 of 10 searches.
_NORMAL_P = 0.3

#: Skewness in standard errors from which the scores are not normal, so that no test is needed.
_SKEWED = 3.0

#: The noisy quadratic describes all scores better if its log-likelihood exceeds the normal distribution's by this.
_BETTER = 1.0

#: The answer for such a search.
NOISE_ALONE = "the scores look like noise alone: nothing here says that the hyperparameters matter"


def is_noise_alone(study: Study) -> bool:
    """Return whether a normal distribution describes all scores of a search as well as a noisy quadratic does.

    Then nothing can be said of gamma. docs/coverage.md has the shares of noise that are found, and of false alarms.
    """
    y = study.orient(np.asarray(study.scores, np.float64))
    if not np.all(np.isfinite(y)) or not _FEWEST <= len(y) <= _MOST:
        return False
    # In these units no square over- or underflows.
    unit = float(np.max(np.abs(y))) or 1.0
    y = y / unit
    centre, spread = float(np.mean(y)), float(np.std(y))
    if spread == 0 or len(np.unique(y)) < len(y) / 2:
        return False
    z = (y - centre) / spread
    if abs(float(np.mean(z**3))) > _SKEWED * math.sqrt(6 / len(y)):
        return False
    from scipy.stats import shapiro  # importing it takes half a second

    if shapiro(z).pvalue <= _NORMAL_P:
        return False
    try:
        everything = prepare(study._replace(limits=(-math.inf, math.inf)))
        fit = fit_prepared(everything)
    except InputError:
        return False
    data = everything.data
    shares = data.counts / data.counts.sum()
    ends = scipy.special.ndtr((data.knots / unit - centre) / spread)
    mass = np.diff(np.concatenate([[0.0], ends, [1.0]]))
    used = shares > 0
    loss = -float(np.sum(shares[used] * np.log(np.maximum(mass[used], 1e-300) / shares[used])))
    return (loss - fit.loss) * (len(y) + 1) < _BETTER
