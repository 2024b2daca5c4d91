r"""A map that makes a posterior nearly standard normal.

A posterior's shape changes with the noise level: the other parameters have narrow distributions at high noise, and wide
ones at low noise, so that one mean and covariance do not fit all levels. So the map is triangular: the first
coordinate, log sigma, follows its marginal quantiles, and the other two have their mean and covariance given log sigma,

    z0 = f(x0),    z1 = m1(x0) + a(x0) x1,    z2 = m2(x0) + b(x0) x1 + c(x0) x2.

All of f, m1, m2, log a, b, log c are cubic splines in x0. They are computed from grids over (x1, x2) at several values
of x0, which are placed by the current map, until the map no longer changes.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import scipy  # its parts are imported when they are used
from jax import Array

from nqjax.posterior.density.log_density import Evaluator
from nqjax.posterior.quadrature.locate import Frames
from nqjax.types import Floats

#: Splines end at plus and minus this, and continue linearly.
_END = 6.0

#: Number of knots of the splines.
_KNOTS = 13

#: Points along each axis of the grid at a knot.
_POINTS = 9

#: Half the range of that grid.
_SPAN = 4.0

#: Most rounds of improvement.
_ROUNDS = 5

#: A map that changes by less than this is final.
_STEADY = 0.15

#: Changes beyond this number of standard deviations do not count.
_COUNTED_RANGE = 3.0

#: Slices below exp(-this) of the largest one's probability take their moments from the nearest other slice.
_LOG_EMPTY = 14.0

#: Points of the integral of the marginal density.
_FINE_POINTS = 2001


class Map(NamedTuple):
    """Splines of a map; arrays of several maps have a leading axis."""

    coefficients: Array  # (pieces, 4, 6): highest power first, of (f, m1, m2, log a, b, log c)


def straight(x: Any, shape: Map, xp: Any = jnp) -> tuple[Any, Any]:
    """Return the coordinates of points x, shape (..., 3), and the log of the Jacobian determinant, for one map."""
    x0 = x[..., 0]
    step = 2 * _END / (_KNOTS - 1)
    inside = xp.clip(x0, -_END, _END)
    piece = xp.clip(xp.floor((inside + _END) / step), 0, _KNOTS - 2).astype(int)
    t = (inside + _END - piece * step)[..., None]
    c = shape.coefficients[piece]
    value = ((c[..., 0, :] * t + c[..., 1, :]) * t + c[..., 2, :]) * t + c[..., 3, :]
    slope = (3 * c[..., 0, :] * t + 2 * c[..., 1, :]) * t + c[..., 2, :]
    # Beyond the ends f and the means continue linearly, and the spreads are constant.
    beyond = (x0 - inside)[..., None] * xp.asarray([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    value = value + slope * beyond
    f, m1, m2, log_a, b, log_c = (value[..., i] for i in range(6))
    z = xp.stack([f, m1 + xp.exp(log_a) * x[..., 1], m2 + b * x[..., 1] + xp.exp(log_c) * x[..., 2]], axis=-1)
    return z, xp.log(xp.maximum(slope[..., 0], 1e-12)) + log_a + log_c


def _knots() -> Floats:
    return np.linspace(-_END, _END, _KNOTS)


def _from_values(values: Floats) -> Map:
    """Return the map from the values of its six functions at the knots, shape (knots, 6)."""
    x = _knots()
    spline = scipy.interpolate.CubicSpline(x, values, bc_type="natural")
    coefficients = np.moveaxis(spline.c, 0, 1)
    secants = np.diff(values[:, 0]) / np.diff(x)
    # At and between the knots.
    slopes = spline(np.linspace(-_END, _END, 8 * (_KNOTS - 1) + 1), 1)[:, 0]
    if np.any(slopes[:-1] < 0.1 * np.repeat(secants, 8)) or slopes[-1] < 0.1 * secants[-1]:
        # A less smooth interpolation that always increases.
        flattest = np.minimum(np.append(secants[0], secants), np.append(secants, secants[-1]))
        slopes = np.maximum(scipy.interpolate.PchipInterpolator(x, values[:, 0])(x, 1), 0.3 * flattest)
        coefficients = coefficients.copy()
        coefficients[:, :, 0] = scipy.interpolate.CubicHermiteSpline(x, values[:, 0], slopes).c.T
    return Map(coefficients)  # type: ignore[arg-type]


def identity() -> Map:
    """Return the identity map."""
    return _from_values(from_frames(np.zeros(3), np.eye(3)))


def from_frames(mean: Floats, factor: Floats) -> Floats:
    """Return the values at the knots, shape (knots, 6), of the linear map that a mean and a covariance define."""
    x = _knots()
    constant = np.ones_like(x)
    return np.stack(
        [
            mean[0] + factor[0, 0] * x,
            mean[1] + factor[1, 0] * x,
            mean[2] + factor[2, 0] * x,
            np.log(factor[1, 1]) * constant,
            factor[2, 1] * constant,
            np.log(factor[2, 2]) * constant,
        ],
        axis=1,
    )


def stack(maps: list[Map]) -> Map:
    """Return several maps as one, with a leading axis of maps."""
    return Map(np.stack([m.coefficients for m in maps]))  # type: ignore[arg-type]


def straighten(evaluator: Evaluator, frames: Frames, study: Any, gamma: Any) -> list[Map]:
    """Return the maps of posteriors, starting from their means and covariances."""
    grids = len(study)
    values = [from_frames(frames.mean[i], frames.factor[i]) for i in range(grids)]
    side = np.linspace(-_SPAN, _SPAN, _POINTS)
    flat = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2)
    x = np.concatenate([np.repeat(_knots(), len(flat))[:, None], np.tile(flat, (_KNOTS, 1))], axis=1)
    todo = np.arange(grids)
    for _ in range(_ROUNDS):
        maps = [_from_values(values[i]) for i in todo]
        points = [straight(x, m, np) for m in maps]
        z = np.concatenate([p[0] for p in points])
        which, number = np.repeat(study[todo], len(x)), np.repeat(gamma[todo], len(x))
        density, _ = evaluator(z, which, number, np.ones(len(z)), exact=False)
        steady = []
        for i, shape, (_, volume), part in zip(todo, maps, points, np.split(density, len(todo)), strict=True):
            values[i], change = _improved(values[i], shape, (part + volume).reshape(_KNOTS, -1), flat)
            steady.append(change < _STEADY)
        todo = todo[~np.array(steady)]
        if not todo.size:
            break
    return [_from_values(v) for v in values]


def _improved(values: Floats, shape: Map, density: Floats, flat: Floats) -> tuple[Floats, float]:
    """Return new values of the map at the knots, and how much they changed.

    The log densities, shape (knots, points), are those of a grid over (x1, x2) at each knot x0. The change is the
    largest change of a location or of the logarithm of a spread, in straightened coordinates.
    """
    x = _knots()
    mass = scipy.special.logsumexp(density, axis=1)
    if not np.isfinite(mass.max()):
        return values, 0.0
    mass = np.maximum(mass, mass.max() - 700)
    full = mass > mass.max() - _LOG_EMPTY
    weights = np.exp(density - mass[:, None])
    mean = weights @ flat
    centred = flat - mean[:, None]
    covariance = np.einsum("kp,kpi,kpj->kij", weights, centred, centred)
    covariance += np.eye(2) * (0.3 * 2 * _SPAN / (_POINTS - 1)) ** 2
    inner = np.linalg.cholesky(covariance)
    # Empty slices take the moments of the nearest slice that is not.
    nearest = np.flatnonzero(full)[np.argmin(np.abs(np.flatnonzero(full)[None] - np.arange(len(x))[:, None]), axis=1)]
    mean, inner = mean[nearest], inner[nearest]
    a, b, c = np.exp(values[:, 3]), values[:, 4], np.exp(values[:, 5])
    new = np.stack(
        [
            values[:, 0],
            values[:, 1] + a * mean[:, 0],
            values[:, 2] + b * mean[:, 0] + c * mean[:, 1],
            np.log(a * inner[:, 0, 0]),
            b * inner[:, 0, 0] + c * inner[:, 1, 0],
            np.log(c * inner[:, 1, 1]),
        ],
        axis=1,
    )
    # Place the first coordinate at quantiles of a standard normal variable.
    fine = np.linspace(-_END, _END, _FINE_POINTS)
    height = scipy.interpolate.PchipInterpolator(x, np.maximum(mass - mass.max(), -60.0))(fine)
    places = _quantiles(fine, height, x)
    new = scipy.interpolate.CubicSpline(x, new, bc_type="natural")(places)
    # The current map gives f at the new places, as it always increases.
    new[:, 0] = straight(np.stack([places, 0 * x, 0 * x], axis=1), shape, np)[0][:, 0]
    counts = full & (np.abs(x) < _COUNTED_RANGE)
    spread = np.log(np.diagonal(inner, axis1=1, axis2=2))
    change = max(np.abs(a[counts]).max(initial=0.0) for a in (mean, spread, places - x))
    return np.asarray(new), float(change)


def _quantiles(fine: Floats, log_density: Floats, x: Floats) -> Floats:
    """Return the quantiles of a density on a fine grid at the probabilities of a standard normal variable at x."""
    weights = np.exp(log_density)
    below = np.concatenate([[0.0], np.cumsum((weights[1:] + weights[:-1]) / 2)])
    above = below[-1] - below
    total = below[-1]
    # Sums from the nearer end keep the digits of both tails.
    with np.errstate(divide="ignore"):
        score = np.where(below < above, scipy.special.ndtri(below / total), -scipy.special.ndtri(above / total))
    usable = np.isfinite(score) & (np.abs(score) < _END + 1)
    score, place = np.maximum.accumulate(score[usable]), fine[usable]
    keep = np.concatenate([[True], np.diff(score) > 1e-9])
    spline = scipy.interpolate.PchipInterpolator(score[keep], place[keep])
    low, high = score[keep][0], score[keep][-1]
    inside = np.clip(x, low, high)
    slope = np.where(x < low, spline(low, 1), spline(high, 1))
    return np.asarray(spline(inside) + np.maximum(slope, 0.05) * (x - inside))
