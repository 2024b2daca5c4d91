"""The independent reference: the noisy quadratic by its definition in 50 digits, and the table of it that tests read.

With ``V`` of density ``gamma / 2 * v**(gamma / 2 - 1)`` on [0, 1] and standard normal noise, the convex form is

    cdf = E[Phi(z)],    sf = E[Phi(-z)],    pdf = E[phi(z)] / sigma,    z = (r - delta * V) / sigma,

with ``r = y - alpha`` and ``delta = beta - alpha``. All three integrands are positive, so no digits cancel in a tail.
With ``w = -log v`` the integrand has no singularity at any gamma, and Gauss-Legendre panels whose ends follow the
scale of the noise give 27 digits or more (a test doubles their resolution). Nothing here is shared with the package,
which integrates over the noise and by parts.

Derivatives are central differences of these functions, tuning curves their integrals and inverses. To write the table
again, which takes about half an hour on two cores, or to write some parts of it:

    python -m tests.support.reference [double] [single] [derivatives] [curves]
"""

import concurrent.futures
import functools
import itertools
import json
import math
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import mpmath as mp
import numpy as np

Number = float | mp.mpf

TABLE = Path(__file__).parents[1] / "data" / "kernel_reference.json"
DIGITS = 50
_NODES = 44

#: The functions of which the table holds derivatives, in its order.
FUNCTIONS = ("log_pdf", "cdf", "log_cdf", "log_sf")
#: Numbers of trials of the tuning curves.
TRIALS = (0.5, 1.0, 2.5, 10.0, 1000.0)


class Functions(NamedTuple):
    """CDF, survival function and density of a distribution at one place."""

    cdf: mp.mpf
    sf: mp.mpf
    pdf: mp.mpf

    def logs(self) -> tuple[mp.mpf, mp.mpf, mp.mpf]:
        """Return the logs of all three, to all digits even where the CDF or the survival function is nearly 1."""
        if self.cdf < self.sf:
            return mp.log(self.cdf), mp.log1p(-self.cdf), mp.log(self.pdf)
        return mp.log1p(-self.sf), mp.log(self.sf), mp.log(self.pdf)


# --------------------------------------------------------------------------------------------------------------------
# The definition
# --------------------------------------------------------------------------------------------------------------------


@functools.cache
def gauss_legendre(num_nodes: int) -> list[tuple[mp.mpf, mp.mpf]]:
    """Nodes and weights on [-1, 1] by Newton's method, to 50 digits whatever the precision of the first caller."""
    rule = []
    with mp.workdps(DIGITS + 10):
        for i in range(num_nodes):
            x = mp.cos(mp.pi * (i + mp.mpf(3) / 4) / (num_nodes + mp.mpf(1) / 2))
            for _ in range(8):
                before, value = mp.mpf(1), x
                for k in range(2, num_nodes + 1):
                    before, value = value, ((2 * k - 1) * x * value - (k - 1) * before) / k
                slope = num_nodes * (x * value - before) / (x * x - 1)
                x -= value / slope
            rule.append((x, 2 / ((1 - x * x) * slope * slope)))
    return rule


def _panel_ends(u: mp.mpf, s: mp.mpf, gamma: mp.mpf) -> list[mp.mpf]:
    """Ends of the panels in ``w = -log v``, from ``v = 1`` to where no more than 1e-35 of the mass is left."""
    near = min(max(u, mp.mpf(0)), mp.mpf(1))
    steps = (0.2, 1, 2, 4, 6, 9, 13, 18, 25, 40)
    places = [near, *(near + sign * k * s for sign in (-1, 1) for k in steps)]
    smooth = -mp.log(min(mp.mpf(1), s / 40))  # beyond, the noise does not resolve v any more
    last = smooth + 70 * mp.log(10) / gamma
    cuts = sorted({-mp.log(v) for v in places if 0 < v < 1 and -mp.log(v) < last} | {last})
    ends = [mp.mpf(0)]
    for cut in cuts:
        longest = mp.mpf(2) if ends[-1] < smooth + 5 else min(mp.mpf(8), 60 / gamma)
        pieces = int(mp.ceil((cut - ends[-1]) / longest))
        start = ends[-1]
        ends += [start + (cut - start) * i / pieces for i in range(1, pieces + 1)]
    return ends


