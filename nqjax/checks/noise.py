"""Noise diagnostics: configurations retrained with many seeds show whether the noise model of the regime holds.

The theory takes the score of one run to be its configuration's score plus normal noise, of one standard deviation for
all configurations inside the regime (Lourie, He, Cho 2025).
"""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.special
import scipy.stats
from numpy.typing import ArrayLike, NDArray

from nqjax.checks import noise_tests
from nqjax.checks.noise_tests import NoiseTest
from nqjax.checks.noise_verdict import Comparison, verdict_of, warnings_of
from nqjax.confidence.bands import order_statistic_band
from nqjax.errors import InputError
from nqjax.inputs import as_limits, as_probability
from nqjax.trials.labels import as_labels, read_labels
from nqjax.trials.scores import read_scores

if TYPE_CHECKING:
    from nqjax.estimation.fit import Fit
from nqjax.checks.noise_verdict import ConfigurationNoise

Floats = NDArray[np.float64]


#: Finite scores that a configuration needs to be judged.
LEAST_SEEDS = 3


#: Configurations and degrees of freedom below which there is too little to tell.
_LEAST_CONFIGURATIONS, _LEAST_FREEDOM = 2, 10


#: Above so many residuals the band of the Q-Q plot is one of constant height, which takes no time.
_LARGE = 10_000


class NormalQQ(NamedTuple):
    """The points of a normal Q-Q plot, each of shape (runs,), and the band that holds all of them at once."""

    theoretical: Floats
    residuals: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class NoiseDiagnostics:
    """What repeated runs say about the noise model.

    Attributes
    ----------
    configurations : tuple of ConfigurationNoise
        The best mean first.
    sigma : float
        Pooled standard deviation of the configurations in the verdict, on the scale of the scores; NaN without any.
    sigma_interval : pair of float
        Its chi-square interval at the confidence ``1 - level``; valid where the noise model holds.
    degrees_of_freedom : int
        Of sigma.
    normality, homoskedasticity, trend : NoiseTest
        The three tests, each with its statistic, its p-value and the p-value adjusted for all three by Holm's method.
    comparison : Comparison, optional
        The ratio of sigma to a fitted sigma, if one was given.
    holds : bool, optional
        False where an adjusted p-value is at or below the level; None where there is too little to tell.
    verdict : str
        The same in words.
    warnings : tuple of str
        What to know when reading it.
    residuals : ndarray, shape (runs,)
        Studentised residuals as normal scores, sorted.
    step : float
        Step of the grid that the scores lie on; 0 for none.
    minimize, limits, level
        As given.
    """

    configurations: tuple[ConfigurationNoise, ...] = field(repr=False)
    sigma: float
    sigma_interval: tuple[float, float]
    degrees_of_freedom: int
    normality: NoiseTest = field(repr=False)
    homoskedasticity: NoiseTest = field(repr=False)
    trend: NoiseTest = field(repr=False)
    comparison: Comparison | None
    holds: bool | None
    verdict: str
    warnings: tuple[str, ...]
    residuals: Floats = field(repr=False)
    step: float
    minimize: bool
    limits: tuple[float, float]
    level: float

    @functools.cached_property
    def qq(self) -> NormalQQ:
        """The normal Q-Q plot of the residuals, with a band that holds at least at the confidence ``1 - level``.

        The band is that of independent draws (`nqjax.bands`); residuals from their own means stray less.
        """
        n = len(self.residuals)
        if not n:
            return NormalQQ(*[np.empty(0)] * 4)
        band = order_statistic_band(n, 1 - self.level, "ld_highest_density" if n <= _LARGE else "dkw")
        places = scipy.special.ndtri((np.arange(1, n + 1) - 0.5) / n)
        return NormalQQ(places, self.residuals, scipy.special.ndtri(band.low), scipy.special.ndtri(band.high))


def noise_diagnostics(
    table: "str | Path | Mapping[str, ArrayLike]",
    config: str = "config_id",
    score: str = "y",
    *,
    limits: tuple[float, float] = (-math.inf, math.inf),
    minimize: bool = True,
    fit: "Fit | float | None" = None,
    level: float = 0.05,
    seed: int = 0,
) -> NoiseDiagnostics:
    """Judge from configurations that were retrained with many seeds whether the noise is normal and of one size.

    Parameters
    ----------
    table : str, Path or mapping
        A run a row: a file (as `nqjax.trials.read_scores` takes it), or columns by name.
    config, score : str
        The columns of the configurations' ids (numbers or text) and of the scores. NaN and infinite scores are failed
        runs: counted, and left out.
    limits : pair of float
        The regime, as in `nqjax.fit`. Configurations whose mean score lies outside are reported, not judged.
    minimize : bool
        Whether lower scores are better.
    fit : Fit or float, optional
        What to compare the pooled sigma with: a fit of a search, or its sigma.
    level : float
        How often the verdict may be wrong where the noise model is true, for the three tests together (Holm's method),
        between 0 and 1. Intervals have the confidence ``1 - level``.
    seed : int
        Of what is simulated: the null distribution of the pooled test of normality, and the places of rounded scores
        within their cells.

    Returns
    -------
    NoiseDiagnostics

    Raises
    ------
    InputError
        A file that cannot be read, columns that are missing or differ in length, ids that are missing, limits or a
        level that are none, a fit in the other direction.

    Notes
    -----
    The residual experiment of Lourie, He, Cho 2025, with tests: Shapiro-Wilk and a pooled Q-Q test for the shape,
    Brown-Forsythe for equal spreads, Spearman for spreads that follow the score (`nqjax.noise_tests`).
    """
    limits = as_limits(limits)
    level = as_probability("level", level, "such as 0.05")
    fitted = _fitted_sigma(fit, minimize)
    ids, scores = _columns(table, config, score)
    return _judge(_grouped(ids, scores), limits, minimize, fitted, level, seed)


