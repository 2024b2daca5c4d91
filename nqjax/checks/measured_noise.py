"""Noise of one run, measured from runs of the same configurations."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nqjax.checks.noise_tests import trend
from nqjax.errors import InputError
from nqjax.estimation.noise_data import Noise
from nqjax.inputs import as_count, as_flag, as_limits, as_minimize, as_numbers, as_scores, shortened
from nqjax.types import Floats

#: The spread grows towards bad scores if the p-value of its trend is at or below this.
_TREND_LEVEL = 0.05

#: Share of the configurations that is kept where it does.
_KEPT_SHARE = 0.8

#: Fewest configurations that are kept.
_FEWEST_KEPT = 8

_EVERYTHING = (-math.inf, math.inf)


def noise_from_reruns(
    configurations: Any,
    scores: ArrayLike,
    *,
    limits: tuple[float, float] = _EVERYTHING,
    minimize: bool | None = None,
    maximize: bool | None = None,
) -> Noise:
    """Measure the noise of one run from configurations that were run more than once.

    Parameters
    ----------
    configurations : sequence, array_like of shape (runs, hyperparameters), or mapping of columns
        The configuration of each run: a label (a number, a text or anything hashable), a row of hyperparameters, or
        columns by name, as in a data frame. A hyperparameter may be missing (None, NaN) where it does not apply.
    scores : array_like, shape (runs,)
        One score a run. NaN and infinite scores are failed runs: they are counted and left out.
    limits : pair of float
        Configurations whose mean score lies outside are left out.
    minimize, maximize : bool, optional
        Whether lower or higher scores are better; one of the two is enough. By default lower scores are better.

    Returns
    -------
    Noise
        The standard deviation within configurations, pooled over them.

    Raises
    ------
    InputError
        No configuration has two scores; every configuration scores the same in all of its runs; a run without a
        configuration; configurations and scores of different lengths.

    Notes
    -----
    Noise often grows as scores get worse, and the fit is about good ones: as long as the spread grows significantly
    with the mean (Spearman's test at 5 %), the worst fifth of the configurations is left out, down to eight.

    If configurations are run again because they scored well, leave their first runs out: these were picked for their
    luck. Runs with the same seed are no reruns.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> rng = np.random.default_rng(0)
    >>> configurations = np.repeat(["a", "b", "c", "d"], 4)
    >>> noise = nqjax.noise_from_reruns(configurations, 0.1 + 0.01 * rng.normal(size=16))
    >>> round(noise.sigma, 3), noise.degrees_of_freedom, noise.configurations
    (0.007, 12, 4)
    >>> scores = 0.1 + 0.5 * rng.random(100) + 0.01 * rng.normal(size=100)
    >>> fit = nqjax.fit(scores, threshold=None, gamma=2, noise=noise)
    >>> low, high = noise.interval()
    >>> low <= fit.sigma <= high
    True
    """
    limits, minimize = as_limits(limits), as_minimize(minimize, maximize)
    y, keys = as_scores(scores), _keys(configurations)
    if len(keys) != len(y):
        raise InputError(f"there are {len(keys)} configurations and {len(y)} scores: give one of each a run")
    places: dict[Hashable, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    width = max(map(len, places.values()), default=0)
    if width < 2:
        raise InputError(f"none of the {len(places)} configurations occurs twice: noise is measured from reruns")
    rows = [np.pad(y[place], (0, width - len(place)), constant_values=math.nan) for place in places.values()]
    num_failed = int(np.sum(~np.isfinite(y)))
    return _pooled(np.array(rows), limits, minimize, num_failed, column_effects=False)


def noise_from_seeds(
    scores: ArrayLike,
    *,
    column_effects: bool = False,
    averaged: int = 1,
    limits: tuple[float, float] = _EVERYTHING,
    minimize: bool | None = None,
    maximize: bool | None = None,
) -> Noise:
    """Measure the noise of one run from a table with a row for each configuration and a column for each seed.

    Parameters
    ----------
    scores : array_like, shape (configurations, seeds)
        NaN and infinite scores are failed runs: they are counted and left out.
    column_effects : bool
        Whether each column has something that all its runs share, such as a split of the data that is easier than the
        others. It is taken out first: it is no noise in a search whose trials all have the same columns.
    averaged : int
        Number of runs whose mean is one score of the search: the noise of such a mean is returned.
    limits : pair of float
        Configurations whose mean score lies outside are left out.
    minimize, maximize : bool, optional
        As for `nqjax.noise_from_reruns`.

    Returns
    -------
    Noise

    Raises
    ------
    InputError
        Scores that are no table; no configuration with two scores; every configuration scores the same with all seeds.

    Notes
    -----
    As for `nqjax.noise_from_reruns`. The splits of a cross-validation share most of their training data, so their noise
    is that of the splits alone; the mean over them is more noisy than ``averaged`` says if training is random, too.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> scores = 0.1 + 0.01 * np.random.default_rng(0).normal(size=(6, 5))
    >>> noise = nqjax.noise_from_seeds(scores)
    >>> round(noise.sigma, 3), noise.degrees_of_freedom
    (0.008, 24)
    >>> nqjax.noise_from_seeds(scores, column_effects=True).degrees_of_freedom
    20
    """
    limits, minimize = as_limits(limits), as_minimize(minimize, maximize)
    column_effects, averaged = as_flag("column_effects", column_effects), as_count("averaged", averaged)
    y = as_numbers("scores", scores)
    if y.ndim != 2 or y.shape[1] < 2:
        raise InputError(f"the scores have shape {y.shape}: give a row a configuration and a column a seed, 2 or more")
    found = _pooled(y, limits, minimize, int(np.sum(~np.isfinite(y))), column_effects)
    return found if averaged == 1 else replace(found, sigma=found.sigma / math.sqrt(averaged))


def _pooled(table: Floats, limits: tuple[float, float], minimize: bool, num_failed: int, column_effects: bool) -> Noise:
    """Pool the variance within the rows of a table; cells that are not finite are left out."""
    rows = np.where(np.isfinite(table), table, math.nan)
    rows = rows[np.sum(np.isfinite(rows), axis=1) >= 2]
    count = len(rows)
    if not count:
        raise InputError("no configuration has two finite scores: noise is measured from reruns")
    # Means are taken from the first score, so that equal scores have no spread.
    first = rows[np.arange(count), np.argmax(np.isfinite(rows), axis=1)]
    means = first + np.nanmean(rows - first[:, None], axis=1)
    inside = (means > limits[0]) & (means <= limits[1]) if minimize else (means >= limits[0]) & (means < limits[1])
    if not np.any(inside):
        raise InputError("no configuration with two scores has a mean inside the limits: widen them")
    order = np.argsort(means[inside] if minimize else -means[inside], kind="stable")
    rows = rows[inside][order]
    rest, freedom = _residuals(rows, column_effects)
    while len(rows) > _FEWEST_KEPT and _grows(rows, rest, minimize):
        rows = rows[: max(_FEWEST_KEPT, int(_KEPT_SHARE * len(rows)))]
        rest, freedom = _residuals(rows, column_effects)
    if freedom < 1:
        raise InputError("there are too few runs to tell noise from the columns' effects: give more configurations")
    square = float(np.nansum(rest**2))
    if square <= (1e-14 * float(np.nanmax(np.abs(rows)))) ** 2:
        raise InputError(
            f"the runs of each of the {len(rows)} configurations score the same, so their noise cannot be measured: "
            "give reruns with other seeds or scores with more digits, or say sigma=0"
        )
    num_runs = int(np.sum(np.isfinite(rows)))
    return Noise(math.sqrt(square / freedom), freedom, len(rows), num_runs, num_failed, count - len(rows))


def _residuals(rows: Floats, column_effects: bool) -> tuple[Floats, int]:
    """Return the scores less their row's mean (and their column's effect), and the degrees of freedom."""
    there = np.isfinite(rows)
    first = rows[np.arange(len(rows)), np.argmax(there, axis=1)]
    rest = rows - first[:, None]
    rest -= np.nanmean(rest, axis=1, keepdims=True)
    freedom = int(np.sum(there)) - len(rows)
    if not column_effects:
        return rest, freedom
    # Least squares with an effect for each column, from which the rows' means are taken, too.
    shares = there / np.sum(there, axis=1, keepdims=True)
    design = (np.eye(rows.shape[1])[None] - shares[:, None, :])[there]
    effects, _, rank, _ = np.linalg.lstsq(design, rest[there], rcond=1e-9)
    rest = rest.copy()
    rest[there] -= design @ effects
    return rest, freedom - int(rank)


def _grows(rows: Floats, rest: Floats, minimize: bool) -> bool:
    """Return whether the spread of the rows grows significantly as their scores get worse."""
    sign = 1 if minimize else -1
    means = sign * np.nanmean(rows, axis=1)
    groups = [mean + one[np.isfinite(one)] for mean, one in zip(means - means[0], rest, strict=True)]
    found = trend(groups)
    return found.p <= _TREND_LEVEL and found.statistic > 0


def _keys(configurations: Any) -> list[Hashable]:
    """Return one hashable key for each run."""
    try:
        rows = _rows(configurations)
        keys = [_key(row) for row in rows]
        len(set(keys))  # raises TypeError if a label cannot be hashed
    except Exception:  # noqa: BLE001 - arrays and tables of other libraries raise errors of their own
        raise InputError(
            f"the configurations are {shortened(configurations)}: give a label or a row of hyperparameters for each "
            "run, or columns by name"
        ) from None
    for place, key in enumerate(keys):
        if key is None or (isinstance(key, tuple) and all(cell is None for cell in key)):
            raise InputError(f"run {place + 1} of {len(keys)} has no configuration: give each run a label")
    return keys


def _rows(configurations: Any) -> Sequence[Any]:
    if isinstance(configurations, str | bytes | set | frozenset):
        raise TypeError("it has no order")
    if hasattr(configurations, "keys"):
        columns = [np.asarray(configurations[name], object).ravel().tolist() for name in configurations.keys()]  # noqa: SIM118 - data frames, too
        return list(zip(*columns, strict=True))
    if isinstance(configurations, np.ndarray) or hasattr(configurations, "__array__"):
        array = configurations if isinstance(configurations, np.ndarray) else np.asarray(configurations)
        if array.ndim not in (1, 2):
            raise TypeError("it has another shape")
        return array.tolist()  # type: ignore[no-any-return]
    return list(configurations)


def _key(row: Any) -> Hashable:
    """Return the key of a label or of a row of hyperparameters; None for a missing one."""
    if isinstance(row, list | tuple | np.ndarray):
        return tuple(_key(cell) for cell in row)
    row = row.item() if isinstance(row, np.generic) else row
    if (
        row is np.ma.masked
        or (isinstance(row, float) and math.isnan(row))
        or type(row).__name__ in ("NAType", "NaTType")
    ):
        return None
    return row  # type: ignore[no-any-return]
