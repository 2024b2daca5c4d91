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
from nqjax.special import at_ends, noisy_quadratic, without_noise
from nqjax.special.quantile import quantile
from nqjax.special.uniforms import normal

_GAMMA_RANGE = (1.0, 50.0)


class NoisyQuadratic(PowerLaw):
    """Noisy quadratic distribution: the score of one trial of a random search near the optimum.

    Parameters
    ----------
    alpha, beta : ArrayLike
        Ends of the range of noiseless scores, ``alpha <= beta``. When minimising (``convex=True``) alpha is the best
        noiseless score; when maximising beta is. All parameters broadcast to the batch shape.
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
    Lourie, He, Cho 2025, section 4. ``alpha = beta`` gives the normal distribution, ``sigma = 0`` exactly `Quadratic`.
    Results follow the dtype of the inputs. Noise too small for the dtype to tell (1e-17 of ``beta - alpha`` in single
    precision, 1e-60 in double) counts as none; derivatives by sigma are 0 there, which is their limit.

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
        given = log_p, log_q, self._delta, self.sigma, self.gamma
        return quantile(*noisy_quadratic.one_rank(*given)).astype(log_p.dtype)

    def _is_bare(self) -> ArrayLike:
        return without_noise.applies(self._delta, self.sigma)

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

    def _log_pdf(self, r: Array) -> Array:
        return without_noise.log_pdf(r, self._delta, self.gamma)

    def _log_cdf(self, r: Array) -> Array:
        return without_noise.log_cdf(r, self._delta, self.gamma)

    def _log_sf(self, r: Array) -> Array:
        return without_noise.log_sf(r, self._delta, self.gamma)

    def _cdf(self, r: Array) -> Array:
        return without_noise.cdf(r, self._delta, self.gamma)

    def _quantile(self, log_p: Array, log_q: Array) -> Array:
        inside = (log_p < 0) & (log_q < 0) & (log_p > -jnp.inf) & (log_q > -jnp.inf)
        r = without_noise.quantile(jnp.where(inside, log_p, -1.0), self._delta, self.gamma)
        return at_ends.quantile(r, log_p, log_q, self._delta, jnp.ones((), bool))

    def _is_bare(self) -> ArrayLike:
        return True

    def _sample_noise(self, key: Array, shape: tuple[int, ...]) -> ArrayLike:
        del key, shape
        return 0.0
