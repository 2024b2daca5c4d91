"""The point estimates of an answer that is averaged over the threshold."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from nqjax.posterior.averaged import AveragedPosterior, Curve
from nqjax.types import Floats

if TYPE_CHECKING:
    from nqjax.inputs import Limits


@dataclass(frozen=True)
class AveragedFit:
    """The answer to one search whose threshold is not known: estimates with intervals.

    Attributes
    ----------
    alpha, beta, gamma, sigma : float
        Posterior medians, on the scale of the scores; gamma is a real number. Each is the best guess for its parameter
        alone; curves are averaged by themselves.
    posterior : AveragedPosterior
        The draws behind the estimates.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> rng = np.random.default_rng(0)
    >>> scores = 0.1 + rng.random(64) + 0.02 * rng.normal(size=64)  # gamma = 2
    >>> fit = nqjax.fit(scores)
    >>> low, high = fit.interval("best", 0.95)
    >>> bool(low < fit.alpha < high)
    True
    >>> fit.quantile_tuning_curve([10, 100]).shape
    (2,)
    """

    alpha: float
    beta: float
    gamma: float
    sigma: float
    posterior: AveragedPosterior = field(repr=False, compare=False)

    @property
    def minimize(self) -> bool:
        """Whether lower scores are better."""
        return self.posterior.minimize

    @property
    def limits(self) -> "Limits":
        """The regime of the most probable threshold."""
        return self.posterior.limits

    @property
    def threshold(self) -> float:
        """The most probable threshold."""
        return self.limits[1] if self.minimize else self.limits[0]

    @property
    def num_scores(self) -> int:
        """Number of all scores."""
        return self.posterior.num_scores

    @property
    def num_used(self) -> float:
        """Posterior mean of the number of scores in the regime."""
        return self.posterior.mean_used

    @property
    def num_failed(self) -> int:
        """Number of failed runs (NaN or infinite scores)."""
        return int(np.sum(~np.isfinite(self.posterior.study.scores)))

    @property
    def best_score(self) -> float:
        """The best score that was seen."""
        scores = self.posterior.study.scores
        finite = scores[np.isfinite(scores)]
        return float(finite.min() if self.minimize else finite.max())

    @property
    def regime_probability(self) -> float:
        """Posterior median of the probability that one trial's score is in the regime."""
        return self.posterior.estimate("regime_probability")

    @property
    def regime_start(self) -> float:
        """Number of trials from which the median best score lies in the regime."""
        return self.posterior.regime_start

    @property
    def warnings(self) -> list[str]:
        """The reasons not to rely on the answer, in sentences."""
        return self.posterior.warnings

    def interval(self, name: str, confidence: float = 0.95) -> tuple[float, float]:
        """Return the credible interval of a parameter or of the ``best`` score, see `AveragedPosterior.interval`."""
        return self.posterior.interval(name, confidence)

    def quantile_tuning_curve(self, n: ArrayLike, q: float = 0.5) -> Floats:
        """Return the estimated quantile of the best score after ``n`` trials, the median by default, shape of n."""
        return self.posterior.quantile_tuning_curve(n, q)

    def curve(self, n: ArrayLike, confidence: float = 0.95, q: float = 0.5) -> Curve:
        """Return the same with its interval, see `AveragedPosterior.curve`."""
        return self.posterior.curve(n, confidence, q)


def averaged_fit(post: AveragedPosterior) -> AveragedFit:
    """Return the point estimates of a posterior."""
    alpha, beta, gamma, sigma = (post.estimate(name) for name in ("alpha", "beta", "gamma", "sigma"))
    return AveragedFit(alpha, beta, gamma, sigma, post)
