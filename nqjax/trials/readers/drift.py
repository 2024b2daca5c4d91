"""Warn where scores or hyperparameters change with the number of the trial: a sampler learns from earlier ones.

Scores are tested by Spearman's rank correlation with the trial's number, and each numeric hyperparameter by whether its
ranks spread equally in both halves of the search (Brown and Forsythe). Half of the level is for the scores, and the
hyperparameters share the other half.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nqjax.runtime.text import p_value
from nqjax.trials.readers.cells import numbers_of
from nqjax.trials.readers.roles import CONFIG
from nqjax.trials.readers.table import Table
from nqjax.trials.trial_numbers import trial_numbers
from nqjax.types import Floats

#: How often independent trials may be warned of.
_LEVEL = 0.01

#: Fewest trials that are tested.
_FEWEST = 24

#: A hyperparameter with fewer different values is not tested: its ranks are mostly ties.
_FEWEST_VALUES = 10


def drift_doubt(table: Table, roles: Mapping[str, str], metric: str, scores: Floats) -> str | None:
    """Return a warning if trials depend on their number, or None; without numbers, rows may be in any order."""
    order = trial_numbers(table.columns)
    if order is None or len(scores) < _FEWEST:
        return None
    by_number = np.argsort(order, kind="stable")
    y = scores[by_number]
    finite = np.isfinite(y)
    tested = []
    if finite.sum() >= _FEWEST:
        rho, p = spearman(np.arange(len(y))[finite].astype(float), y[finite])
        tested.append((p / (_LEVEL / 2), f"{metric} {'falls' if rho < 0 else 'rises'} with the number of the trial", p))
    config = [name for name, role in roles.items() if role == CONFIG and name in table.columns and name != metric]
    columns = {name: _numeric(table.columns[name], table.recorded.delimiter) for name in config}
    numeric = {name: column[by_number] for name, column in columns.items() if column is not None}
    for name, column in numeric.items():
        p, ratio = spread_of_halves(column)
        if ratio < 1:
            what = f"{name} is proposed within a narrower range in the second half of the trials"
            tested.append((p / (_LEVEL / 2 / len(numeric)), what, p))
    worst = min(tested, default=None)
    if worst is None or worst[0] >= 1:
        return None
    return (
        f"{worst[1]} ({p_value(worst[2])}): the sampler seems to learn from earlier trials, and then the scores are "
        "not those of a random search, nor is the curve"
    )


def _numeric(values: Sequence[Any], delimiter: str | None) -> Floats | None:
    """Return a hyperparameter as numbers if it has enough different ones and none is missing."""
    found = np.array([math.nan if x is None else x for x in numbers_of(values, delimiter).values], np.float64)
    return found if np.all(np.isfinite(found)) and len(np.unique(found)) >= _FEWEST_VALUES else None


def ranks(values: Floats) -> Floats:
    """Return the rank of each value from 1 up; equal values share the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[place]


def spearman(a: Floats, b: Floats) -> tuple[float, float]:
    """Return Spearman's correlation and its two-sided p-value in the normal approximation."""
    x, y = ranks(a), ranks(b)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0, 1.0
    rho = float(np.corrcoef(x, y)[0, 1])
    return rho, _two_sided(rho * math.sqrt(len(a) - 1))


def spread_of_halves(values: Floats) -> tuple[float, float]:
    """Return the two-sided p-value of equal spreads in both halves, and the later spread over the earlier one."""
    u = ranks(values)
    half = len(u) // 2
    early, late = (np.abs(part - np.median(part)) for part in (u[:half], u[half:]))
    error = math.sqrt(np.var(early, ddof=1) / len(early) + np.var(late, ddof=1) / len(late))
    if error == 0 or np.mean(early) == 0:
        return 1.0, 1.0
    return _two_sided(float(np.mean(late) - np.mean(early)) / error), float(np.mean(late) / np.mean(early))


def _two_sided(z: float) -> float:
    return math.erfc(abs(z) / math.sqrt(2))
