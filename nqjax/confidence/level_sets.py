"""Sets of noisy quadratics whose loss is below a level, of one study or of many at once.

For each gamma and each ratio ``s`` of noise to range the set of (alpha, delta) is star-shaped around its best point.
Ratios are tried on a coarse grid, then on a fine one between the set's ends. For each ratio Newton's method finds the
best point, and the set's border is found along rays from it.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nqjax.confidence.slices import Slice
from nqjax.estimation.evaluate import Grouped, group, losses, objective, standard_theta
from nqjax.estimation.fit import Fit
from nqjax.estimation.study import ScaledStudy
from nqjax.special.chunked import standard_quantile
from nqjax.types import Floats

Ints = NDArray[np.intp]

#: Ratio of noise to range that stands for hardly any noise.
HARDLY = 1e-5

#: Smallest other ratio.
_LOWEST = 1e-3

#: Largest ratio.
_HIGHEST = 30.0

#: Number of ratios on the coarse grid.
_COARSE = 18

#: Most ratios on the fine grid.
_MOST = 48

#: Probabilities at which quantiles are compared with the knots, for the starts.
_TAILS = np.concatenate([np.geomspace(1e-5, 0.05, 16), np.linspace(0.1, 0.9, 17), 1 - np.geomspace(0.05, 1e-5, 16)])


#: Most Newton steps for a best point.
_STEPS = 30

#: Most Newton steps for a border.
_BORDER_STEPS = 16

#: Number of rays that show a set's rough shape.
_ROUGH_RAYS = 8

#: Tolerance of these, as `Resolution.close`.
_ROUGH_CLOSE = 0.1

#: Newton's method stops when it predicts a decrease below this share of the allowed excess.
_SMALL_DECREASE = 1e-4


class Resolution(NamedTuple):
    """Fineness of the search for a region."""

    fewest: int = 12  # least number of ratios for each gamma
    step: float = 0.2  # largest step between the logarithms of ratios
    rays: int = 48
    close: float = 1e-3  # tolerance of the border, as a share of the allowed excess of the loss


class _Slices(NamedTuple):
    """The best (alpha, delta) for each combination of study, gamma and ratio; each combination is a row."""

    study: Ints
    gamma: Ints
    log_s: Floats
    point: Floats  # (slices, 2): alpha, delta
    loss: Floats
    hessian: Floats  # (slices, 2, 2)


def level_sets(
    studies: Sequence[ScaledStudy], fits: Sequence[Fit], excesses: Sequence[ArrayLike], resolution: Resolution
) -> list[list[list[Slice]]]:
    """Return the level sets of several studies.

    Parameters
    ----------
    studies : sequence of ScaledStudy
    fits : sequence of Fit
        Fits of the studies, with the same gammas.
    excesses : sequence of float or array_like, shape (studies,)
        For each level, the largest excess of a member's loss over that of the fit.

    Returns
    -------
    list of list of list of Slice
        Slices for each level and study, without empty ones.
    """
    grouped = group([(one.data, one.location, one.scale) for one in studies])
    log_s = np.log(np.append(HARDLY, np.geomspace(_LOWEST, _HIGHEST, _COARSE)))
    rooms = np.array([np.broadcast_to(excess, len(studies)) for excess in excesses])
    # Computed on the same pooled spacings as all other losses.
    by_gamma, log_ratios = _of_fits(grouped, studies, fits)
    lowest, widest = by_gamma.min(axis=1), rooms.max(axis=0)
    starts = _starts(studies, list(fits[0].losses_by_gamma), log_s)
    hopeful = np.repeat((by_gamma < (lowest + widest)[:, None])[:, None], len(log_s), axis=1).ravel()
    coarse = _best(grouped, starts, widest, hopeful)
    finer = _between(coarse, log_s, by_gamma, log_ratios, lowest + widest, widest, resolution)
    slices = _best(grouped, finer, rooms.min(axis=0))
    return [_sets(grouped, slices, lowest, room, resolution) for room in rooms]


def _sets(
    grouped: Grouped, slices: _Slices, lowest: Floats, excess: Floats, resolution: Resolution
) -> list[list[Slice]]:
    """Return the slices of the sets at one level, from the best point for each gamma and ratio."""
    near = slices.loss < (lowest + excess)[slices.study]
    slices = _Slices(*(column[near] for column in slices))  # type: ignore[arg-type]
    borders = _borders(grouped, slices, (lowest + excess)[slices.study], excess[slices.study], resolution)
    found: list[list[Slice]] = [[] for _ in lowest]
    for study, gamma, one, border in zip(slices.study, slices.gamma, slices.log_s, borders, strict=True):
        found[study].append(Slice(int(gamma), float(one), border, 0.0))
    return found


def _of_fits(grouped: Grouped, studies: Sequence[ScaledStudy], fits: Sequence[Fit]) -> tuple[Floats, Floats]:
    """Return the losses and the log ratios of the best fits for each gamma, both of shape (studies, gammas)."""
    which, gammas, theta = [], [], []
    for i, (one, fit) in enumerate(zip(studies, fits, strict=True)):
        for gamma, (alpha, beta, sigma) in fit.parameters_by_gamma.items():
            which.append(i)
            gammas.append(gamma)
            best = alpha if fit.minimize else -beta
            theta.append(standard_theta(best, beta - alpha, sigma, one.location, one.scale))
    points = np.array(theta)
    found = losses(grouped, np.array(which), np.array(gammas), points)
    return found.reshape(len(fits), -1), (points[:, 2] - points[:, 1]).reshape(len(fits), -1)


def _between(
    coarse: _Slices,
    log_s: Floats,
    by_gamma: Floats,
    log_ratios: Floats,
    most: Floats,
    excess: Floats,
    resolution: Resolution,
) -> _Slices:
    """Return a fine grid of ratios between the set's ends, for each study and gamma whose set is not empty."""
    studies, gammas = by_gamma.shape
    loss = coarse.loss.reshape(studies, len(log_s), gammas)
    columns: list[list[Floats]] = []
    for study, which in zip(*np.nonzero(by_gamma < most[:, None]), strict=True):
        gap = loss[study, :, which] - most[study]
        (near,) = np.nonzero(gap < 0)
        # Hardly any noise is kept as a ratio of its own: above it the loss is flat at first.
        hardly = len(near) > 0 and near[0] <= 1
        if len(near):
            low, high = max(near[0] - 1, 0), min(near[-1] + 1, len(log_s) - 1)
            first = _edge(log_s, gap, near[0], low, excess[study])
            ends = max(first, log_s[1]), _edge(log_s, gap, near[-1], high, excess[study])
        else:
            centre = float(np.clip(log_ratios[study, which], log_s[1], log_s[-1]))
            ends = _around(log_s, gap, centre, most[study] - by_gamma[study, which])
        count = int(np.clip(math.ceil((ends[1] - ends[0]) / resolution.step), resolution.fewest, _MOST))
        places = np.linspace(*ends, count)
        places = np.append(log_s[0], places) if hardly else places
        rows = coarse.point.reshape(studies, len(log_s), gammas, 2)[study, :, which]
        known = np.isfinite(loss[study, :, which]) & (rows[:, 1] > 0)
        if not np.any(known):
            continue
        delta = np.exp(np.interp(places, log_s[known], np.log(rows[known, 1])))
        alpha = np.interp(places, log_s[known], rows[known, 0])
        gamma = coarse.gamma.reshape(studies, len(log_s), gammas)[study, 0, which]
        columns.append([np.full(len(places), float(study)), np.full(len(places), float(gamma)), places, alpha, delta])
    table = np.concatenate([np.array(one) for one in columns], axis=1) if columns else np.empty((5, 0))
    nothing = np.full(table.shape[1], math.inf)
    hessian = np.zeros((table.shape[1], 2, 2))
    return _Slices(table[0].astype(np.intp), table[1].astype(np.intp), table[2], table[3:].T.copy(), nothing, hessian)


