"""A study prepared for the solver: scaled spacings, start box and constraints."""

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from nqjax.errors import InputError, show
from nqjax.estimation.constraints import Constraints
from nqjax.estimation.spacings import Spacings, spacings
from nqjax.solver.batch import Standard
from nqjax.solver.newton import Box
from nqjax.solver.pieces import PIECE, cut

if TYPE_CHECKING:
    pass


#: Standardised bounds: the scores inside the limits span [0, 1].
_SIGMA_RANGE = (1e-6, 1e2)


_DELTA_RANGE = (1e-6, 1e6)


_ALPHA_RANGE = (-1e6, 1e6)


class Prepared(NamedTuple):
    """A study that has been checked, and how to get back from the scale of its knots."""

    data: Spacings
    standard: Standard
    location: float
    scale: float


def prepare(scores: ArrayLike, limits: tuple[float, float], minimize: bool, constraints: Constraints) -> Prepared:
    """Check one study and bring it to the scale of its knots.

    Raises
    ------
    InputError
        As `fit`.
    """
    data = spacings(scores, limits, minimize)
    _check(data, constraints, limits, minimize)
    return standardise(data, constraints)


def standardise(data: Spacings, constraints: Constraints, piece: int = PIECE) -> Prepared:
    """Bring checked spacings to the scale of their knots, in pieces of so many intervals."""
    location = float(data.knots[0])
    scale = float(data.knots[-1] - data.knots[0])
    problem = cut((data.knots - location) / scale, data.counts, piece)
    box = standard_box(constraints, location, scale)
    return Prepared(data, Standard(problem, box), location, scale)


def _check(data: Spacings, constraints: Constraints, limits: tuple[float, float], minimize: bool) -> None:
    if data.num_scores < 3:
        raise InputError(f"{data.num_scores} scores are too few to fit: give at least 3, better 24 or more")
    unlimited = math.isinf(limits[0]) and math.isinf(limits[1])
    inside = "" if unlimited else f" inside the limits ({show(limits[0])}, {show(limits[1])})"
    if data.num_used == 0 and unlimited:
        raise InputError(f"all {data.num_scores} runs failed: there is no finite score to fit")
    if data.num_used == 0:
        outside = f"{data.num_censored} are outside, {data.num_failed} failed"
        raise InputError(f"no score lies{inside}: {outside}; choose limits that keep the best scores")
    if data.num_distinct < 3:
        remedy = "run more trials" if unlimited else "widen the limits"
        raise InputError(f"only {data.num_distinct} different scores{inside}, at least 3 are needed: {remedy}")
    _check_constraints(data, constraints, inside, minimize)


def _check_constraints(data: Spacings, constraints: Constraints, inside: str, minimize: bool) -> None:
    """The data must be possible, if not likely: alpha below the worst score, beta above the best (when minimising)."""
    alpha, beta = constraints.alpha[0], constraints.beta[1]
    winning, losing = ("alpha", "beta") if minimize else ("beta", "alpha")
    if alpha >= data.worst:
        raise InputError(f"the constraint on {winning} excludes the data: every score{inside} is better than it allows")
    if beta <= data.best:
        raise InputError(f"the constraint on {losing} excludes the data: every score{inside} is worse than it allows")
    if constraints.sigma[1] == 0 and (alpha >= data.best or beta <= data.worst):
        raise InputError(
            "without noise (sigma = 0) the scores must lie between alpha and beta: widen their constraints"
        )


def standard_box(constraints: Constraints, location: float | Array, scale: float | Array) -> Box:
    """Bounds on the scale of the knots, within what the program can represent; location and scale may be traced."""
    xp: Any = jnp if isinstance(location, Array) else np
    (alpha, beta, _, sigma), (least, most) = constraints, np.log(_DELTA_RANGE)
    ends = [
        xp.stack(
            [
                xp.clip((alpha[end] - location) / scale, *_ALPHA_RANGE),
                (beta[end] - location) / scale,
                xp.asarray((least, most)[end]),
                xp.log(xp.clip(sigma[end] / scale, *_SIGMA_RANGE)),
            ]
        )
        for end in (0, 1)
    ]
    return Box(*ends)
