"""Prior distributions of the four parameters, in terms without units."""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax import Array
from numpy.typing import NDArray
from numpyro.distributions import Distribution

from nqjax.errors import InputError
from nqjax.inputs import shortened
from nqjax.posterior.sorted_leaves import SortedLeaves


@functools.cache
def _uniform() -> Distribution:
    return dist.Uniform(0.0, 1.0)


@functools.cache
def _log_normal() -> Distribution:
    return dist.LogNormal(math.log(0.1), 1.5)


@dataclass(frozen=True)
class Prior:
    """Prior distribution of the parameters; each part can be replaced by a NumPyro distribution.

    Attributes
    ----------
    regime_share : Distribution on (0, 1)
        Probability that a random configuration's noiseless score lies in the regime,
        ``((threshold - alpha) / (beta - alpha))**(gamma / 2)`` when minimising. Uniform by default. Without a
        threshold all scores are in the regime and this is not used.
    relative_noise : Distribution on (0, inf)
        sigma divided by the width of the regime, ``threshold - alpha`` when minimising (without a threshold,
        ``beta - alpha``). By default log-normal with median 0.1 and standard deviation 1.5 of its logarithm: 95 % lie
        between 0.005 and 1.9; published searches have 0.05 to 0.25.
    width : Distribution on (0, inf), optional
        The width of the regime, on the scale of the scores. By default its logarithm is uniform (improper), which makes
        the posterior independent of the units; alpha can be anywhere on the winning side of the threshold. Bounds such
        as ``alpha=(0, 1)`` are arguments of `nqjax.sample_posterior`.
    gamma : mapping of int to float, optional
        Relative probabilities of the effective number of hyperparameters; uniform over the range by default.

    Notes
    -----
    The uniform logarithm of the width is improper, but the posterior of three or more different scores is proper. It is
    the right Haar prior of a scale, under which credible intervals also cover in repeated searches, averaged over the
    other priors (Stein 1965). Bounds truncate the joint prior, and so change its probabilities of gamma.

    Examples
    --------
    >>> import numpy as np
    >>> import numpyro.distributions as dist
    >>> import nqjax
    >>> prior = nqjax.Prior(relative_noise=dist.LogNormal(-2.0, 0.5), gamma={1: 1.0, 2: 3.0})
    >>> np.exp(prior.log_gamma(1, 3)).round(2).tolist()
    [0.25, 0.75, 0.0]
    """

    regime_share: Distribution = field(default_factory=_uniform)
    relative_noise: Distribution = field(default_factory=_log_normal)
    width: Distribution | None = None
    gamma: Mapping[int, float] | None = None

    def __post_init__(self) -> None:
        """Check each part; raise InputError if it is invalid."""
        _check("regime_share", self.regime_share, "between 0 and 1")
        _check("relative_noise", self.relative_noise, "above 0")
        if self.width is not None:
            _check("width", self.width, "above 0")
        if self.gamma is not None and not isinstance(self.gamma, Mapping):
            raise InputError(
                f"the prior of gamma is {shortened(self.gamma)}: give a mapping, such as {{1: 0.5, 2: 0.5}}"
            )

    def log_gamma(self, low: int, high: int) -> NDArray[np.float64]:
        """Return the logarithms of the prior probabilities of the gammas from ``low`` to ``high``.

        Raises
        ------
        InputError
            Invalid probabilities, or none above 0 in the range.
        """
        numbers = range(low, high + 1)
        if self.gamma is None:
            return np.full(len(numbers), -math.log(len(numbers)))
        try:
            weights = np.array([float(self.gamma.get(g, 0.0)) for g in numbers])
        except (TypeError, ValueError):
            raise InputError(
                "the prior of gamma holds something that is not a number: give a mapping such as {1: 0.5, 2: 0.5}"
            ) from None
        if not (np.all(weights >= 0) and np.all(np.isfinite(weights)) and weights.sum() > 0):
            raise InputError(f"the prior of gamma gives no probability to the range {low} to {high}: widen one")
        with np.errstate(divide="ignore"):
            return np.log(weights / weights.sum())

    @property
    def parts(self) -> "Parts":
        """The distributions as pytrees for compiled programs."""
        given = self.regime_share, self.relative_noise, self.width
        parts = tuple(d if d is None else SortedLeaves(d) for d in given)
        return jax.tree.map(lambda a: np.asarray(a, np.float64), parts)  # type: ignore[no-any-return]


#: The distributions of a prior.
Parts = tuple[SortedLeaves, SortedLeaves, SortedLeaves | None]


def _check(name: str, prior: Any, where: str) -> None:
    if prior is _uniform() or prior is _log_normal():
        return  # checking the density compiles it, which takes a tenth of a posterior's time
    if not isinstance(prior, Distribution) or prior.is_discrete or prior.event_dim or prior.batch_shape:
        raise InputError(
            f"the prior of {name} is {shortened(prior)}: give one continuous NumPyro distribution of a number"
        )
    if isinstance(prior, dist.ImproperUniform):
        raise InputError(f"the prior of {name} is improper: give a distribution that can be sampled")
    low, high = (float(end) for end in _support(prior))
    most = 1.0 if name == "regime_share" else math.inf
    if not (low >= 0 and high <= most and low < high):
        raise InputError(f"the prior of {name} reaches beyond its values: give a distribution of numbers {where}")
    with jax.ensure_compile_time_eval():
        density = np.asarray(jax.jit(prior.log_prob)(jnp.asarray(_some(prior))))
    if np.isnan(density):
        raise InputError(f"the prior of {name} has no density: check its parameters")


def _support(prior: Distribution) -> tuple[Any, Any]:
    """Return the ends of the support; they are traced if the distribution is traced."""
    low, high = (getattr(prior.support, name, None) for name in ("lower_bound", "upper_bound"))
    return -math.inf if low is None else low, math.inf if high is None else high


def _some(prior: Distribution) -> Array:
    """Return one number inside the support of a distribution that has been checked."""
    low, high = _support(prior)
    return low + jnp.minimum((high - low) / 2, 0.5)


def log_prior(
    parts: Parts, theta: Array, log_width: Array, gamma: Array, has_threshold: Array, log_scale: Array
) -> Array:
    """Return the log density of (alpha, log(beta - alpha), log sigma), up to a constant.

    Parameters
    ----------
    theta : Array, shape (3,)
        These parameters, in units of ``exp(log_scale)``.
    log_width : Array, shape ()
        Log of the regime's width, in the same units.
    gamma, has_threshold, log_scale : Array, shape ()
    """
    regime, noise = parts[0].distribution, parts[1].distribution
    width = parts[2] and parts[2].distribution
    _, log_delta, log_sigma = theta
    log_share = gamma / 2 * (log_width - log_delta)
    share = jnp.clip(jnp.exp(log_share), 1e-300, 1 - 1e-16)
    # The prior is a density of (log width, share, log noise) with a threshold, else of (alpha, log delta, log noise).
    by_share = log_density(regime, share) + log_share + jnp.log(gamma / 2) - log_width
    ratio = log_sigma - log_width
    value = jnp.where(has_threshold, by_share, 0.0) + log_density(noise, jnp.exp(ratio)) + ratio
    return value if width is None else value + log_density(width, jnp.exp(log_width + log_scale)) + log_width


def log_density(prior: Distribution, x: Array) -> Array:
    """Return the log density, -inf outside the support even if the distribution does not check it."""
    inside = prior.support(x)
    return jnp.where(inside, prior.log_prob(jnp.where(inside, x, _some(prior))), -jnp.inf)
