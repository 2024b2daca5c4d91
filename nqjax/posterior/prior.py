"""Prior distributions of the four parameters, in terms that have no unit."""

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
from nqjax.posterior.sorted_leaves import SortedLeaves


@functools.cache
def _uniform() -> Distribution:
    return dist.Uniform(0.0, 1.0)


@functools.cache
def _log_normal() -> Distribution:
    return dist.LogNormal(math.log(0.1), 1.5)


@dataclass(frozen=True)
class Prior:
    """What is believed before the scores are seen; each part can be replaced by a NumPyro distribution.

    Attributes
    ----------
    regime_share : Distribution on (0, 1)
        Probability that a random configuration's noiseless score lies in the regime,
        ``((threshold - alpha) / (beta - alpha))**(gamma / 2)`` when minimising. Uniform by default. Without a
        threshold the regime is everything and this is not used.
    relative_noise : Distribution on (0, inf)
        sigma divided by the width of the regime, ``threshold - alpha`` when minimising (without a threshold,
        ``beta - alpha``). By default log-normal with median 0.1 and 1.5 for the standard deviation of its logarithm:
        95 % between 0.005 and 1.9, where published searches have 0.05 to 0.25.
    width : Distribution on (0, inf), optional
        The width of the regime, on the scale of the scores. By default nothing is known of it: its logarithm is
        uniform, which makes the posterior follow any change of units; alpha then is anywhere on the winning side of the
        threshold. Bounds such as ``alpha=(0, 1)`` are given to `nqjax.sample_posterior` itself.
    gamma : mapping of int to float, optional
        Relative probabilities of the effective number of hyperparameters; uniform over the range by default.

    Notes
    -----
    A flat logarithm of a scale is improper, but the posterior is not: three different scores are asked for. It is the
    right Haar prior of the scale, under which credible intervals also cover in repeated searches, averaged over the
    other priors (Stein 1965). Bounds cut the joint prior off, and so change the probabilities that it gives to gamma.
    """

    regime_share: Distribution = field(default_factory=_uniform)
    relative_noise: Distribution = field(default_factory=_log_normal)
    width: Distribution | None = None
    gamma: Mapping[int, float] | None = None

    def __post_init__(self) -> None:
        """Check each part; raises InputError."""
        _check("regime_share", self.regime_share, "between 0 and 1")
        _check("relative_noise", self.relative_noise, "above 0")
        if self.width is not None:
            _check("width", self.width, "above 0")
        if self.gamma is not None and not isinstance(self.gamma, Mapping):
            raise InputError(f"the prior of gamma is {self.gamma!r}: give a mapping, such as {{1: 0.5, 2: 0.5}}")

    def log_gamma(self, low: int, high: int) -> NDArray[np.float64]:
        """Logarithms of the prior probabilities of the gammas from ``low`` to ``high``.

        Raises
        ------
        InputError
            Probabilities that are none, or none of a gamma in the range.
        """
        numbers = range(low, high + 1)
        if self.gamma is None:
            return np.full(len(numbers), -math.log(len(numbers)))
        try:
            weights = np.array([float(self.gamma.get(g, 0.0)) for g in numbers])
        except (TypeError, ValueError):
            raise InputError("the prior of gamma holds what is no number: give such as {1: 0.5, 2: 0.5}") from None
        if not (np.all(weights >= 0) and np.all(np.isfinite(weights)) and weights.sum() > 0):
            raise InputError(f"the prior of gamma gives no probability to the range {low} to {high}: widen one")
        with np.errstate(divide="ignore"):
            return np.log(weights / weights.sum())

    @property
    def parts(self) -> "Parts":
        """The distributions, as a program takes them."""
        given = self.regime_share, self.relative_noise, self.width
        parts = tuple(d if d is None else SortedLeaves(d) for d in given)
        return jax.tree.map(lambda a: np.asarray(a, np.float64), parts)  # type: ignore[no-any-return]


#: The distributions of a prior.
Parts = tuple[SortedLeaves, SortedLeaves, SortedLeaves | None]


def _check(name: str, prior: Any, where: str) -> None:
    if prior is _uniform() or prior is _log_normal():
        return  # the check of a density compiles it, which takes a tenth of a posterior's time
    if not isinstance(prior, Distribution) or prior.is_discrete or prior.event_dim or prior.batch_shape:
        raise InputError(f"the prior of {name} is {prior!r}: give one continuous NumPyro distribution of a number")
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
    """Ends of the support, traced where the distribution is."""
    low, high = (getattr(prior.support, name, None) for name in ("lower_bound", "upper_bound"))
    return -math.inf if low is None else low, math.inf if high is None else high


def _some(prior: Distribution) -> Array:
    """A number of the support of a prior that has been checked."""
    low, high = _support(prior)
    return low + jnp.minimum((high - low) / 2, 0.5)


def log_prior(
    parts: Parts, theta: Array, log_width: Array, gamma: Array, has_threshold: Array, log_scale: Array
) -> Array:
    """Log-density of (alpha, log(beta - alpha), log sigma), but for a constant.

    Parameters
    ----------
    theta : Array, shape (3,)
        These parameters; their scale is ``exp(log_scale)`` times as large.
    log_width : Array, shape ()
        Log of the regime's width, on the scale of theta.
    gamma, has_threshold, log_scale : Array, shape ()
    """
    regime, noise = parts[0].distribution, parts[1].distribution
    width = parts[2] and parts[2].distribution
    _, log_delta, log_sigma = theta
    log_share = gamma / 2 * (log_width - log_delta)
    share = jnp.clip(jnp.exp(log_share), 1e-300, 1 - 1e-16)
    # With a threshold the prior is of (log width, share, log noise), else of (alpha, log delta, log noise).
    by_share = log_density(regime, share) + log_share + jnp.log(gamma / 2) - log_width
    ratio = log_sigma - log_width
    value = jnp.where(has_threshold, by_share, 0.0) + log_density(noise, jnp.exp(ratio)) + ratio
    return value if width is None else value + log_density(width, jnp.exp(log_width + log_scale)) + log_width


def log_density(prior: Distribution, x: Array) -> Array:
    """Log-density, -inf outside the support also where a distribution does not check it."""
    inside = prior.support(x)
    return jnp.where(inside, prior.log_prob(jnp.where(inside, x, _some(prior))), -jnp.inf)