def functions(
    r: Number,
    delta: Number,
    sigma: Number,
    gamma: Number,
    *,
    num_nodes: int = _NODES,
    layout: tuple[Number, Number, Number, Number] | None = None,
) -> Functions:
    """CDF, survival function and density of the convex noisy quadratic at ``y = alpha + r``.

    Parameters
    ----------
    r, delta, sigma, gamma : float or mpf
        Taken as exact.
    num_nodes : int
        Gauss-Legendre nodes a panel.
    layout : tuple, optional
        Arguments by which to choose the panels, for those who take differences between neighbouring arguments.
    """
    with mp.workdps(DIGITS):
        r, delta, sigma, gamma = (mp.mpf(a) for a in (r, delta, sigma, gamma))
        around = tuple(mp.mpf(a) for a in layout) if layout else (r, delta, sigma, gamma)
        ends = _panel_ends(around[0] / around[1], around[2] / around[1], around[3])
        cdf = sf = pdf = mp.mpf(0)
        for start, end in itertools.pairwise(ends):
            half, middle = (end - start) / 2, (start + end) / 2
            for node, weight in gauss_legendre(num_nodes):
                w = middle + half * node
                mass = half * weight * gamma / 2 * mp.exp(-gamma / 2 * w)
                z = (r - delta * mp.exp(-w)) / sigma
                tail = mp.erfc(abs(z) / mp.sqrt(2)) / 2
                low, high = (tail, 1 - tail) if z < 0 else (1 - tail, tail)
                cdf += mass * low
                sf += mass * high
                pdf += mass * mp.exp(-z * z / 2)
        return Functions(cdf, sf, pdf / (sigma * mp.sqrt(2 * mp.pi)))


# --------------------------------------------------------------------------------------------------------------------
# What follows from it
# --------------------------------------------------------------------------------------------------------------------


def derivatives(point: Sequence[float]) -> dict[str, tuple[list[mp.mpf], list[list[mp.mpf]]]]:
    """Gradient and Hessian of each of `FUNCTIONS` in (r, delta, sigma, gamma), by central differences.

    The step is 1e-9 of the shortest length of the problem: truncation leaves 1e-17 of the natural size of a derivative,
    and rounding, with 50 digits, less than that.
    """
    with mp.workdps(DIGITS):
        centre = [mp.mpf(x) for x in point]
        r, delta, sigma, gamma = centre
        excess = max(-r, r - delta, mp.mpf(0)) / sigma
        length = min(sigma, delta) / (1 + excess)
        steps = [1e-9 * length, 1e-9 * length, 1e-9 * length, 1e-9 * gamma / (1 + excess)]
        layout = tuple(point)
        start = functions(*point)
        below = start.cdf < start.sf  # the differences of 1 - sf are those of -sf, which keeps its digits

        @functools.cache
        def at(offsets: tuple[int, ...]) -> list[mp.mpf]:
            place = [c + k * h for c, k, h in zip(centre, offsets, steps, strict=True)]
            f = functions(*place, layout=layout)
            log_cdf, log_sf, log_pdf = f.logs()
            return [log_pdf, f.cdf if below else -f.sf, log_cdf, log_sf]

        def shifted(*moves: tuple[int, int]) -> tuple[int, ...]:
            offsets = [0] * 4
            for axis, k in moves:
                offsets[axis] += k
            return tuple(offsets)

        def slope(i: int, which: int) -> mp.mpf:
            return (at(shifted((i, 1)))[which] - at(shifted((i, -1)))[which]) / (2 * steps[i])

        def curvature(i: int, j: int, which: int) -> mp.mpf:
            if i == j:
                ends = at(shifted((i, 1)))[which] + at(shifted((i, -1)))[which]
                return (ends - 2 * at(shifted())[which]) / steps[i] ** 2
            same = at(shifted((i, 1), (j, 1)))[which] + at(shifted((i, -1), (j, -1)))[which]
            crossed = at(shifted((i, 1), (j, -1)))[which] + at(shifted((i, -1), (j, 1)))[which]
            return (same - crossed) / (4 * steps[i] * steps[j])

        result = {}
        for which, name in enumerate(FUNCTIONS):
            upper = {(i, j): curvature(i, j, which) for i in range(4) for j in range(i, 4)}
            hessian = [[upper[min(i, j), max(i, j)] for j in range(4)] for i in range(4)]
            result[name] = [slope(i, which) for i in range(4)], hessian
        return result


