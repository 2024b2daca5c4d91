"""Diagnostics of draws: convergence of chains, and accuracy of the quadrature."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nqjax.estimation.constraints import Constraints
from nqjax.posterior import convergence
from nqjax.posterior.density.coordinates import FAR, LOG_NOISE
from nqjax.posterior.draws import Draws
from nqjax.types import Floats

#: Largest acceptable R-hat.
MOST_RHAT = 1.01

#: Smallest acceptable effective sample size.
LEAST_ESS = 400

#: Largest acceptable error of a probability of gamma by quadrature.
MOST_ERROR = 0.02

#: Smallest acceptable share of the quadrature's draws that are accepted.
LEAST_ACCEPTANCE = 0.5

#: Largest acceptable error of the log evidence of a probable gamma.
MOST_LOSS = 0.2

# Draws are cut off if more than this share of them is this near to the ends of the computation, in log units.
_CUT_SHARE = 0.01
_NEAR_END = 1.0


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
        Error of the probabilities of gamma; at most 0.02 is wanted.
    evidence_error : float
        Error of the log evidence of probable gammas, larger if the grid misses more of the posterior; at most 0.2 is
        wanted.
    problems : tuple of str
        Problems in words, with remedies.
    """

    rhat: dict[str, float]
    ess_bulk: dict[str, float]
    ess_tail: dict[str, float]
    num_divergent: int
    acceptance: float | None
    quadrature_error: float
    evidence_error: float
    problems: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether there is no problem."""
        return not self.problems

    @property
    def verdict(self) -> str:
        """The result in one line."""
        if self.good:
            least = min(*self.ess_bulk.values(), *self.ess_tail.values())
            return (
                f"the draws can be relied on: R-hat at most {max(self.rhat.values()):.3f}, {least:.0f} effective draws"
            )
        return "the draws cannot be relied on: " + "; ".join(self.problems)


def surely_good(draws: Draws) -> bool:
    """Return whether draws need no further diagnostics, as they are many, independent and nearly all accepted."""
    accepted = draws.stats.get("accepted")
    if accepted is None or not (draws.error <= MOST_ERROR and draws.loss <= MOST_LOSS):
        return False
    # A rejected draw repeats another one.
    return accepted.size * (2 * float(np.mean(accepted)) - 1) >= 5 * LEAST_ESS


def cut_off(theta: Floats, bounds: Constraints, scale: float) -> list[str]:
    """Return messages for parameters with many draws at the end of the range that is computed.

    An end that the user's own bounds exclude is not a problem.
    """

    def share(near: NDArray[np.bool_]) -> bool:
        return bool(np.mean(near) > _CUT_SHARE)

    problems = []
    least, most = LOG_NOISE
    if bounds.sigma[0] <= scale * math.exp(least) and share(theta[..., 2] < least + _NEAR_END):
        problems.append(
            f"sigma runs into {scale * math.exp(least):.1g}, the least that is computed for a range of {scale:.3g}: "
            "give a threshold that leaves out scores far off, or bound sigma from below"
        )
    if bounds.sigma[1] >= scale * math.exp(most) and share(theta[..., 2] > most - _NEAR_END):
        problems.append(f"sigma runs into {scale * math.exp(most):.1g}, the most that is computed: bound it from above")
    if share(theta[..., 0] < -FAR * math.exp(-_NEAR_END)):
        problems.append("the best score of the regime runs beyond what is computed: bound it")
    return problems


def diagnose(parameters: dict[str, Floats], draws: Draws, problems: Sequence[str] = ()) -> Diagnostics:
    """Return the diagnostics; problems that the caller already knows come first."""
    if len(draws.gamma) == 1:  # the two halves of one chain
        half = draws.gamma.shape[1] // 2
        parameters = {name: np.stack([x[0, :half], x[0, half : 2 * half]]) for name, x in parameters.items()}
    rhat = {name: convergence.rhat(x) for name, x in parameters.items()}
    bulk = {name: convergence.ess_bulk(x) for name, x in parameters.items()}
    tail = {name: convergence.ess_tail(x) for name, x in parameters.items()}
    problems = list(problems)
    worst = max(rhat, key=lambda name: np.nan_to_num(rhat[name], nan=np.inf))
    if np.isnan(rhat[worst]):
        problems.append(f"the draws of {worst} do not move: its bounds, or the prior, leave it no room")
    elif rhat[worst] > MOST_RHAT:
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
    if not draws.loss <= MOST_LOSS:
        problems.append(
            f"the quadrature's grid misses some of the posterior: log evidence good to {draws.loss:.2f} only"
        )
    return Diagnostics(rhat, bulk, tail, draws.num_divergent, acceptance, draws.error, draws.loss, tuple(problems))
