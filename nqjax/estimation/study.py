"""Studies: a search's scores with limits, direction and constraints, checked once and scaled for the solver."""

import math
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from nqjax.errors import InputError, show
from nqjax.estimation.constraints import Constraint, Constraints, read_constraints
from nqjax.estimation.spacings import Spacings, spacings, tie_distance
from nqjax.inputs import as_limits, as_scores, oriented_limits
from nqjax.solver.batch import ScaledProblem
from nqjax.solver.newton import Box
from nqjax.solver.pieces import cut
from nqjax.types import Floats

# Bounds on the scale where the knots span [0, 1].
SIGMA_RANGE = (1e-6, 1e2)
_DELTA_RANGE = (1e-6, 1e6)
_ALPHA_RANGE = (-1e6, 1e6)


class Study(NamedTuple):
    """One search's scores with limits, direction and constraints."""

    scores: Floats  # (num_scores,), as given; failed runs are NaN or infinite
    limits: tuple[float, float]  # as given
    minimize: bool
    constraints: Constraints  # oriented to minimisation

    @classmethod
    def read(
        cls,
        scores: ArrayLike,
        limits: tuple[float, float] = (-math.inf, math.inf),
        minimize: bool = True,
        alpha: Constraint = None,
        beta: Constraint = None,
        gamma: Constraint = (1, 5),
        sigma: Constraint = None,
    ) -> "Study":
        """Check the arguments, which are those of `nqjax.fit`; raise InputError if they are invalid."""
        return cls.constrained(scores, limits, minimize, read_constraints(alpha, beta, gamma, sigma, minimize))

    @classmethod
    def constrained(
        cls, scores: ArrayLike, limits: tuple[float, float], minimize: bool, constraints: Constraints
    ) -> "Study":
        """Make a study: check scores and limits, with constraints that have been checked already."""
        return cls(as_scores(scores), as_limits(limits), minimize, constraints)

    @property
    def ends(self) -> tuple[float, float]:
        """The limits, oriented to minimisation."""
        return oriented_limits(self.limits, self.minimize)

    @property
    def gammas(self) -> range:
        """All values of gamma that are allowed."""
        low, high = self.constraints.gamma
        return range(low, high + 1)

    def orient(self, y: Floats) -> Floats:
        """Turn scores so that lower is better; applied twice it returns them to the caller's direction."""
        return y if self.minimize else -y

    def restore(self, alpha: Any, beta: Any, sigma: Any) -> tuple[Any, Any, Any]:
        """Return parameters in the caller's direction, clipped to the constraints.

        Without the clipping, rounding could move a parameter slightly outside.
        """
        bounds = self.constraints
        alpha, beta, sigma = np.clip(alpha, *bounds.alpha), np.clip(beta, *bounds.beta), np.clip(sigma, *bounds.sigma)
        return (alpha, beta, sigma) if self.minimize else (-beta, -alpha, sigma)


class ScaledStudy(NamedTuple):
    """A checked study, with the problem on the scale of its knots."""

    study: Study
    data: Spacings
    problem: ScaledProblem
    location: float  # the first knot
    scale: float  # the range of the knots

    def restore(self, place: Any, delta: Any, sigma: Any) -> tuple[Any, Any, Any]:
        """Return alpha, beta and sigma on the scale of the scores; ``place`` is the scaled best score."""
        location, scale = self.location, self.scale
        return self.study.restore(location + scale * place, location + scale * (place + delta), scale * sigma)


def prepare(study: Study) -> ScaledStudy:
    """Make the spacings of a study and scale them.

    Raises
    ------
    InputError
        The scores are too few, or the limits or constraints exclude them.
    """
    return scaled(study, checked_spacings(study))


def checked_spacings(study: Study) -> Spacings:
    """Make the spacings of a study; raise InputError where they are too few or the constraints exclude them."""
    data = spacings(*study[:3])
    _check(data, study)
    return data


def scaled(study: Study, data: Spacings) -> ScaledStudy:
    """Scale checked spacings, and cut them into pieces; raise InputError if the constraints are out of reach."""
    location = float(data.knots[0])
    scale = float(data.knots[-1] - data.knots[0])
    _check_reach(study, location, scale)
    box = standard_box(_touching(data, study.constraints), location, scale)
    knots = (data.knots - location) / scale
    counts = pooled_at_bounds(knots, data.counts, box) if study.constraints.sigma[1] == 0 else data.counts
    return ScaledStudy(study, data, ScaledProblem(cut(knots, counts), box), location, scale)


def pooled_at_bounds(knots: Floats, counts: Floats, box: Box) -> Floats:
    """Return the counts between scaled knots without noise: those beyond a bound on a knot go to its other side.

    There alpha or beta is fixed at the extreme score, beyond which no interval has any mass.
    """
    counts = np.array(counts)
    if knots[0] <= box.low[0]:
        counts[1] += counts[0]
        counts[0] = 0
    if knots[-1] >= box.high[1]:
        counts[-2] += counts[-1]
        counts[-1] = 0
    return counts


