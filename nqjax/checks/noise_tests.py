"""Three tests of the noise model: normal shape, equal spread, and no trend of the spread with the score.

Each takes groups of three or more finite scores, one group a configuration.
"""

import functools
import itertools
import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy  # its parts are imported when they are used
from numpy.typing import NDArray

from nqjax.types import Floats

#: Draws of the null distribution of the pooled test of normality.
_DRAWS = 1999

#: Most numbers drawn for it; large data get fewer draws.
_MOST_DRAWN = 20_000_000

#: Largest number of scores for which SciPy's p-value of the Shapiro-Wilk test is accurate.
_SHAPIRO_MOST = 5000

#: Up to this number of configurations all orders of their spreads are enumerated (40,320 of eight).
_ALL_ORDERS = 8

#: Fewest configurations for which an order of their spreads can be significant.
LEAST_FOR_TREND = 5

#: Smallest probability whose logarithm is taken.
_TINY = 1e-300


class NoiseTest(NamedTuple):
    """Result of one test."""

    method: str
    statistic: float  # NaN where there is too little data
    p: float
    p_adjusted: float = math.nan  # for all three tests, by Holm's method


class Normality(NamedTuple):
    """Result of the test of normality."""

    shapiro_p: Floats  # (groups,), NaN where a group is constant or its scores too coarse
    residuals: Floats  # (runs,), studentised, turned into normal scores, sorted
    test: NoiseTest


def grid_step(scores: Floats) -> float:
    """Return the step of the grid that tied scores lie on (1/1000 for accuracies on 1,000 examples); 0 for none."""
    values = np.unique(scores)
    if len(values) == len(scores) or len(values) < 2:
        return 0.0
    gaps = np.diff(values)
    gaps = gaps[gaps > 1e-9 * (values[-1] - values[0])]  # rounding errors are not steps
    step = float(gaps.min())
    # Euclid's algorithm, with a tolerance for scores that were printed with few digits.
    tolerance = 0.02 * step
    for gap in np.unique(gaps).tolist():
        rest = abs(math.remainder(gap, step))
        while rest > tolerance:
            step, rest = rest, abs(math.remainder(step, rest))
    return step


def smooth(group: Floats, step: float, rng: np.random.Generator) -> Floats | None:
    """Return standardised scores of a group; None if it is constant or the grid is too coarse to show a shape.

    A rounded score is drawn again within its cell of the grid, from the normal distribution with the group's mean and
    standard deviation (Dunn and Smyth 1996, "Randomized Quantile Residuals"). If the noise is normal, so is the result,
    and rounding is not mistaken for another shape.
    """
    mean, sd = float(np.mean(group)), float(np.std(group, ddof=1))
    if np.ptp(group) == 0 or step > 2 * sd:
        return None
    if not step:
        return (group - mean) / sd
    sd = math.sqrt(sd**2 - step**2 / 12)  # Sheppard's correction
    low, high = (scipy.special.ndtr((group + side * step / 2 - mean) / sd) for side in (-1, 1))
    places = low + (high - low) * rng.uniform(size=len(group))
    return scipy.special.ndtri(np.clip(places, _TINY, 1 - 1e-16))


def normality(groups: Sequence[Floats], step: float, seed: int) -> Normality:
    """Test whether the noise of each configuration is normal, whatever its standard deviation.

    Two tests share the level equally: Shapiro-Wilk tests of the configurations, combined by Fisher's method, find
    shapes that differ between configurations; the straightness of all residuals' Q-Q plot finds a common shape.
    """
    rng = np.random.default_rng([seed, 1])
    seen = [smooth(group, step, rng) for group in groups]
    shapiro = np.array([math.nan if y is None else scipy.stats.shapiro(y[:_SHAPIRO_MOST]).pvalue for y in seen])
    usable = [y for y in seen if y is not None]
    method = "Shapiro-Wilk and pooled Q-Q"
    if not usable:
        return Normality(shapiro, np.empty(0), NoiseTest(method, math.nan, math.nan))
    residuals = np.sort(np.concatenate([normal_scores(y) for y in usable]))
    each = np.maximum(shapiro[~np.isnan(shapiro)], _TINY)
    fisher = float(scipy.stats.combine_pvalues(each, "fisher").pvalue)
    straight = float(_straightness(residuals))
    null = _null_straightness(tuple(sorted(len(y) for y in usable)), seed)
    pooled = (1 + int(np.sum(null <= straight))) / (len(null) + 1)
    return Normality(shapiro, residuals, NoiseTest(method, straight, min(1.0, 2 * min(fisher, pooled))))


