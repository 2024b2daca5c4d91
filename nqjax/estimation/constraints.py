"""Constraints on the four parameters: a number fixes a parameter, a pair bounds it."""

import math
from typing import NamedTuple

from nqjax.errors import InputError, show
from nqjax.inputs import read_number, shortened

#: A fixed value, an interval, or None.
Constraint = float | tuple[float, float] | None

_LARGEST_GAMMA = 50


class Constraints(NamedTuple):
    """Closed intervals of the parameters, oriented to minimisation."""

    alpha: tuple[float, float]
    beta: tuple[float, float]
    gamma: tuple[int, int]
    sigma: tuple[float, float]


def read_constraints(
    alpha: Constraint, beta: Constraint, gamma: Constraint, sigma: Constraint, minimize: bool
) -> Constraints:
    """Check constraints and orient them to minimisation.

    Raises
    ------
    InputError
        A constraint is neither a number nor a pair, an interval is the wrong way round, or a parameter cannot take
        the values.
    """
    everywhere = (-math.inf, math.inf)
    low, high = _interval("alpha", alpha, everywhere), _interval("beta", beta, everywhere)
    if not low[0] < high[1]:
        raise InputError(
            f"alpha cannot be below beta within the constraints alpha >= {show(low[0])} and beta <= {show(high[1])}: "
            "widen one"
        )
    noise = _interval("sigma", sigma, (0.0, math.inf))
    if noise[0] < 0:
        raise InputError(f"sigma is a standard deviation and cannot be {show(noise[0])}: give 0 or more")
    if not minimize:
        low, high = (-high[1], -high[0]), (-low[1], -low[0])
    return Constraints(low, high, _gamma(gamma), noise)


def _gamma(gamma: Constraint) -> tuple[int, int]:
    low, high = _interval("gamma", gamma, (1.0, 5.0))
    if not (low >= 1 and high <= _LARGEST_GAMMA and low == round(low) and high == round(high)):
        raise InputError(f"gamma is a whole number from 1 to {_LARGEST_GAMMA}, not {shortened(gamma)}")
    return int(low), int(high)


def _interval(name: str, constraint: Constraint, default: tuple[float, float]) -> tuple[float, float]:
    if constraint is None:
        return default
    ends = constraint if isinstance(constraint, tuple | list) else (constraint, constraint)
    numbers = [read_number(end) for end in ends]
    if len(numbers) != 2 or any(map(math.isnan, numbers)):
        raise InputError(f"the constraint on {name} is {shortened(constraint)}: give a number or a pair (low, high)")
    low, high = numbers
    if low > high:
        raise InputError(f"the constraint on {name} is ({show(low)}, {show(high)}): give the lower end first")
    if low == high and math.isinf(low):
        raise InputError(f"{name} cannot be fixed at {show(low)}: give a finite number or an interval")
    return low, high
