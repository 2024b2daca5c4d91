"""One damped Newton step for three parameters, of which some are held at bounds.

The 3 x 3 algebra is written out in scalars: XLA compiles it to a few elementwise loops over all starts, where small
matrices would be dozens of kernels.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from nqjax.solver.knots import Symmetric, Triple

#: The Hessian's lowest eigenvalue, where it is negative, is raised by this many times its size.
_EIGENVALUE_SHIFT = 1.5


class Local(NamedTuple):
    """The objective in the coordinates that are free to move at an iterate."""

    gradient: Triple  # 0 where held
    hessian: Symmetric  # rows and columns of what is held are those of the identity
    free: Triple  # 1 or 0
    beta_held: Array
    norm: Array


def _lowest_eigenvalue(h: Symmetric) -> Array:
    """Return the lowest eigenvalue of a symmetric 3 x 3 matrix, by the trigonometric solution of its cubic."""
    mean = (h.aa + h.dd + h.ss) / 3
    a, d, s = h.aa - mean, h.dd - mean, h.ss - mean
    radius = jnp.sqrt(jnp.maximum((a**2 + d**2 + s**2 + 2 * (h.ad**2 + h.as_**2 + h.ds**2)) / 6, 1e-60))
    determinant = a * (d * s - h.ds**2) - h.ad * (h.ad * s - h.ds * h.as_) + h.as_ * (h.ad * h.ds - d * h.as_)
    angle = jnp.arccos(jnp.clip(determinant / (2 * radius**3), -1.0, 1.0)) / 3
    return mean + 2 * radius * jnp.cos(angle + 2 * jnp.pi / 3)


def newton_step(at: Local, damping: Array) -> tuple[Triple, Array]:
    """Return the Newton step of the free coordinates, and the decrease of the loss that the quadratic model predicts.

    The Hessian is made positive definite and damped, both in units of its own diagonal.
    """
    h = at.hessian
    ra, rd, rs = (1 / jnp.sqrt(jnp.maximum(jnp.abs(x), 1e-12)) for x in (h.aa, h.dd, h.ss))
    h = Symmetric(h.aa * ra * ra, h.ad * ra * rd, h.as_ * ra * rs, h.dd * rd * rd, h.ds * rd * rs, h.ss * rs * rs)
    shift = jnp.maximum(-_EIGENVALUE_SHIFT * _lowest_eigenvalue(h), 0.0) + damping + 1e-10
    a, d, s = h.aa + shift, h.dd + shift, h.ss + shift
    ga, gd, gs = (g * r for g, r in zip(at.gradient, (ra, rd, rs), strict=True))
    caa, cdd, css = d * s - h.ds**2, a * s - h.as_**2, a * d - h.ad**2
    cad, cas, cds = h.ds * h.as_ - h.ad * s, h.ad * h.ds - d * h.as_, h.ad * h.as_ - a * h.ds
    scale = -1 / (a * caa + h.ad * cad + h.as_ * cas)
    xa, xd, xs = caa * ga + cad * gd + cas * gs, cad * ga + cdd * gd + cds * gs, cas * ga + cds * gd + css * gs
    predicted = -0.5 * scale * (ga * xa + gd * xd + gs * xs)
    fa, fd, fs = at.free
    return (scale * xa * ra * fa, scale * xd * rd * fd, scale * xs * rs * fs), predicted