def _around(log_s: Floats, gap: Floats, centre: float, room: float) -> tuple[float, float]:
    """Return an interval of log ratios around the best one that should contain the set.

    The loss is taken to be a parabola through a neighbouring ratio; the interval is a bit wider than it predicts.
    """
    away = np.where(np.isfinite(gap) & (np.abs(log_s - centre) > 0.1), gap, math.inf)
    k = int(np.argmin(away))
    if not math.isfinite(away[k]):
        return float(log_s[1]), float(log_s[-1])
    half = 1.3 * abs(float(log_s[k]) - centre) * math.sqrt(room / (away[k] + room))
    return centre - half, centre + half


def _edge(log_s: Floats, gap: Floats, inside: int, outside: int, excess: float) -> float:
    """Return the log ratio where the set ends, if the loss is a parabola, moved a bit outwards."""
    if gap[inside] >= 0 or gap[outside] <= 0 or not math.isfinite(gap[outside]):
        return float(log_s[outside])
    near, far = math.sqrt(max(gap[inside] + excess, 0.0)), math.sqrt(gap[outside] + excess)
    share = (math.sqrt(excess) - near) / (far - near)
    return float(log_s[inside] + min(share + 0.2, 1.0) * (log_s[outside] - log_s[inside]))


def _starts(studies: Sequence[ScaledStudy], gammas: list[int], log_s: Floats) -> _Slices:
    """Return initial points for Newton's method.

    alpha and delta are intercept and slope of the least-squares line of the knots over the quantiles of the
    distribution with alpha 0 and beta 1.
    """
    ratios, whole = np.meshgrid(log_s, np.array(gammas), indexing="ij")
    table = standard_quantile(np.log1p(-_TAILS), np.exp(ratios.ravel())[:, None], whole.ravel()[:, None].astype(float))
    points = []
    for one in studies:
        knots = (one.data.knots - one.location) / one.scale
        below = np.cumsum(one.data.counts)[:-1] / one.data.counts.sum()
        t = np.stack([np.interp(below, _TAILS, row) for row in table])
        spread = t - t.mean(axis=1, keepdims=True)
        delta = spread @ (knots - knots.mean()) / np.maximum(np.sum(spread**2, axis=1), 1e-300)
        delta = np.maximum(np.where(np.ptp(t, axis=1) > 1e-9, delta, np.ptp(knots)), 1e-3)
        points.append(np.stack([knots.mean() - delta * t.mean(axis=1), delta], axis=1))
    count = len(table)
    study = np.repeat(np.arange(len(studies)), count)
    tile = (len(studies),)
    nothing = np.full(len(study), math.inf)
    return _Slices(
        study,
        np.tile(whole.ravel(), tile),
        np.tile(ratios.ravel(), tile),
        np.concatenate(points),
        nothing,
        np.zeros((len(study), 2, 2)),
    )


