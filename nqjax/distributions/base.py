"""Base class of the quadratic and the noisy quadratic: direction, moments, quantiles, samples and tuning curves."""

import copy
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from numpyro.distributions import Distribution
from numpyro.distributions.util import promote_shapes, validate_sample
from numpyro.util import is_prng_key

from nqjax.distributions.arguments import check_shapes, read_probability, read_trials
from nqjax.distributions.by_parameters import ByParameters
from nqjax.inputs import as_flag
from nqjax.special.best_of import average_of_best, log_tail_of_one
from nqjax.special.log_probability import log_complement, logs_of_probability
from nqjax.special.uniforms import uniform


def _array(x: ArrayLike) -> Any:
    """Return lists as arrays; return arrays and numbers unchanged, because they have a dtype already."""
    return x if hasattr(x, "dtype") or np.isscalar(x) else jnp.asarray(x)


class PowerLaw(ByParameters, Distribution):
    """Base class of both distributions: location, scale, direction, and all that follows from the CDF.

    Subclasses define the convex form in the distance ``r = y - alpha`` from the best score: ``_log_pdf``, ``_log_cdf``,
    ``_log_sf``, ``_cdf`` and ``_quantile``. The concave form is computed as its mirror image, so one program serves
    both, and they agree to the last digit.
    """

    pytree_aux_fields = ("convex",)
    convex: bool
    alpha: Array
    beta: Array
    gamma: Array

    def _set(self, convex: bool, validate_args: bool | None, **parameters: ArrayLike) -> None:
        given = [_array(p) for p in parameters.values()]
        dtype = jnp.result_type(float, *given)
        arrays = [jnp.asarray(p, dtype) for p in given]
        batch_shape = jnp.broadcast_shapes(*(a.shape for a in arrays))
        for name, value in zip(parameters, promote_shapes(*arrays), strict=True):
            setattr(self, name, value)
        self.convex = bool(convex)
        Distribution.__init__(self, batch_shape, validate_args=validate_args)

    @classmethod
    def gather_pytree_data_fields(cls) -> tuple[str, ...]:
        """Return the parameters' names in a fixed order.

        NumPyro's order depends on Python's string hashes, which differ in every process, so that one process would not
        find programs that another has compiled and cached.
        """
        return tuple(sorted(super().gather_pytree_data_fields()))

    def validate_args(self, strict: bool = True) -> None:
        """Check the parameters.

        Raises
        ------
        ValueError
            A parameter outside its range, or beta below alpha.
        """
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

    def _sf(self, r: Array) -> Array:
        return jnp.exp(self._log_sf(r))

    def _quantile(self, log_p: Array, log_q: Array) -> Array:
        raise NotImplementedError

    def _is_bare(self) -> ArrayLike:
        """Return where there is no noise."""
        raise NotImplementedError

    def _sample_noise(self, key: Array, shape: tuple[int, ...]) -> ArrayLike:
        raise NotImplementedError

    # Both forms in y.

    def _mirrored(self, y: Array) -> Array:
        """Return the scores of `_twin` from scores, or scores from those of `_twin`."""
        return y if self.convex else -y

    @property
    def _twin(self) -> "PowerLaw":
        """The distribution itself if it is convex, else its convex mirror image."""
        if self.convex:
            return self
        twin = copy.copy(self)
        twin.alpha, twin.beta, twin.convex = -self.beta, -self.alpha, True
        return twin

    def _score(self, r: Array) -> Array:
        # From the nearer end, so that both ends are exact. For the convex form only.
        delta = self._delta
        return jnp.where(r < delta / 2, self.alpha + r, self.beta - (delta - r))

    def _evaluate(self, name: str, value: ArrayLike, at_atom: float | None = None) -> Array:
        """Evaluate a function of the convex form; ``at_atom`` is its value, in either direction, at a point mass."""
        return _evaluate(self._twin, self._mirrored(_array(value)), at_atom, name=name)

    @validate_sample
    def log_prob(self, value: ArrayLike) -> Array:
        """Return the log-density at ``value``, accurate in both tails.

        Parameters
        ----------
        value : ArrayLike
            Scores; they broadcast against the batch shape.

        Returns
        -------
        Array
            Log of the probability per unit of the scores, in the broadcast shape; ``-inf`` where the density is 0.

        Examples
        --------
        >>> import nqjax
        >>> d = nqjax.NoisyQuadratic(alpha=0.1, beta=0.5, gamma=2, sigma=0.02)
        >>> [round(float(x), 2) for x in d.log_prob([0.1, 0.3])]
        [0.22, 0.92]
        """
        return self._evaluate("_log_pdf", value)

    def cdf(self, value: ArrayLike) -> Array:
        """Return the probability of a score at or below ``value``.

        Parameters
        ----------
        value : ArrayLike
            Scores; they broadcast against the batch shape.

        Returns
        -------
        Array
            Probabilities in the broadcast shape.

        Examples
        --------
        >>> import nqjax
        >>> d = nqjax.NoisyQuadratic(alpha=0.1, beta=0.5, gamma=2, sigma=0.02)
        >>> print(d.cdf([0.1, 0.3]).round(2))
        [0.02 0.5 ]
        """
        return self._evaluate("_cdf" if self.convex else "_sf", value, at_atom=1.0)

    def log_cdf(self, value: ArrayLike) -> Array:
        """Return the log of the CDF, accurate where the CDF itself underflows.

        Parameters
        ----------
        value : ArrayLike
            Scores; they broadcast against the batch shape.

        Returns
        -------
        Array
            Logs of probabilities in the broadcast shape.

        Examples
        --------
        >>> import nqjax
        >>> d = nqjax.NoisyQuadratic(alpha=0.1, beta=0.5, gamma=2, sigma=0.02)
        >>> round(float(d.log_cdf(-0.3)), 1)
        -209.9
        """
        return self._evaluate("_log_cdf" if self.convex else "_log_sf", value, at_atom=0.0)

    def log_sf(self, value: ArrayLike) -> Array:
        """Return the log of the survival function, ``log P(Y > value)``, accurate where that underflows.

        Parameters
        ----------
        value : ArrayLike
            Scores; they broadcast against the batch shape.

        Returns
        -------
        Array
            Logs of probabilities in the broadcast shape.

        Examples
        --------
        >>> import nqjax
        >>> d = nqjax.NoisyQuadratic(alpha=0.1, beta=0.5, gamma=2, sigma=0.02)
        >>> round(float(d.log_sf(0.9)), 1)
        -209.9
        """
        return self._evaluate("_log_sf" if self.convex else "_log_cdf", value, at_atom=-math.inf)

    def _icdf_from_logs(self, log_p: Array, log_q: Array) -> Array:
        """Return the quantile from the logs of the probability at or below it and of the probability above."""
        logs = (log_p, log_q) if self.convex else (log_q, log_p)
        return self._mirrored(_quantile(self._twin, *logs))

    def icdf(self, q: ArrayLike) -> Array:
        """Return the quantile function, which is differentiable in ``q`` and in the parameters.

        Parameters
        ----------
        q : ArrayLike
            Probabilities in [0, 1]; they broadcast against the batch shape.

        Returns
        -------
        Array
            Scores in the broadcast shape; NaN where ``q`` is not in [0, 1].

        Examples
        --------
        >>> import nqjax
        >>> d = nqjax.NoisyQuadratic(alpha=0.1, beta=0.5, gamma=2, sigma=0.02)
        >>> print(d.icdf([0.1, 0.5, 0.9]).round(3))
        [0.14 0.3  0.46]
        """
        q = _array(q)
        return self._icdf_from_logs(*_logs_of_probability(jnp.asarray(q, jnp.result_type(float, q))))

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        """Draw scores.

        Parameters
        ----------
        key : Array
            A JAX random key.
        sample_shape : tuple of int
            Shape of independent draws from the batch.

        Returns
        -------
        Array
            Scores, shape ``sample_shape + batch_shape``; differentiable in the parameters.

        Examples
        --------
        >>> import jax
        >>> import nqjax
        >>> d = nqjax.NoisyQuadratic(alpha=[0.1, 0.2], beta=0.5, gamma=2, sigma=0.02)
        >>> d.sample(jax.random.key(0), (1000,)).shape
        (1000, 2)
        """
        assert is_prng_key(key)
        return self._mirrored(_sample(self._twin, key, shape=tuple(sample_shape) + self.batch_shape))

    @property
    def _noise_variance(self) -> ArrayLike:
        return 0.0

    @property
    def mean(self) -> Array:
        """Expected score of one trial, shape ``batch_shape``."""
        return self._mirrored(_moments(self._twin)[0])

    @property
    def variance(self) -> Array:
        """Variance of the score of one trial, shape ``batch_shape``."""
        return _moments(self._twin)[1]

    def quantile_tuning_curve(self, n: ArrayLike, q: ArrayLike = 0.5, minimize: bool | None = None) -> Array:
        """Return a quantile of the best score after ``n`` trials: the median tuning curve by default.

        Parameters
        ----------
        n : ArrayLike
            Numbers of trials, not necessarily whole; they broadcast against the batch shape. Where they are not
            positive, this is an InputError, unless they are traced.
        q : ArrayLike
            Probability of the quantile, in [0, 1].
        minimize : bool, optional
            Whether lower scores are better; by default, whether the distribution is convex.

        Returns
        -------
        Array
            Scores in the broadcast shape: ``F^-1(1 - (1 - q)**(1/n))`` when minimising, ``F^-1(q**(1/n))`` when
            maximising (Lourie, Cho, He 2023, "Show Your Work with Confidence").

        Examples
        --------
        >>> import nqjax
        >>> d = nqjax.NoisyQuadratic(alpha=0.1, beta=0.5, gamma=2, sigma=0.02)
        >>> print(d.quantile_tuning_curve([1, 10, 100]).round(3))
        [0.3   0.126 0.086]
        """
        minimize = self.convex if minimize is None else as_flag("minimize", minimize)
        n, q = read_trials(n, self.alpha.dtype), read_probability(q, self.alpha.dtype)
        check_shapes(n, q, self.batch_shape)
        return self._icdf_from_logs(*_logs_of_best(n, q, minimize=minimize))

    def average_tuning_curve(self, n: ArrayLike, minimize: bool | None = None) -> Array:
        """Return the expected best score after ``n`` trials.

        Parameters
        ----------
        n : ArrayLike
            Numbers of trials, not necessarily whole; they broadcast against the batch shape. Where they are not
            positive, this is an InputError, unless they are traced.
        minimize : bool, optional
            Whether lower scores are better; by default, whether the distribution is convex.

        Returns
        -------
        Array
            Scores in the broadcast shape: ``int y d(1 - (1 - F(y))**n)`` when minimising, ``int y d F(y)**n`` when
            maximising (Dodge et al. 2019, "Show Your Work", for the expected best of n draws).

        Examples
        --------
        >>> import nqjax
        >>> d = nqjax.NoisyQuadratic(alpha=0.1, beta=0.5, gamma=2, sigma=0.02)
        >>> print(d.average_tuning_curve([1, 10, 100]).round(3))
        [0.3   0.132 0.085]
        """
        minimize = self.convex if minimize is None else as_flag("minimize", minimize)
        n = read_trials(n, self.alpha.dtype)
        lowest = minimize == self.convex
        return self._mirrored(_average_of_best(self._twin, n, lowest=lowest))