def quantile(sigma: Number, gamma: Number, log_p: mp.mpf, log_q: mp.mpf) -> mp.mpf:
    """Root of cdf = exp(log_p) = 1 - exp(log_q) for delta = 1: halving, then Newton on the log of the smaller side."""
    low, high = -30 * mp.mpf(sigma), 1 + 30 * mp.mpf(sigma)
    for _ in range(24):
        middle = (low + high) / 2
        f = functions(middle, 1, sigma, gamma, num_nodes=16)
        below = mp.log(f.cdf) < log_p if log_p < log_q else mp.log(f.sf) > log_q
        low, high = (middle, high) if below else (low, middle)
    r = low
    for _ in range(20):
        f = functions(r, 1, sigma, gamma)
        step = (log_p - mp.log(f.cdf)) * f.cdf if log_p < log_q else (mp.log(f.sf) - log_q) * f.sf
        r += step / f.pdf
        if abs(step / f.pdf) < 1e-12 * sigma:  # squared by the step just taken
            return r
    raise RuntimeError(f"no convergence at sigma={sigma}, gamma={gamma}, log_p={log_p}")


def quantiles_of_best(sigma: float, gamma: float, q: float) -> list[tuple[mp.mpf, mp.mpf]]:
    """The ``q`` quantile of the lowest and of the highest of ``n`` draws, for each of `TRIALS`; delta = 1."""
    with mp.workdps(DIGITS):
        rows = []
        for n in TRIALS:
            log_q = mp.log1p(-mp.mpf(q)) / n
            log_p = mp.log(mp.mpf(q)) / n
            lowest = quantile(sigma, gamma, mp.log(-mp.expm1(log_q)), log_q)
            rows.append((lowest, quantile(sigma, gamma, log_p, mp.log(-mp.expm1(log_p)))))
        return rows


def averages_of_best(sigma: float, gamma: float, num_nodes: int = 16) -> list[tuple[mp.mpf, mp.mpf]]:
    """Expectations of the lowest and of the highest of ``n`` draws, for each of `TRIALS`; delta = 1.

    ``E[X] = int_0^inf P(X > r) dr - int_-inf^0 P(X <= r) dr`` for ``X`` the lowest or the highest, on panels that
    resolve the noise at both ends and every scale between it and the whole range. Half a sigma where the best of many
    draws falls: its own spread is a quarter of that.
    """
    with mp.workdps(DIGITS):
        s = mp.mpf(sigma)
        ends = {place + k * s for place in (0, 1) for k in range(-16, 17, 2)}
        ends |= {place + sign * k * s / 2 for place, sign in ((0, -1), (1, 1)) for k in range(-4, 14)}
        ends |= {place + sign * 16 * s * 2**k for place, sign in ((0, 1), (1, -1)) for k in range(1, 16)}
        inner = sorted(x for x in ends if -16 * s <= x <= 1 + 16 * s)
        # Zero is always an end, because the integrand changes there.
        kept = [x for x, y in itertools.pairwise(inner) if x == 0 or (y - x > s / 4 and y != 0)] + inner[-1:]
        totals = [[mp.mpf(0), mp.mpf(0)] for _ in TRIALS]
        for start, end in itertools.pairwise(kept):
            half, middle = (end - start) / 2, (start + end) / 2
            for node, weight in gauss_legendre(num_nodes):
                log_cdf, log_sf, _ = functions(middle + half * node, 1, s, gamma, num_nodes=24).logs()
                for total, n in zip(totals, TRIALS, strict=True):
                    lowest = mp.exp(n * log_sf) if middle > 0 else mp.expm1(n * log_sf)
                    highest = -mp.expm1(n * log_cdf) if middle > 0 else -mp.exp(n * log_cdf)
                    total[0] += half * weight * lowest
                    total[1] += half * weight * highest
        return [(low, high) for low, high in totals]


# --------------------------------------------------------------------------------------------------------------------
# The points of the table
# --------------------------------------------------------------------------------------------------------------------

Point = tuple[float, float, float, float]


def _gamma(rng: random.Random, i: int) -> float:
    """Whole and real, 1 to 50; small ones, which searches have, more often."""
    whole = float(rng.choice([1, 2, 3, 4, 5, 7, 10, 20, 49, 50]))
    real = rng.choice([rng.uniform(1, 6), rng.uniform(1, 50), 1 + 10 ** rng.uniform(-8, 0)])
    return whole if i % 2 else real