def _at(grouped: Grouped, slices: _Slices, point: Floats, which: Ints) -> tuple[Floats, Floats, Floats]:
    """Return loss, gradient and Hessian in (alpha, log delta) for the rows ``which`` of the slices."""
    log_delta = np.log(point[:, 1])
    theta = np.stack([point[:, 0], log_delta, log_delta + slices.log_s[which]], axis=1)
    value = objective(grouped, slices.study[which], slices.gamma[which], theta)
    gradient = np.stack([value[:, 1], value[:, 2] + value[:, 3]], axis=1)
    aa, ad, as_, dd, ds, ss = value[:, 4:].T
    hessian = np.stack([aa, ad + as_, ad + as_, dd + 2 * ds + ss], axis=1).reshape(-1, 2, 2)
    return np.where(np.isfinite(value[:, 0]), value[:, 0], math.inf), gradient, hessian


def _best(grouped: Grouped, slices: _Slices, excess: Floats, hopeful: NDArray[np.bool_] | None = None) -> _Slices:
    """Find the best point of each slice, or of those that may have a member, by damped Newton steps.

    A slice is done when its next step would hardly decrease the loss.
    """
    point, loss, hessian = slices.point.copy(), slices.loss.copy(), slices.hessian.copy()
    gradient = np.zeros_like(point)
    damping = np.full(len(point), 1e-3)
    trial, moving = point.copy(), np.arange(len(point)) if hopeful is None else np.flatnonzero(hopeful)
    for _ in range(_STEPS):
        new, slope, curve = _at(grouped, slices, trial[moving], moving)
        better = (new < loss[moving]) & np.all(np.isfinite(slope), axis=1) & np.all(np.isfinite(curve), axis=(1, 2))
        taken = moving[better]
        point[taken], loss[taken] = trial[taken], new[better]
        gradient[taken], hessian[taken] = slope[better], curve[better]
        # A start without a finite loss is impossible: its alpha is too high.
        lost = moving[~np.isfinite(loss[moving])]
        point[lost] += np.array([-0.1, 0.1]) * np.maximum(point[lost, 1:], 0.1)
        damping[moving] = np.where(better, damping[moving] / 10, np.maximum(damping[moving], 1e-4) * 10)
        step, decrease = _step(gradient[moving], hessian[moving], damping[moving], point[moving, 1])
        known = np.isfinite(loss[moving])
        on = ~known | ((decrease > _SMALL_DECREASE * excess[slices.study[moving]]) & (damping[moving] < 1e8))
        trial[moving] = np.where(
            known[:, None],
            np.stack([point[moving, 0] + step[:, 0], point[moving, 1] * np.exp(step[:, 1])], axis=1),
            point[moving],
        )
        moving = moving[on]
        if not len(moving):
            break
    return slices._replace(point=point, loss=loss, hessian=hessian)


