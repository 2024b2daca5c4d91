r"""The quadratic and the noisy quadratic distribution, as NumPyro distributions, with their tuning curves.

Near its optimum a loss surface is quadratic, so the score of a random configuration follows the *quadratic*
distribution: ``F(y) = ((y - alpha) / (beta - alpha))**(gamma / 2)`` when minimising (the convex form). One run adds
normal noise: the *noisy quadratic* (Lourie, He, Cho 2025, "Hyperparameter Loss Surfaces Are Simple Near their Optima").
When maximising, both are mirrored: ``Y`` is concave with (alpha, beta) iff ``-Y`` is convex with (-beta, -alpha).
"""

from typing import Any

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from numpyro.distributions import constraints

from nqjax.distributions.base import PowerLaw
from nqjax.special import noisy_quadratic
from nqjax.special.quantile import log_complement, quantile
from nqjax.special.uniforms import normal

_GAMMA_RANGE = (1.0, 50.0)


class NoisyQuadratic(PowerLaw):
    """Noisy quadratic distribution: the score of one trial of a random search near the optimum.

    Parameters
    ----------
    alpha, beta : ArrayLike
        Ends of the range of noiseless scores, ``alpha <= beta``. When minimising (``convex=True``) alpha is the best
        reachable score; when maximising beta is. All parameters broadcast to the batch shape.
    gamma : ArrayLike
        Effective number of hyperparameters, any real number in [1, 50].
    sigma : ArrayLike
        Standard deviation of the noise of one run, on the scale of the scores; may be 0.
    convex : bool
        True for minimisation, False for maximisation.
    validate_args : bool, optional
        Whether to check parameters and values, as for every NumPyro distribution.

    Raises
    ------
    ValueError
        With ``validate_args``, a parameter outside its range, or beta below alpha.

    Notes
    -----
    Lourie, He, Cho 2025, section 4. ``alpha = beta`` gives the normal distribution, ``sigma = 0`` the quadratic one.
    Results follow the dtype of the inputs.

    Examples
    --------
    >>> import jax
    >>> import nqjax
    >>> d = nqjax.NoisyQuadratic(alpha=0.1, beta=0.5, gamma=2, sigma=0.02)
    >>> round(float(d.mean), 3), d.sample(jax.random.key(0), (1000,)).shape
    (0.3, (1000,))
    >>> jax.grad(lambda sigma: nqjax.NoisyQuadratic(0.1, 0.5, 2, sigma).cdf(0.1))(0.02).round(2).item()
    1.0
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

    def _log_pdf(self, r: Array) -> Array:
        return noisy_quadratic.log_pdf(r, self._delta, self.sigma, self.gamma)

    def _log_cdf(self, r: Array) -> Array:
        return noisy_quadratic.log_cdf(r, self._delta, self.sigma, self.gamma)

    def _log_sf(self, r: Array) -> Array:
        return noisy_quadratic.log_sf(r, self._delta, self.sigma, self.gamma)

    def _cdf(self, r: Array) -> Array:
        return noisy_quadratic.cdf(r, self._delta, self.sigma, self.gamma)

    def _quantile(self, log_p: Array, log_q: Array) -> Array:
        return quantile(*noisy_quadratic.one_rank(log_p, log_q, self._delta, self.sigma, self.gamma))

    def _sample_noise(self, key: Array, shape: tuple[int, ...]) -> ArrayLike:
        return self.sigma * normal(key, shape, self.alpha.dtype)

    @property
    def _noise_variance(self) -> ArrayLike:
        return self.sigma**2


class Quadratic(PowerLaw):
    """Quadratic distribution: the noisy quadratic without noise.

    Parameters
    ----------
    alpha, beta : ArrayLike
        Ends of the support, ``alpha <= beta``. All parameters broadcast to the batch shape.
    gamma : ArrayLike
        Effective number of hyperparameters, any real number in [1, 50].
    convex : bool
        True for minimisation, False for maximisation.
    validate_args : bool, optional
        Whether to check parameters and values, as for every NumPyro distribution.

    Raises
    ------
    ValueError
        With ``validate_args``, a parameter outside its range, or beta below alpha.

    Notes
    -----
    Lourie, He, Cho 2025, section 3. In the convex form, ``(Y - alpha) / (beta - alpha)`` is Beta(gamma / 2, 1).

    Examples
    --------
    >>> import nqjax
    >>> d = nqjax.Quadratic(alpha=0.1, beta=0.5, gamma=4)
    >>> round(float(d.cdf(0.3)), 3), round(float(d.icdf(0.25)), 3)
    (0.25, 0.3)
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
        """Return the log of the position in the support, which is from 0 to 1; outside, that of the nearer end."""
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
        valid, positive = (log_p <= 0) & (log_q <= 0), log_p > -jnp.inf
        v = jnp.exp(2 / self.gamma * jnp.where(valid & positive, log_p, -1.0))
        return self._delta * jnp.where(valid, jnp.where(positive, v, 0.0), jnp.nan)

    def _sample_noise(self, key: Array, shape: tuple[int, ...]) -> ArrayLike:
        del key, shape
        return 0.0