@functools.partial(jax.jit, static_argnames="name")
def _evaluate(d: PowerLaw, value: Array, at_atom: float | None, *, name: str) -> Array:
    r = value - d.alpha
    result: Array = getattr(d, name)(r)
    if at_atom is None:
        return result
    # A point mass counts to the probability at or below it, in the mirror image, too. The value there is an argument,
    # so that both directions share a program.
    return jnp.where((r == 0) & (d._delta == 0) & d._is_bare(), at_atom, result)


@jax.jit
def _quantile(d: PowerLaw, log_p: Array, log_q: Array) -> Array:
    return d._score(d._quantile(log_p, log_q))


_logs_of_probability = jax.jit(logs_of_probability)


@functools.partial(jax.jit, static_argnames="minimize")
def _logs_of_best(n: Array, q: Array, *, minimize: bool) -> tuple[Array, Array]:
    tail = log_tail_of_one(n, q, lowest=minimize)
    rest = log_complement(tail)
    return (rest, tail) if minimize else (tail, rest)


@functools.partial(jax.jit, static_argnames="shape")
def _sample(d: PowerLaw, key: Array, *, shape: tuple[int, ...]) -> Array:
    key_power, key_noise = jax.random.split(key)
    # V = U**(2 / gamma) with U uniform and never 0, so that no derivative in gamma is infinite.
    v = jnp.exp(2 / d.gamma * jnp.log(uniform(key_power, shape, d.alpha.dtype)))
    return d._score(d._delta * v + d._sample_noise(key_noise, shape))


@jax.jit
def _moments(d: PowerLaw) -> tuple[Array, Array]:
    g = d.gamma
    mean = d._score(d._delta * g / (g + 2))
    # In this order single precision holds whatever its squares hold.
    variance = d._delta * (d._delta * (4 * g / ((g + 4) * (g + 2) ** 2))) + d._noise_variance
    return jnp.broadcast_to(mean, d.batch_shape), jnp.broadcast_to(variance, d.batch_shape)


@functools.partial(jax.jit, static_argnames="lowest")
def _average_of_best(d: PowerLaw, n: Array, *, lowest: bool) -> Array:
    return d._score(average_of_best(d._log_cdf, d._log_sf, d._quantile, d._delta, n, lowest))
