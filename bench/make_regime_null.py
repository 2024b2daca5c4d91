"""Simulate how far true fits are from their scores: makes ``regime_null.json`` of `nqjax.checks.null_distributions`.

    python -m bench.make_regime_null [SEARCHES] > nqjax/data/regime_null.json

Searches are drawn from noisy quadratics of which the best 40 % are the regime; the regime and the smaller ones inside
it are fitted as `nqjax.find_regime` does. For each gamma, ratio of noise to the regime's width and number of scores
this gives the upper quantiles of both statistics, whose logarithms are then smoothed by quadratic polynomials. With 200
searches for each of 120 combinations it takes about 20 minutes on two cores.
"""

import itertools
import json
import sys

import numpy as np

from nqjax.checks.null_distributions import features
from nqjax.checks.regime import NULL_SHARE, Candidate, null_path

GAMMAS = (1, 2, 3, 5)
#: sigma in units of the regime's width.
NOISES = (0.01, 0.03, 0.1, 0.3, 1.0)
#: Scores in the regime.
COUNTS = (12, 24, 48, 96, 200, 500)
#: Probabilities of the upper quantiles that are stored.
TAILS = (0.5, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02, 0.01)


def draw(gamma: int, noise: float, count: int, searches: int) -> list[np.ndarray]:
    """Draw searches with about ``count`` scores in the regime; noise is in units of the regime's width."""
    rng = np.random.default_rng([gamma, int(1000 * noise), count])
    size = searches, round(count / NULL_SHARE)
    width = NULL_SHARE ** (2 / gamma)
    return list(rng.uniform(size=size) ** (2 / gamma) + noise * width * rng.normal(size=size))


def main(searches: int = 200) -> None:
    """Simulate, smooth, and print."""
    rows: list[tuple[float, int, int]] = []
    levels: dict[str, list[np.ndarray]] = {"misfit": [], "instability": []}
    for count, gamma, noise in itertools.product(COUNTS, GAMMAS, NOISES):
        found: list[Candidate] = null_path(draw(gamma, noise, count, searches))
        rows.append((noise, gamma, count))
        for name, list_of in levels.items():
            values = np.array([getattr(one, name) for one in found])
            # The smallest regime has none inside: no instability.
            quantiles = np.quantile(values, 1 - np.array(TAILS))
            list_of.append(np.log(quantiles) if np.all(quantiles > 0) else np.full(len(TAILS), np.nan))
        print(count, gamma, noise, *(np.exp(levels[name][-1][4]).round(3) for name in levels), file=sys.stderr)
    table: dict[str, object] = {"searches": searches, "tails": TAILS}
    x = features(*(np.array(column, float) for column in zip(*rows, strict=True)))
    for name, list_of in levels.items():
        y = np.array(list_of)
        good = np.all(np.isfinite(y), axis=1)
        coefficients, *_ = np.linalg.lstsq(x[good], y[good], rcond=None)
        residual = np.std(y[good] - x[good] @ coefficients, axis=0)
        print(name, "residuals of log quantiles", residual.round(3), file=sys.stderr)
        table[name] = [[round(float(c), 6) for c in row] for row in coefficients.T]
    print(json.dumps(table, indent=1))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
