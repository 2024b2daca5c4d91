r"""The quadratic and the noisy quadratic distribution, as NumPyro distributions, with their tuning curves.

Near its optimum a loss surface is quadratic, so the score of a random configuration follows the *quadratic*
distribution: ``F(y) = ((y - alpha) / (beta - alpha))**(gamma / 2)`` when minimising (the convex form). One run adds
normal noise: the *noisy quadratic* (Lourie, He, Cho 2025, "Hyperparameter Loss Surfaces Are Simple Near their Optima").
When maximising, both are mirrored: ``Y`` is concave with (alpha, beta) iff ``-Y`` is convex with (-beta, -alpha).
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from numpyro.distributions import Distribution, constraints
from numpyro.distributions.util import promote_shapes, validate_sample
from numpyro.util import is_prng_key

from nqjax import _kernel
from nqjax._average import average_of_best
from nqjax._quantile import log_complement, log_tail_of_one, quantile

_GAMMA_RANGE = (1.0, 50.0)


@functools.partial(jax.jit, static_argnames=("name", "bits"))
def _kernel_call(name: str, r: Array, delta: Array, sigma: Array, gamma: Array, bits: int = 0) -> Array:
    return getattr(_kernel, name)(r, delta, sigma, gamma, bits=bits)


def _whole_bits(gamma: Array) -> int:
    """Bits for the kernel's fast powers when every gamma is known now and whole, else 0."""
    if isinstance(gamma, jax.core.Tracer):
        return 0
    values = np.asarray(gamma)
    whole = values.size > 0 and bool(np.all((values == np.round(values)) & (values >= 1) & (values <= 50)))
    return int(values.max() + 1).bit_length() if whole else 0