def value_points(count: int, seed: int, single: bool) -> list[Point]:
    """Random (r, delta, sigma, gamma), numbers of single precision if asked: the bulk, both ends, both tails."""
    rng = random.Random(seed)
    points = []
    for i in range(count):
        s, gamma = 10 ** rng.uniform(-6, math.log10(30)), _gamma(rng, i)
        u = (
            rng.uniform(0, 1),
            rng.uniform(-8, 30) * s,
            1 + rng.uniform(-30, 8) * s,
            rng.uniform(-8 * s, 1 + 8 * s),
            rng.choice([0.0, 1.0, -8 * s, 1 + 8 * s, rng.uniform(-37, -8) * s, 1 + rng.uniform(8, 37) * s]),
        )[(i // 2) % 5]
        delta = 1.0 if (i // 10) % 2 else 10 ** rng.uniform(-3, 3)
        point = (u * delta, delta, s * delta, gamma)
        # Even a gamma that rounds to 1 - 2**-24 would be outside of the range.
        points.append(tuple(float(np.float32(x)) for x in point) if single else point)
    return points


def derivative_points(count: int, seed: int) -> list[Point]:
    """Random (r, delta, sigma, gamma) in single precision, so that ``alpha + r`` is exact for a short alpha."""
    rng = random.Random(seed)
    points = []
    for i in range(count):
        s, gamma = 10 ** rng.uniform(-6 if i % 2 else -3, math.log10(30)), _gamma(rng, i // 2)
        u = (
            rng.uniform(0, 1),
            rng.uniform(-8, 30) * s,
            1 + rng.uniform(-30, 8) * s,
            rng.uniform(-8 * s, 1 + 8 * s),
        )[(i // 4) % 4]
        points.append(tuple(float(np.float32(x)) for x in (u, 1.0, s, gamma)))
    return points


CURVE_POINTS = tuple(itertools.product((1e-3, 0.03, 0.4, 5.0), (1.0, 2.0, 3.7, 10.0)))


# --------------------------------------------------------------------------------------------------------------------
# The table
# --------------------------------------------------------------------------------------------------------------------


def _text(x: mp.mpf, digits: int = 25) -> str:
    return mp.nstr(x, digits)


def value_row(point: Point) -> list[float | str]:
    """r, delta, sigma, gamma and the logs of cdf, sf and pdf."""
    with mp.workdps(DIGITS):
        return [*point, *(_text(x) for x in functions(*point).logs())]


def derivative_row(point: Point) -> dict[str, Any]:
    """The point, and for each of `FUNCTIONS` its gradient and the rows of its Hessian."""
    found = derivatives(point)
    row: dict[str, Any] = {"point": list(point)}
    for name, (gradient, hessian) in found.items():
        row[name] = [[_text(x) for x in line] for line in (gradient, *hessian)]
    return row


def curve_row(point: tuple[float, float]) -> dict[str, Any]:
    """sigma, gamma and the tuning curves at `TRIALS`, each a pair: lowest and highest."""
    sigma, gamma = point
    with mp.workdps(DIGITS):
        curves = {"average": averages_of_best(sigma, gamma), "median": quantiles_of_best(sigma, gamma, 0.5)}
        lines = {name: [[_text(x) for x in pair] for pair in rows] for name, rows in curves.items()}
    return {"sigma": sigma, "gamma": gamma, **lines}


#: Each part of the table: its points and what makes a row of one.
PARTS: dict[str, tuple[Callable[[], Sequence[Any]], Callable[[Any], Any]]] = {
    "double": (lambda: value_points(600, seed=1, single=False), value_row),
    "single": (lambda: value_points(300, seed=2, single=True), value_row),
    "derivatives": (lambda: derivative_points(96, seed=3), derivative_row),
    "curves": (lambda: CURVE_POINTS, curve_row),
}


@functools.cache
def table() -> dict[str, Any]:
    """The stored table, its reference values still text."""
    return json.loads(TABLE.read_text())


class Values(NamedTuple):
    """Points, shape (4, n): r, delta, sigma, gamma; and the logs of cdf, sf and pdf at each."""

    points: np.ndarray
    log_cdf: list[mp.mpf]
    log_sf: list[mp.mpf]
    log_pdf: list[mp.mpf]


@functools.cache
def values(part: str) -> Values:
    """The stored values in "double" or in "single"."""
    with mp.workdps(DIGITS):
        columns = list(zip(*table()[part], strict=True))
        return Values(np.array(columns[:4], float), *([mp.mpf(x) for x in column] for column in columns[4:]))


def main(parts: Sequence[str]) -> None:
    """Write the table, or write some of its parts again."""
    stored = {} if set(parts) == set(PARTS) else table()
    lines = ['{\n"about": "Written by python -m tests.support.reference, which says what it holds."']
    with concurrent.futures.ProcessPoolExecutor() as pool:
        for part, (points, row) in PARTS.items():
            started = time.monotonic()
            rows = list(pool.map(row, points())) if part in parts else stored[part]
            lines.append(f'"{part}": [\n' + ",\n".join(json.dumps(x) for x in rows) + "\n]")
            print(f"{part}: {time.monotonic() - started:.0f} s", flush=True)
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(sys.argv[1:] or list(PARTS))