def _step(gradient: Floats, hessian: Floats, damping: Floats, delta: Floats) -> tuple[Floats, Floats]:
    """Return Newton steps in (alpha, log delta), with Hessians made positive definite, and the predicted decreases."""
    unit = np.stack([delta, np.ones_like(delta)], axis=1)  # alpha in units of delta
    g, h = gradient * unit, hessian * unit[:, :, None] * unit[:, None, :]
    values, vectors = np.linalg.eigh(h)
    size = np.maximum(np.abs(values[:, -1:]), 1e-12)
    values = np.maximum(np.abs(values), 1e-6 * size) + damping[:, None] * size
    rotated = np.einsum("lij,li->lj", vectors, g)
    step = -np.einsum("lij,lj->li", vectors, rotated / values)
    decrease = 0.5 * np.sum(rotated**2 / values, axis=1)
    length = np.max(np.abs(step), axis=1, keepdims=True)
    return step / np.maximum(length, 1.0) * unit, decrease


class _Rays(NamedTuple):
    """Origin of the rays of each slice, and the axes of an ellipse that approximates the slice's set."""

    start: Floats  # (slices, 2): alpha, delta
    axes: Floats  # (slices, 2, 2)


def _borders(grouped: Grouped, slices: _Slices, most: Floats, excess: Floats, resolution: Resolution) -> Floats:
    """Return the points (alpha, delta) on each ray where the loss is ``most``, shape (slices, rays, 2)."""
    if not len(most):
        return np.empty((0, resolution.rays, 2))
    # Rays from the ellipse of the curvature at the best point show the rough shape of long and bent sets.
    delta = slices.point[:, 1]
    unit = np.stack([delta, np.ones_like(delta)], axis=1)
    values, vectors = np.linalg.eigh(slices.hessian * unit[:, :, None] * unit[:, None, :])
    values = np.maximum(values, 1e-6 * np.maximum(values[:, -1:], 1e-12))
    axes = delta[:, None, None] * vectors * np.sqrt(2 * (most - slices.loss)[:, None] / values)[:, None, :]
    rough = _along_rays(grouped, slices, _Rays(slices.point, axes), most, excess, _ROUGH_RAYS, _ROUGH_CLOSE)
    rays = _moments(rough)
    outside = _at(grouped, slices, rays.start, np.arange(len(most)))[0] >= most
    rays.start[outside] = slices.point[outside]
    return _along_rays(grouped, slices, rays, most, excess, resolution.rays, resolution.close)


