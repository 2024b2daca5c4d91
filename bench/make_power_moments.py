"""Make the polynomials of `nqjax.special.power_moments`, from 50-digit values of the parabolic cylinder function.

    python -m bench.make_power_moments > nqjax/data/power_moments.json

Takes about ten seconds; needs mpmath (the `test` extra).
"""

import json
import sys
from collections.abc import Callable

import mpmath as mp

LARGEST_GAMMA = 10
#: Degrees of the four pieces: each leaves less than 1e-15 of the value (tests/test_power_moments.py).
DEGREES = {"tail": 25, "near": 26, "middle": 31, "far": 8}
#: End of the near piece, which begins at 0, where the tail ends.
NEAR = 4
#: End of the middle piece, where the far one begins.
FAR = 12
#: The tail is a polynomial in 1 - 2 SHIFT / (x + SHIFT), x = -z.
SHIFT = 4


def moment(gamma: int, order: int, z: mp.mpf) -> mp.mpf:
    """Return a derivative in z of E[(z + Z)_+**(gamma/2)], Z standard normal."""
    p = mp.mpf(gamma) / 2
    cylinder = mp.pcfd(order - p - 1, -z)
    return mp.gamma(p + 1) * mp.exp(-(z**2) / 4) * cylinder / mp.sqrt(2 * mp.pi)


def polynomial(f: Callable[[mp.mpf], mp.mpf], degree: int) -> list[float]:
    """Coefficients, the lowest first, of the interpolant on [-1, 1] at Chebyshev points."""
    count = degree + 8
    angles = [mp.pi * (k + mp.mpf(1) / 2) / count for k in range(count)]
    values = [f(mp.cos(a)) for a in angles]
    pairs = list(zip(values, angles, strict=True))
    series = [2 * mp.fsum(v * mp.cos(j * a) for v, a in pairs) / count for j in range(degree + 1)]
    series[0] /= 2
    total = [mp.mpf(0)] * (degree + 1)
    before, current = [mp.mpf(1)], [mp.mpf(0), mp.mpf(1)]
    for j, c in enumerate(series):
        chebyshev = before if j == 0 else current
        for i, value in enumerate(chebyshev):
            total[i] += c * value
        if j:
            doubled = [mp.mpf(0), *(2 * value for value in current)]
            padded = [*before, *[mp.mpf(0)] * (len(doubled) - len(before))]
            before, current = current, [a - b for a, b in zip(doubled, padded, strict=True)]
    return [float(value) for value in total]


def tail(gamma: int, order: int) -> Callable[[mp.mpf], mp.mpf]:
    """The moment at z = -x over exp(-x**2 / 2) (x + SHIFT)**(order - gamma/2 - 1)."""

    def f(t: mp.mpf) -> mp.mpf:
        x = SHIFT * (1 + t) / (1 - t)
        return moment(gamma, order, -x) * mp.exp(x * x / 2) * (x + SHIFT) ** (mp.mpf(gamma) / 2 + 1 - order)

    return f


def between(gamma: int, order: int, low: int, high: int) -> Callable[[mp.mpf], mp.mpf]:
    """The moment itself."""
    return lambda t: moment(gamma, order, mp.mpf(low + high) / 2 + mp.mpf(high - low) / 2 * t)


def far(gamma: int, order: int) -> Callable[[mp.mpf], mp.mpf]:
    """The moment over z**(gamma/2 - order), from its asymptotic series in 1 / z**2."""
    p = mp.mpf(gamma) / 2
    q = p - order
    factor = mp.fprod(p - i for i in range(order))

    def f(t: mp.mpf) -> mp.mpf:
        y = (t + 1) / 2 / mp.mpf(FAR) ** 2
        total, term = mp.mpf(0), factor
        for k in range(60):
            total += term
            following = term * (q - 2 * k) * (q - 2 * k - 1) / (2 * (k + 1)) * y
            if abs(following) >= abs(term):
                break
            term = following
        return total

    return f


def main() -> None:
    mp.mp.dps = 50
    table: dict[str, list[list[list[float]]]] = {name: [] for name in DEGREES}
    for gamma in range(1, LARGEST_GAMMA + 1):
        functions = {
            "tail": lambda j, g=gamma: tail(g, j),
            "near": lambda j, g=gamma: between(g, j, 0, NEAR),
            "middle": lambda j, g=gamma: between(g, j, NEAR, FAR),
            "far": lambda j, g=gamma: far(g, j),
        }
        for name, function in functions.items():
            orders = range(3 if name == "far" else 2)
            table[name].append([polynomial(function(j), DEGREES[name]) for j in orders])
    json.dump({"shift": SHIFT, "near": NEAR, "far": FAR, "polynomials": table}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