class _PowerLaw(Distribution):
    """What the two distributions share: location, scale, direction, and everything that follows from the CDF.

    Subclasses give the convex form in the distance ``r = y - alpha`` from the best score: ``_log_pdf``, ``_log_cdf``,
    ``_log_sf``, ``_cdf`` and ``_quantile``. The concave form is the same in the distance ``r = beta - y``.
    """

    pytree_aux_fields = ("convex",)
    convex: bool
    alpha: Array
    beta: Array
    gamma: Array

    def _set(self, convex: bool, validate_args: bool | None, **parameters: ArrayLike) -> None:
        # Lists first: only arrays and numbers have a dtype.
        given = [p if hasattr(p, "dtype") or np.isscalar(p) else jnp.asarray(p) for p in parameters.values()]
        dtype = jnp.result_type(float, *given)
        arrays = [jnp.asarray(p, dtype) for p in given]
        batch_shape = jnp.broadcast_shapes(*(a.shape for a in arrays))
        for name, value in zip(parameters, promote_shapes(*arrays), strict=True):
            setattr(self, name, value)
        self.convex = bool(convex)
        Distribution.__init__(self, batch_shape, validate_args=validate_args)

    def validate_args(self, strict: bool = True) -> None:
        super().validate_args(strict)
        ordered = self.beta >= self.alpha
        if not isinstance(ordered, jax.core.Tracer) and not np.all(ordered):
            raise ValueError(f"{type(self).__name__} distribution got beta below alpha.")

    # The convex form in r.

    @property
    def _delta(self) -> Array:
        return self.beta - self.alpha

    def _log_pdf(self, r: Array) -> Array:
        raise NotImplementedError

    def _log_cdf(self, r: Array) -> Array:
        raise NotImplementedError

    def _log_sf(self, r: Array) -> Array:
        raise NotImplementedError

    def _cdf(self, r: Array) -> Array:
        raise NotImplementedError

    def _quantile(self, log_p: Array, log_q: Array) -> Array:
        raise NotImplementedError

    def _sample_noise(self, key: Array, shape: tuple[int, ...]) -> ArrayLike:
        raise NotImplementedError

    # Both forms in y.

    def _distance(self, value: ArrayLike) -> Array:
        value = jnp.asarray(value)
        return value - self.alpha if self.convex else self.beta - value

    def _score(self, r: Array) -> Array:
        return self.alpha + r if self.convex else self.beta - r

    @validate_sample
    def log_prob(self, value: ArrayLike) -> Array:
        """Log-density at ``value``, accurate in both tails.

        Parameters
        ----------
        value : ArrayLike
            Scores; they broadcast against the batch shape.
        """
        return self._log_pdf(self._distance(value))

    def cdf(self, value: ArrayLike) -> Array:
        """Probability of a score at or below ``value``."""
        r = self._distance(value)
        return self._cdf(r) if self.convex else jnp.exp(self._log_sf(r))

    def log_cdf(self, value: ArrayLike) -> Array:
        """Log of the CDF, accurate where the CDF itself underflows."""
        r = self._distance(value)
        return self._log_cdf(r) if self.convex else self._log_sf(r)

    def log_sf(self, value: ArrayLike) -> Array:
        """Log of the survival function, ``log P(Y > value)``, accurate where that underflows."""
        r = self._distance(value)
        return self._log_sf(r) if self.convex else self._log_cdf(r)

    def _icdf_from_logs(self, log_p: Array, log_q: Array) -> Array:
        """Quantile from the logs of the probability at or below and of the probability above."""
        return self._score(self._quantile(log_p, log_q) if self.convex else self._quantile(log_q, log_p))

    def icdf(self, q: ArrayLike) -> Array:
        """Quantile function; differentiable in ``q`` and in the parameters.

        Parameters
        ----------
        q : ArrayLike
            Probabilities in [0, 1]; NaN outside.
        """
        given = q if hasattr(q, "dtype") or np.isscalar(q) else jnp.asarray(q)
        q = jnp.asarray(q, jnp.result_type(float, given))
        return self._icdf_from_logs(jnp.log(q), jnp.log1p(-q))

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        """Draw scores.

        Parameters
        ----------
        key : Array
            A PRNG key.
        sample_shape : tuple of int
            The result has shape ``sample_shape + batch_shape``.
        """
        assert is_prng_key(key)
        shape = tuple(sample_shape) + self.batch_shape
        key_power, key_noise = jax.random.split(key)
        # V = U**(2 / gamma) with U uniform, through -log U: no zero, so no infinite derivative in gamma.
        v = jnp.exp(-2 / self.gamma * jax.random.exponential(key_power, shape, self.alpha.dtype))
        return self._score(self._delta * v + self._sample_noise(key_noise, shape))

    @property
    def _noise_variance(self) -> ArrayLike:
        return 0.0

    @property
    def mean(self) -> Array:
        """Expected score of one trial."""
        return jnp.broadcast_to(self._score(self._delta * self.gamma / (self.gamma + 2)), self.batch_shape)

    @property
    def variance(self) -> Array:
        """Variance of the score of one trial."""
        g = self.gamma
        variance = self._delta**2 * 4 * g / ((g + 4) * (g + 2) ** 2) + self._noise_variance
        return jnp.broadcast_to(variance, self.batch_shape)

    def quantile_tuning_curve(self, n: ArrayLike, q: ArrayLike = 0.5, minimize: bool | None = None) -> Array:
        """Quantile of the best score after ``n`` trials: the median tuning curve by default.

        Parameters
        ----------
        n : ArrayLike
            Numbers of trials, positive, not necessarily whole; they broadcast against the batch shape.
        q : ArrayLike
            The quantile of the best score's distribution, in [0, 1].
        minimize : bool, optional
            Whether lower scores are better; by default, whether the distribution is convex.

        Returns
        -------
        Array
            ``F^-1(1 - (1 - q)**(1/n))`` when minimising, ``F^-1(q**(1/n))`` when maximising (Lourie, Cho, He 2023,
            "Show Your Work with Confidence").
        """
        minimize = self.convex if minimize is None else minimize
        n = jnp.asarray(n, self.alpha.dtype)
        q = jnp.asarray(q, self.alpha.dtype)
        log_tail = log_tail_of_one(n, q, lowest=minimize)
        rest = log_complement(log_tail)
        return self._icdf_from_logs(rest, log_tail) if minimize else self._icdf_from_logs(log_tail, rest)

    def average_tuning_curve(self, n: ArrayLike, minimize: bool | None = None) -> Array:
        """Expected best score after ``n`` trials.

        Parameters
        ----------
        n : ArrayLike
            Numbers of trials, positive, not necessarily whole; they broadcast against the batch shape.
        minimize : bool, optional
            Whether lower scores are better; by default, whether the distribution is convex.

        Returns
        -------
        Array
            ``int y d(1 - (1 - F(y))**n)`` when minimising, ``int y d F(y)**n`` when maximising (Dodge et al. 2019,
            "Show Your Work", for the expected best of n draws).
        """
        minimize = self.convex if minimize is None else minimize
        n = jnp.asarray(n, self.alpha.dtype)
        lowest = minimize == self.convex
        return self._score(_average_call(self, n, lowest))


# The loops inside close over the distribution: without jit every call would compile them anew.
@functools.partial(jax.jit, static_argnames="lowest")
def _average_call(d: _PowerLaw, n: Array, lowest: bool) -> Array:
    return average_of_best(d._log_cdf, d._log_sf, d._quantile, d._delta, n, lowest)