def _moments(corners: Floats) -> _Rays:
    """Return ellipses with the area, the centre and the second moments of polygons (slices, corners, 2)."""
    origin = corners.mean(axis=1, keepdims=True)
    p = corners - origin
    q = np.roll(p, -1, axis=1)
    # Sum over triangles from the origin.
    area = np.maximum(np.abs(p[..., 0] * q[..., 1] - p[..., 1] * q[..., 0]) / 2, 1e-300)
    total = area.sum(axis=1)
    middle = np.einsum("lc,lci->li", area, (p + q) / 3) / total[:, None]
    square = np.einsum("lci,lcj->lcij", p, p) + np.einsum("lci,lcj->lcij", q, q)
    square += np.einsum("lci,lcj->lcij", p + q, p + q)
    moments = np.einsum("lc,lcij->lij", area, square) / 12 / total[:, None, None]
    moments -= np.einsum("li,lj->lij", middle, middle)
    values, vectors = np.linalg.eigh(moments)
    values = np.maximum(values, 1e-12 * np.maximum(values[:, -1:], 1e-300))
    return _Rays(origin[:, 0] + middle, 2 * vectors * np.sqrt(values)[:, None, :])


def _along_rays(
    grouped: Grouped, slices: _Slices, rays: _Rays, most: Floats, excess: Floats, count: int, close: float
) -> Floats:
    """Return how far along each of ``count`` rays of each slice the loss reaches ``most``.

    The method is Newton's, kept within a bracket.
    """
    angle = 2 * np.pi * np.arange(count) / count
    directions = np.einsum("lij,jr->lri", rays.axes, np.stack([np.cos(angle), np.sin(angle)])).reshape(-1, 2)
    which = np.repeat(np.arange(len(most)), count)
    start = rays.start[which]
    inner, outer = np.zeros(len(which)), np.full(len(which), math.inf)
    radius, found = np.ones(len(which)), np.zeros(len(which))
    moving = np.arange(len(which))
    for _ in range(_BORDER_STEPS):
        row = which[moving]
        point = start[moving] + radius[moving, None] * directions[moving]
        possible = point[:, 1] > 0
        loss, slope, _ = _at(grouped, slices, np.where(possible[:, None], point, start[moving]), row)
        gap = np.where(possible, loss, math.inf) - most[row]
        inside = gap <= 0
        inner[moving] = np.where(inside, radius[moving], inner[moving])
        outer[moving] = np.where(inside, outer[moving], radius[moving])
        rise = np.sum(np.stack([slope[:, 0], slope[:, 1] / point[:, 1]], axis=1) * directions[moving], axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            new = radius[moving] - gap / rise
        low, high = inner[moving], outer[moving]
        sound = np.isfinite(new) & (rise > 0) & (new > low) & (new < np.minimum(high, 3 * radius[moving]))
        half = np.where(np.isfinite(high), (low + high) / 2, 2 * radius[moving])
        near = np.isfinite(gap) & (np.abs(gap) <= close * excess[row])
        found[moving] = np.where(near, radius[moving], low)
        radius[moving] = np.where(sound, new, half)
        moving = moving[~near & (high - low > 1e-4 * low)]
        if not len(moving):
            break
    return (start + found[:, None] * directions).reshape(len(most), count, 2)