def _judge(
    groups: dict[str, Floats],
    limits: tuple[float, float],
    minimize: bool,
    fitted: float | None,
    level: float,
    seed: int,
) -> NoiseDiagnostics:
    finite = {name: y[np.isfinite(y)] for name, y in groups.items()}
    rows = [_row(name, groups[name], y, limits, minimize, level) for name, y in finite.items()]
    rows.sort(key=lambda row: (math.isnan(row.mean), row.mean if minimize else -row.mean))
    judged = [finite[row.id] for row in rows if row.used]
    step = noise_tests.grid_step(np.concatenate(judged)) if judged else 0.0
    shape = noise_tests.normality(judged, step, seed)
    p = iter(shape.shapiro_p.tolist())
    rows = [row._replace(shapiro_p=next(p)) if row.used else row for row in rows]
    tests = noise_tests.holm([shape.test, noise_tests.equal_spread(judged), noise_tests.trend(judged)])

    freedom = sum(len(y) - 1 for y in judged)
    square = sum(float(np.sum((y - np.mean(y)) ** 2)) for y in judged)
    sigma = math.sqrt(square / freedom) if freedom else math.nan
    interval = _sd_interval(sigma, freedom, level)
    comparison = None if fitted is None or not freedom else Comparison.of(sigma, interval, fitted)
    enough = len(judged) >= _LEAST_CONFIGURATIONS and freedom >= _LEAST_FREEDOM and sigma > 0
    holds = not any(test.p_adjusted <= level for test in tests) if enough else None
    return NoiseDiagnostics(
        configurations=tuple(rows),
        sigma=sigma,
        sigma_interval=interval,
        degrees_of_freedom=freedom,
        normality=tests[0],
        homoskedasticity=tests[1],
        trend=tests[2],
        comparison=comparison,
        holds=holds,
        verdict=verdict_of(holds, tests, rows, (sigma, *interval), comparison, level, minimize),
        warnings=warnings_of(rows, step, sigma, len(judged), int(np.sum(np.isfinite(shape.shapiro_p)))),
        residuals=shape.residuals,
        step=step,
        minimize=minimize,
        limits=limits,
        level=level,
    )


def _fitted_sigma(fit: "Fit | float | None", minimize: bool) -> float | None:
    if fit is None:
        return None
    if getattr(fit, "minimize", minimize) != minimize:
        raise InputError(f"the fit is of the other direction: give minimize={not minimize}")
    sigma = float(getattr(fit, "sigma", fit))  # type: ignore[arg-type]
    if not (math.isfinite(sigma) and sigma >= 0):
        raise InputError(f"the fitted sigma is {sigma}: give a standard deviation")
    return sigma


def _columns(table: "str | Path | Mapping[str, ArrayLike]", config: str, score: str) -> tuple[list[str], Floats]:
    if isinstance(table, str | Path):
        scores = read_scores(table, score)
        ids = read_labels(table, config)
    else:
        names = list(table.keys()) if hasattr(table, "keys") else None
        if names is None:
            raise InputError(f"the table is a {type(table).__name__}: give a file's path, or a mapping of columns")
        for name in (config, score):
            if name not in names:
                raise InputError(f"the table has no column {name!r}; its columns: {', '.join(map(str, names))}")
        try:
            scores = np.asarray(table[score], np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(f"the scores are not numbers: {error}") from None
        ids = as_labels(np.asarray(table[config], object).ravel(), config)
    if scores.ndim != 1 or len(ids) != len(scores):
        raise InputError(f"{len(ids)} ids and scores of shape {scores.shape}: give one of each a run")
    if not ids:
        raise InputError("the table has no rows: give one a run")
    return ids, scores


def _grouped(ids: list[str], scores: Floats) -> dict[str, Floats]:
    names, place = np.unique(np.array(ids), return_inverse=True)
    order = np.argsort(place, kind="stable")
    ends = np.cumsum(np.bincount(place))[:-1]
    return dict(zip(names.tolist(), np.split(scores[order], ends), strict=True))


def _row(
    name: str, runs: Floats, y: Floats, limits: tuple[float, float], minimize: bool, level: float
) -> ConfigurationNoise:
    mean = math.nan
    if len(y):
        # Of scores that are all the same the mean is that one, rounding or not: it may lie on the limit.
        mean = float(np.clip(np.mean(y), np.min(y), np.max(y)))
    sd = float(np.std(y, ddof=1)) if len(y) > 1 else math.nan
    if len(y) > 1 and np.ptp(y) == 0:
        sd = 0.0
    inside = limits[0] < mean <= limits[1] if minimize else limits[0] <= mean < limits[1]
    return ConfigurationNoise(
        id=name,
        number=len(runs),
        failed=len(runs) - len(y),
        mean=mean,
        sd=sd,
        sd_interval=_sd_interval(sd, len(y) - 1, level),
        shapiro_p=math.nan,
        inside=inside,
        used=inside and len(y) >= LEAST_SEEDS,
    )


def _sd_interval(sd: float, freedom: int, level: float) -> tuple[float, float]:
    """Chi-square interval of a standard deviation."""
    if freedom < 1:
        return math.nan, math.nan
    low, high = scipy.stats.chi2.ppf([level / 2, 1 - level / 2], freedom)
    return sd * math.sqrt(freedom / high), sd * math.sqrt(freedom / low)
