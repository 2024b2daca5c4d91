"""Whether draws can be relied on, and what ArviZ is given of them."""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

if TYPE_CHECKING:
    from nqjax._sampling import Draws
    from nqjax.posterior import Posterior

Floats = NDArray[np.float64]
#: What draws are held to.
MOST_RHAT, LEAST_ESS = 1.01, 400
#: The quadrature's error of a probability of gamma.
MOST_ERROR = 0.02
#: The share of the quadrature's draws that is accepted.
LEAST_ACCEPTANCE = 0.5
#: Numbers that replicated searches hold at most.
_REPLICATED = 4_000_000


@dataclass(frozen=True)
class Diagnostics:
    """Convergence of the chains of a posterior.

    Attributes
    ----------
    rhat : dict of str to float
        Rank-normalised split R-hat of each parameter (Vehtari et al. 2021); at most 1.01 is wanted.
    ess_bulk, ess_tail : dict of str to float
        Effective sample sizes; at least 400 is wanted.
    num_divergent : int
        Divergent transitions after adaptation, of all gammas; none is wanted.
    acceptance : float, optional
        Share of the quadrature's draws that its Metropolis step accepts; at least 0.5 is wanted. None for NUTS.
    quadrature_error : float
        Of the probabilities of gamma; at most 0.02 is wanted.
    problems : tuple of str
        What is not as it should be, in words.
    """

    rhat: dict[str, float]
    ess_bulk: dict[str, float]
    ess_tail: dict[str, float]
    num_divergent: int
    acceptance: float | None
    quadrature_error: float
    problems: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether there is no problem."""
        return not self.problems

    @property
    def verdict(self) -> str:
        """One line."""
        if self.good:
            least = min(*self.ess_bulk.values(), *self.ess_tail.values())
            return (
                f"the draws can be relied on: R-hat at most {max(self.rhat.values()):.3f}, {least:.0f} effective draws"
            )
        return "the draws cannot be relied on: " + "; ".join(self.problems)


def arviz() -> Any:
    """The library; its announcement of a new version is no concern of the user's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import arviz as az
    return az


def surely_good(draws: "Draws") -> bool:
    """Whether the diagnostics need not be looked at: independent draws, nearly all accepted, and many of them."""
    accepted = draws.stats.get("accepted")
    if accepted is None or not draws.error <= MOST_ERROR:
        return False
    # A draw that is refused repeats another.
    return accepted.size * (2 * float(np.mean(accepted)) - 1) >= 5 * LEAST_ESS


def diagnose(parameters: dict[str, Floats], draws: "Draws") -> Diagnostics:
    """R-hat, effective sample sizes, divergences."""
    az = arviz()
    if len(draws.gamma) == 1:  # the two halves of one chain
        half = draws.gamma.shape[1] // 2
        parameters = {name: np.stack([x[0, :half], x[0, half : 2 * half]]) for name, x in parameters.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rhat = {name: float(az.rhat(x)) for name, x in parameters.items()}
        bulk = {name: float(az.ess(x, method="bulk")) for name, x in parameters.items()}
        tail = {name: float(az.ess(x, method="tail", prob=(0.05, 0.95))) for name, x in parameters.items()}
    problems = []
    worst = max(rhat, key=lambda name: np.nan_to_num(rhat[name], nan=np.inf))
    if not rhat[worst] <= MOST_RHAT:
        problems.append(f"R-hat of {worst} is {rhat[worst]:.3f}, above {MOST_RHAT}: draw more samples")
    for kind, sizes in (("bulk", bulk), ("tail", tail)):
        least = min(sizes, key=lambda name, sizes=sizes: np.nan_to_num(sizes[name], nan=-1.0))  # type: ignore[misc]
        if not sizes[least] >= LEAST_ESS:
            few = f"{sizes[least]:.0f} effective draws ({kind}) of {least} are fewer than {LEAST_ESS}"
            problems.append(f"{few}: draw more samples")
    if draws.num_divergent:
        some = f"{draws.num_divergent} divergent transition{'s' if draws.num_divergent > 1 else ''}"
        problems.append(f'{some}: compare with method="quadrature", and use more warmup')
    accepted = draws.stats.get("accepted")
    acceptance = None if accepted is None else float(np.mean(accepted))
    if acceptance is not None and not acceptance >= LEAST_ACCEPTANCE:
        problems.append(f"the quadrature's grid is off: {100 * acceptance:.0f} % of its draws are accepted")
    if not draws.error <= MOST_ERROR:
        problems.append(f"the probabilities of gamma are good to {draws.error:.2f} only: narrow the range of gamma")
    return Diagnostics(rhat, bulk, tail, draws.num_divergent, acceptance, draws.error, tuple(problems))


def observed(post: "Posterior") -> Floats:
    """All scores as the posterior sees them: those outside the limits at the limit they are beyond."""
    low, high = post.limits
    y = np.where(np.isfinite(post._scores), post._scores, np.inf if post.minimize else -np.inf)
    return _censored(post, np.clip(y, low, high))


def _censored(post: "Posterior", y: Floats) -> Floats:
    """Failed runs of a search without a threshold at the worst score."""
    data = post._study.data
    if post.minimize:
        return np.where(np.isposinf(y), data.worst, y)
    return np.where(np.isneginf(y), -data.worst, y)


def replicate(post: "Posterior", num: int | None, key: Array | None) -> Floats:
    """Searches of the same size from the posterior predictive distribution, shape (num, num_scores)."""
    alpha, beta, sigma, gamma = (a.ravel() for a in (post.alpha, post.beta, post.sigma, post.gamma))
    fits = max(1, _REPLICATED // post.num_scores)
    num = min(len(alpha), fits if num is None else num)
    seed = post._draws.seed if key is None else int(jax.random.bits(key, dtype=np.uint32))
    rng = np.random.default_rng([seed, 2])
    some = (np.arange(num) * (len(alpha) / num)).astype(int)
    shape = (num, post.num_scores)
    v = rng.random(shape) ** (2 / gamma[some, None])
    delta, noise = (beta - alpha)[some, None], sigma[some, None] * rng.standard_normal(shape)
    y = alpha[some, None] + delta * v + noise if post.minimize else beta[some, None] - delta * v - noise
    return np.clip(y, *post.limits)


def to_arviz(post: "Posterior") -> Any:
    """An InferenceData of ArviZ 0.x, or a DataTree of ArviZ 1 on."""
    az = arviz()
    chains = len(post.alpha)
    predicted = post.predict()
    kept = len(predicted) // chains * chains
    groups = {
        "posterior": {name: getattr(post, name) for name in ("alpha", "beta", "gamma", "sigma", "regime_probability")},
        "sample_stats": post._draws.stats,
        "posterior_predictive": {"score": predicted[:kept].reshape(chains, -1, post.num_scores)},
        "observed_data": {"score": observed(post)},
    }
    dims = {"score": ["trial"]}
    attributes = {"nqjax_settings": str(post._settings), "minimize": int(post.minimize), "limits": str(post.limits)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if az.__version__.startswith("0."):
            return az.from_dict(**groups, dims=dims, attrs=attributes)
        return az.from_dict(groups, dims=dims, attrs={"/": attributes})
