"""Noise diagnostics: whether configurations that were retrained with many seeds follow the noise model.

In the noise model the score of a run is its configuration's score plus normal noise, with the same standard deviation
for all configurations inside the regime (Lourie, He, Cho 2025).
"""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy  # its parts are imported when they are used
from numpy.typing import ArrayLike

from nqjax.checks import noise_tests
from nqjax.checks.noise_tests import NoiseTest
from nqjax.checks.noise_verdict import ConfigurationNoise, SigmaComparison, verdict_of, warnings_of
from nqjax.checks.sigma_of_fit import sigma_interval
from nqjax.confidence.bands import order_statistic_band
from nqjax.confidence.profile import ProfileRegion
from nqjax.errors import InputError
from nqjax.estimation.fit import Fit
from nqjax.inputs import as_count, as_limits, as_minimize, as_probability, as_scores, read_number, shortened
from nqjax.trials.labels import as_labels
from nqjax.trials.readers.read import read_runs
from nqjax.trials.reruns import labels_of, scores_of
from nqjax.trials.study import StudyTable
from nqjax.types import Floats

#: Text between the labels of a configuration that several columns identify.
SEPARATOR = " / "

#: Fewest finite scores of a configuration for the tests.
LEAST_SEEDS = 3

#: Fewest configurations for a verdict.
_LEAST_CONFIGURATIONS = 2

#: Fewest degrees of freedom for a verdict.
_LEAST_FREEDOM = 10

#: An ideal search stands for a real one: its interval of sigma may miss in this share of the level only.
_MARGIN = 0.2

#: Largest number of residuals for which the Q-Q plot has the LD band, which takes longer than the DKW band.
_MOST_FOR_LD_BAND = 10_000


class NormalQQ(NamedTuple):
    """Points of a normal Q-Q plot with a simultaneous band, each of shape (runs,)."""

    theoretical: Floats
    residuals: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class NoiseDiagnostics:
    """Pooled sigma, tests and verdict on the noise model.

    Attributes
    ----------
    configurations : tuple of ConfigurationNoise
        Summaries of the configurations, the best mean first.
    sigma : float
        Pooled standard deviation of the configurations that the tests use, on the scale of the scores; NaN without any.
    sigma_interval : pair of float
        Chi-square interval of sigma at the confidence ``1 - level``; valid if the noise model holds.
    degrees_of_freedom : int
        Degrees of freedom of sigma.
    normality, homoskedasticity, trend : NoiseTest
        The three tests, each with statistic, p-value and p-value adjusted for all three by Holm's method.
    comparison : SigmaComparison, optional
        The ratio of sigma to a fitted sigma, if one was given.
    holds : bool, optional
        False if an adjusted p-value is at or below the level; None if there is too little data.
    verdict : str
        The result in words.
    warnings : tuple of str
        Problems of the data.
    residuals : ndarray, shape (runs,)
        Studentised residuals, turned into normal scores, sorted.
    step : float
        Step of the grid that the scores lie on; 0 for none.
    minimize, limits, level
        As given to `noise_diagnostics`.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> noise = np.random.default_rng(0).normal(size=(4, 6))
    >>> table = {"config_id": np.repeat([1, 2, 3, 4], 6), "y": (noise + 10).ravel()}
    >>> found = nqjax.noise_diagnostics(table)
    >>> found.degrees_of_freedom, len(found.configurations), found.qq.residuals.shape
    (20, 4, (24,))
    """

    configurations: tuple[ConfigurationNoise, ...] = field(repr=False)
    sigma: float
    sigma_interval: tuple[float, float]
    degrees_of_freedom: int
    normality: NoiseTest = field(repr=False)
    homoskedasticity: NoiseTest = field(repr=False)
    trend: NoiseTest = field(repr=False)
    comparison: SigmaComparison | None
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
        """Normal Q-Q plot of the residuals, with a band of at least the confidence ``1 - level``.

        The band is the one of independent draws (`nqjax.confidence_bands`); residuals from their own means vary less.
        """
        n = len(self.residuals)
        if not n:
            return NormalQQ(*[np.empty(0)] * 4)
        band = order_statistic_band(n, 1 - self.level, "ld_highest_density" if n <= _MOST_FOR_LD_BAND else "dkw")
        places = scipy.special.ndtri((np.arange(1, n + 1) - 0.5) / n)
        return NormalQQ(places, self.residuals, scipy.special.ndtri(band.low), scipy.special.ndtri(band.high))