def normal_scores(groups: Floats) -> Floats:
    """Return externally studentised residuals, transformed from Student's distribution to the standard normal one.

    If the noise is normal, each is exactly standard normal, however few scores a group has.

    Parameters
    ----------
    groups : ndarray, shape (..., scores)
    """
    n = groups.shape[-1]
    rest = groups - np.mean(groups, axis=-1, keepdims=True)
    square = rest**2 * (n / np.sum(rest**2, axis=-1, keepdims=True))  # internally studentised, squared: below n - 1
    t = np.sqrt((n - 2) * square / np.maximum(n - 1 - square, _TINY))
    return -np.sign(rest) * scipy.special.ndtri(np.maximum(scipy.special.stdtr(n - 2, -t), _TINY))


def _straightness(z: Floats) -> Floats:
    """Return the squared correlation of sorted residuals with normal scores (Shapiro, Francia 1972), at most 1."""
    n = z.shape[-1]
    scores = scipy.special.ndtri((np.arange(1, n + 1) - 0.375) / (n + 0.25))
    rest = z - np.mean(z, axis=-1, keepdims=True)
    return (rest @ scores) ** 2 / (np.sum(rest**2, axis=-1) * np.sum(scores**2))


@functools.lru_cache(maxsize=8)
def _null_straightness(sizes: tuple[int, ...], seed: int) -> Floats:
    """Simulate the straightness under normal noise, as residuals of one group are not independent."""
    total = sum(sizes)
    draws = min(max(_MOST_DRAWN // total, 199), _DRAWS)
    rng = np.random.default_rng([seed, 2])
    found = []
    for start in range(0, draws, most := max(1_000_000 // total, 1)):
        count = min(most, draws - start)
        parts = [
            normal_scores(rng.normal(size=(count, times, n))).reshape(count, -1) for n, times in Counter(sizes).items()
        ]
        found.append(_straightness(np.sort(np.concatenate(parts, axis=-1), axis=-1)))
    return np.concatenate(found)


def equal_spread(groups: Sequence[Floats]) -> NoiseTest:
    """Test whether all configurations have the same standard deviation (Brown and Forsythe 1974)."""
    method = "Brown-Forsythe"
    if len(groups) < 2 or all(np.ptp(group) == 0 for group in groups):
        return NoiseTest(method, math.nan, math.nan)
    scale = max(float(np.ptp(group)) for group in groups)
    with np.errstate(divide="ignore", invalid="ignore"):  # deviations may be equal within each group
        found = scipy.stats.levene(*((group - np.median(group)) / scale for group in groups), center="median")
    return NoiseTest(method, float(found.statistic), float(found.pvalue))


def trend(groups: Sequence[Floats]) -> NoiseTest:
    """Test whether the standard deviation rises or falls with the mean score (Spearman's rank correlation).

    Each standard deviation is ranked by its probability under the pooled sigma, so that groups of different sizes are
    comparable. Up to eight groups the p-value is exact.
    """
    method = "Spearman"
    freedom = np.array([len(group) - 1 for group in groups])
    squares = np.array([np.sum((group - np.mean(group)) ** 2) for group in groups])
    if len(groups) < LEAST_FOR_TREND or not np.any(squares > 0):
        return NoiseTest(method, math.nan, math.nan)
    if np.all(freedom == freedom[0]):
        place = squares
    else:
        upper = scipy.stats.chi2.logsf(squares * np.sum(freedom) / np.sum(squares), freedom)
        lower = scipy.stats.chi2.logcdf(squares * np.sum(freedom) / np.sum(squares), freedom)
        place = np.where(lower < upper, lower, -upper - 2 * math.log(2))  # increasing, with digits in both tails
    x, y = (scipy.stats.rankdata(v) for v in ([np.mean(group) for group in groups], place))
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return NoiseTest(method, 0.0, 1.0)
    found = scipy.stats.spearmanr(x, y)
    if len(groups) > _ALL_ORDERS:
        return NoiseTest(method, float(found.statistic), float(found.pvalue))
    x, y = x - np.mean(x), y - np.mean(y)
    products = np.abs(y[_orders(len(y))] @ x)
    return NoiseTest(method, float(found.statistic), float(np.mean(products >= abs(x @ y) - 1e-9)))


@functools.lru_cache(maxsize=8)
def _orders(n: int) -> NDArray[np.intp]:
    return np.array(list(itertools.permutations(range(n))))


def holm(tests: Sequence[NoiseTest]) -> list[NoiseTest]:
    """Adjust p-values for several tests (Holm 1979), without those that are NaN."""
    p = np.array([test.p for test in tests])
    order = [i for i in np.argsort(p) if not math.isnan(p[i])]
    adjusted, largest = np.full(len(p), math.nan), 0.0
    for place, i in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - place) * p[i]))
        adjusted[i] = largest
    return [test._replace(p_adjusted=float(a)) for test, a in zip(tests, adjusted, strict=True)]