class NoisyQuadratic(_PowerLaw):
    """Noisy quadratic distribution: the score of one trial of a random search near the optimum.

    Parameters
    ----------
    alpha, beta : ArrayLike
        The ends of the noiseless scores, ``alpha <= beta``. When minimising (``convex=True``) alpha is the best
        reachable score; when maximising beta is.
    gamma : ArrayLike
        Effective number of hyperparameters, any real number in [1, 50].
    sigma : ArrayLike
        Standard deviation of the noise of one run, on the scale of the scores; may be 0.
    convex : bool
        True for minimisation, False for maximisation.
    validate_args : bool, optional
        As for every NumPyro distribution.

    Notes
    -----
    Lourie, He, Cho 2025, section 4. ``alpha = beta`` gives the normal distribution, ``sigma = 0`` the quadratic one.
    Results follow the dtype of the inputs.
    """

    arg_constraints = {
        "alpha": constraints.real,
        "beta": constraints.real,
        "gamma": constraints.interval(*_GAMMA_RANGE),
        "sigma": constraints.nonnegative,
    }
    support = constraints.real
    reparametrized_params = ["alpha", "beta", "gamma", "sigma"]
    sigma: Array

    def __init__(
        self,
        alpha: ArrayLike = 0.0,
        beta: ArrayLike = 1.0,
        gamma: ArrayLike = 2.0,
        sigma: ArrayLike = 0.1,
        *,
        convex: bool = True,
        validate_args: bool | None = None,
    ) -> None:
        self._set(convex, validate_args, alpha=alpha, beta=beta, gamma=gamma, sigma=sigma)

    def _call(self, name: str, r: Array) -> Array:
        return _kernel_call(name, r, self._delta, self.sigma, self.gamma, bits=_whole_bits(self.gamma))

    def _log_pdf(self, r: Array) -> Array:
        return self._call("log_pdf", r)

    def _log_cdf(self, r: Array) -> Array:
        return self._call("log_cdf", r)

    def _log_sf(self, r: Array) -> Array:
        return self._call("log_sf", r)

    def _cdf(self, r: Array) -> Array:
        return self._call("cdf", r)

    def _quantile(self, log_p: Array, log_q: Array) -> Array:
        return _quantile_call(log_p, log_q, self._delta, self.sigma, self.gamma)

    def _sample_noise(self, key: Array, shape: tuple[int, ...]) -> ArrayLike:
        return self.sigma * jax.random.normal(key, shape, self.alpha.dtype)

    @property
    def _noise_variance(self) -> ArrayLike:
        return self.sigma**2


@jax.jit
def _quantile_call(*args: Array) -> Array:
    dtype = jnp.result_type(*args)
    return quantile(*jnp.broadcast_arrays(*(jnp.asarray(a, dtype) for a in args)))


class Quadratic(_PowerLaw):
    """Quadratic distribution: the noisy quadratic without noise.

    Parameters
    ----------
    alpha, beta : ArrayLike
        The ends of the support, ``alpha <= beta``.
    gamma : ArrayLike
        Effective number of hyperparameters, any real number in [1, 50].
    convex : bool
        True for minimisation, False for maximisation.
    validate_args : bool, optional
        As for every NumPyro distribution.

    Notes
    -----
    Lourie, He, Cho 2025, section 3; ``(Y - alpha) / (beta - alpha)`` is Beta(gamma / 2, 1).
    """

    arg_constraints = {
        "alpha": constraints.real,
        "beta": constraints.real,
        "gamma": constraints.interval(*_GAMMA_RANGE),
    }
    reparametrized_params = ["alpha", "beta", "gamma"]

    def __init__(
        self,
        alpha: ArrayLike = 0.0,
        beta: ArrayLike = 1.0,
        gamma: ArrayLike = 2.0,
        *,
        convex: bool = True,
        validate_args: bool | None = None,
    ) -> None:
        self._set(convex, validate_args, alpha=alpha, beta=beta, gamma=gamma)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        """The interval from alpha to beta."""
        return constraints.interval(self.alpha, self.beta)

    def _log_v(self, r: Array) -> Array:
        """Log of the place in the support, cleaned: outside it is the log of the nearer end."""
        delta = self._delta
        inside = (r > 0) & (r < delta)
        return jnp.where(inside, jnp.log(jnp.where(inside, r / delta, 0.5)), jnp.where(r >= delta, 0.0, -jnp.inf))

    def _log_pdf(self, r: Array) -> Array:
        outside = (r < 0) | (r > self._delta)
        power = self.gamma / 2 - 1
        log_v = self._log_v(jnp.where(outside, 0.5 * self._delta, r))
        # At alpha the density is 0, finite or infinite as gamma is above, at or below 2.
        rise = jnp.where(power == 0, 0.0, power * jnp.where(power == 0, 0.0, log_v))
        return jnp.where(outside, -jnp.inf, jnp.log(self.gamma / 2) - jnp.log(self._delta) + rise)

    def _log_cdf(self, r: Array) -> Array:
        return self.gamma / 2 * self._log_v(r)

    def _log_sf(self, r: Array) -> Array:
        return log_complement(self._log_cdf(r))

    def _cdf(self, r: Array) -> Array:
        return jnp.exp(self._log_cdf(r))

    def _quantile(self, log_p: Array, log_q: Array) -> Array:
        del log_q
        return self._delta * jnp.exp(2 / self.gamma * jnp.where(log_p <= 0, log_p, jnp.nan))

    def _sample_noise(self, key: Array, shape: tuple[int, ...]) -> ArrayLike:
        del key, shape
        return 0.0