def _touching(data: Spacings, constraints: Constraints) -> Constraints:
    """Without noise, fix alpha or beta at the extreme score that its bound equals, apart from rounding errors."""
    if constraints.sigma[1] > 0:
        return constraints
    apart = tie_distance(data.values)
    if constraints.alpha[0] >= data.best - apart:
        constraints = constraints._replace(alpha=(data.best, data.best))
    if constraints.beta[1] <= data.worst + apart:
        constraints = constraints._replace(beta=(data.worst, data.worst))
    return constraints


def _check(data: Spacings, study: Study) -> None:
    if data.num_scores < 3:
        raise InputError(f"{data.num_scores} scores are too few to fit: give at least 3, better 24 or more")
    low, high = study.limits
    unlimited = math.isinf(low) and math.isinf(high)
    inside = "" if unlimited else f" inside the limits ({show(low)}, {show(high)})"
    if data.num_used == 0 and unlimited:
        raise InputError(f"all {data.num_scores} runs failed: there is no finite score to fit")
    if data.num_used == 0:
        outside = f"{data.num_censored} are outside, {data.num_failed} failed"
        raise InputError(f"no score lies{inside}: {outside}; choose limits that keep the best scores")
    remedy = "run more trials" if unlimited else "widen the limits"
    if data.num_distinct == 1:
        value = show(float(study.orient(data.values)[0]))
        raise InputError(
            f"all {data.num_used} scores{inside} are {value}, at least 3 different ones are needed: {remedy}"
        )
    # Without noise, two scores tell both ends.
    if data.num_distinct == 2 and study.constraints.sigma[1] > 0:
        raise InputError(f"only 2 different scores{inside}, at least 3 are needed: {remedy}")
    _check_constraints(data, study, inside)


def _check_constraints(data: Spacings, study: Study, inside: str) -> None:
    """Raise InputError unless alpha may lie below the worst score, and beta above the best (when minimising)."""
    alpha, beta = study.constraints.alpha[0], study.constraints.beta[1]
    winning, losing = ("alpha", "beta") if study.minimize else ("beta", "alpha")
    if alpha >= data.worst:
        raise InputError(f"the constraint on {winning} excludes the data: every score{inside} is better than it allows")
    if beta <= data.best:
        raise InputError(f"the constraint on {losing} excludes the data: every score{inside} is worse than it allows")
    if study.constraints.sigma[1] > 0:
        return
    # A score may lie on a bound, but with scores beyond it there is no distribution.
    apart = tie_distance(data.values)
    below = alpha > data.best + apart or (data.num_below and alpha >= data.best - apart)
    above = beta < data.worst - apart or (data.num_above and beta <= data.worst + apart)
    if below or above:
        raise InputError(
            "without noise (sigma = 0) the scores must lie between alpha and beta: widen their constraints"
        )


def reachable(constraints: Constraints, location: Any, scale: Any) -> tuple[Any, Any, Any]:
    """Return whether the constraints on alpha, on beta and on sigma allow what the solver can search.

    They are oriented to minimisation; location and scale may be arrays.
    """
    (alpha, beta, _, sigma), (least, most) = constraints, _DELTA_RANGE
    first, last = _ALPHA_RANGE
    low, high = ((end - location) / scale for end in alpha)
    alpha_fits = (high >= first) & (low <= last)
    # The range of beta - alpha that both constraints leave.
    shortest, longest = (
        (beta[0] - location) / scale - high.clip(max=last),
        (beta[1] - location) / scale - low.clip(first),
    )
    beta_fits = (shortest <= most) & (longest >= least)
    small, large = (scale * end for end in SIGMA_RANGE)
    return alpha_fits, beta_fits, (sigma[0] <= large) & ((sigma[1] >= small) | (sigma[1] == 0))


def _check_reach(study: Study, location: float, scale: float) -> None:
    names = ("alpha", "beta", "sigma") if study.minimize else ("beta", "alpha", "sigma")
    for name, fits in zip(names, reachable(study.constraints, np.float64(location), np.float64(scale)), strict=True):
        if fits:
            continue
        lengths = _DELTA_RANGE if name != "sigma" else SIGMA_RANGE
        what = "sigma" if name == "sigma" else "the distance of alpha and beta from the scores and from each other"
        raise InputError(
            f"the constraint on {name} is out of reach: for scores that span {scale:.3g}, {what} can be from "
            f"{lengths[0] * scale:.3g} to {lengths[1] * scale:.3g}"
        )


def standard_box(constraints: Constraints, location: float | Array, scale: float | Array) -> Box:
    """Return the bounds on the scale of the knots, clipped to the range that the solver searches.

    Location and scale may be traced.
    """
    xp: Any = jnp if isinstance(location, Array) else np
    (alpha, beta, _, sigma), (least, most) = constraints, np.log(_DELTA_RANGE)
    ends = [
        xp.stack(
            [
                xp.clip((alpha[end] - location) / scale, *_ALPHA_RANGE),
                (beta[end] - location) / scale,
                xp.asarray((least, most)[end]),
                xp.log(xp.clip(sigma[end] / scale, *SIGMA_RANGE)),
            ]
        )
        for end in (0, 1)
    ]
    return Box(*ends)