def noise_diagnostics(
    table: "str | Path | StudyTable | Mapping[str, ArrayLike]",
    config: str | Sequence[str] = "config_id",
    score: str = "y",
    *,
    limits: tuple[float, float] = (-math.inf, math.inf),
    minimize: bool | None = None,
    maximize: bool | None = None,
    fit: "Fit | ProfileRegion | float | None" = None,
    level: float = 0.05,
    seed: int = 0,
) -> NoiseDiagnostics:
    """Test whether the noise of configurations retrained with many seeds is normal, with one standard deviation.

    Parameters
    ----------
    table : str, Path, StudyTable or mapping
        One run a row: a file as `nqjax.read_study` takes it, what was read of one, or columns by name. In a file, only
        a finished run has a score.
    config : str or sequence of str
        Name of the column of the configurations' ids (numbers or text), or of several columns, such as the
        hyperparameters, which together identify a configuration.
    score : str
        Name of the column of the scores. NaN and infinite scores are failed runs: they are counted and left out.
    limits : pair of float
        The regime, as in `nqjax.fit`. Configurations with a mean score outside are reported but not tested.
    minimize, maximize : bool, optional
        Whether lower or higher scores are better; one of the two is enough. By default lower scores are better.
    fit : ProfileRegion, Fit or float, optional
        A search whose sigma the pooled sigma is compared with. Best is its profile region with the confidence ``1 -
        level``, which has an interval of sigma. A fit does not hold its scores: its interval is that of an ideal search
        of its size, wider by a margin. A number counts as exact.
    level : float
        Size of the three tests together (Holm's method), between 0 and 1: how often a true noise model is rejected.
        Intervals have the confidence ``1 - level``.
    seed : int
        Seed of the simulations: the null distribution of the pooled test of normality, and the places of rounded scores
        within their cells.

    Returns
    -------
    NoiseDiagnostics
        With standard deviations on the scale of the scores.

    Raises
    ------
    InputError
        A file that cannot be read; missing columns, columns of different lengths or missing ids; invalid limits or
        level; a fit in the other direction.

    Notes
    -----
    The ratio of the pooled sigma to the fitted one has an interval that is made from those of both (Zou and Donner
    2008, on logarithms). At equal true noise it excluded 1 in 2 to 5 % of simulated searches with profile regions; with
    the fitted sigma taken as exact, in 20 to 70 %.

    The residual experiment of Lourie, He, Cho 2025, with tests: Shapiro-Wilk and a pooled Q-Q test of the shape,
    Brown-Forsythe of equal spreads, and Spearman of a trend of the spread with the score.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> noise = np.random.default_rng(0).normal(size=(4, 6))
    >>> table = {"config_id": np.repeat([1, 2, 3, 4], 6), "y": (noise + 10).ravel()}
    >>> nqjax.noise_diagnostics(table, level=0.01).holds
    True
    """
    limits, minimize = as_limits(limits), as_minimize(minimize, maximize)
    level = as_probability("level", level, "such as 0.05")
    fitted, seed = _fitted_sigma(fit, minimize, level), as_count("seed", seed, 0)
    ids, scores = _columns(table, _names(config), score)
    return _judge(_grouped(ids, scores), limits, minimize, fitted, level, seed)


def _judge(
    groups: dict[str, Floats],
    limits: tuple[float, float],
    minimize: bool,
    fitted: tuple[float, tuple[float, float] | None] | None,
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
    comparison = None if fitted is None or not freedom else SigmaComparison.of(sigma, interval, *fitted)
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


def _fitted_sigma(
    fit: "Fit | ProfileRegion | float | None", minimize: bool, level: float
) -> tuple[float, tuple[float, float] | None] | None:
    """Return the fitted sigma, and its interval unless it counts as exact."""
    if fit is None:
        return None
    if getattr(fit, "minimize", minimize) != minimize:
        raise InputError(f"the fit is of the other direction: give minimize={not minimize}")
    if isinstance(fit, ProfileRegion):
        if not math.isclose(fit.confidence, 1 - level, rel_tol=1e-9):
            raise InputError(
                f"the region has the confidence {fit.confidence:g}: give level={1 - fit.confidence:.6g}, or a region "
                f"with confidence={1 - level:.6g}"
            )
        return fit.fit.sigma, fit.interval("sigma")
    if isinstance(fit, Fit):
        return fit.sigma, sigma_interval(fit, 1 - level * _MARGIN)
    sigma = read_number(getattr(fit, "sigma", fit))
    if not (math.isfinite(sigma) and sigma >= 0):
        raise InputError(f"the fit is {shortened(fit)}: give a fit, or its sigma, a standard deviation")
    return sigma, None


def _columns(
    table: "str | Path | StudyTable | Mapping[str, ArrayLike]", config: list[str], score: str
) -> tuple[list[str], Floats]:
    if not config:
        raise InputError("config is empty: give the column, or the columns, that identify a configuration")
    if isinstance(table, str | Path):
        table = read_runs(table, score)
        score = table.metric
    if isinstance(table, StudyTable):
        scores = scores_of(table, score)
        labels = [labels_of(table, name) for name in config]
    else:
        names = list(table.keys()) if hasattr(table, "keys") else None
        if names is None:
            raise InputError(f"the table is a {type(table).__name__}: give a file's path, or a mapping of columns")
        for name in (*config, score):
            if not isinstance(name, str) or name not in names:
                there = ", ".join(map(str, names))
                raise InputError(f"the table has no column {shortened(name)}; its columns: {there}")
        scores = as_scores(table[score])
        labels = [as_labels(np.asarray(table[name], object).ravel(), name) for name in config]
    if scores.ndim != 1 or any(len(column) != len(scores) for column in labels):
        raise InputError(f"{len(labels[0])} ids and scores of shape {scores.shape}: give one of each a run")
    if not labels[0]:
        raise InputError("the table has no rows: give one a run")
    return _joined(labels), scores


def _names(config: str | Sequence[str]) -> list[str]:
    """Return the names of the columns that identify a configuration."""
    names = list(config) if isinstance(config, list | tuple) else [config]
    if not names or not all(isinstance(name, str) for name in names):
        raise InputError(f"config is {shortened(config)}: give the name of a column, or a list of names")
    return names  # type: ignore[return-value]


def _joined(columns: list[list[str]]) -> list[str]:
    """Return one id for each run from the labels of several columns."""
    if len(columns) == 1:
        return columns[0]
    labels = list(zip(*columns, strict=True))
    ids = [SEPARATOR.join(parts) for parts in labels]
    # Labels that hold the separator may give the same text for different configurations.
    return ids if len(set(ids)) == len(set(labels)) else [repr(parts) for parts in labels]


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
        # Rounding must not move the mean of equal scores across a limit.
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
    """Return the chi-square interval of a standard deviation."""
    if freedom < 1:
        return math.nan, math.nan
    low, high = 2 * scipy.special.gammaincinv(freedom / 2, [level / 2, 1 - level / 2])
    return sd * math.sqrt(freedom / high), sd * math.sqrt(freedom / low)
