"""Parts of the space in which runs fail: a space that reaches too far can be narrowed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy  # its parts are imported when they are used
from numpy.typing import NDArray

from nqjax.checks.influence import group_values, holm
from nqjax.types import Floats

#: Fewest failed and finished runs for a test, and the p-value below which failures depend on a hyperparameter.
_FEWEST = 5
_LEVEL = 0.01


@dataclass(frozen=True)
class FailingPart:
    """The part of the space in which runs fail most."""

    name: str  # of the hyperparameter
    values: str  # the part: a category, or a range of numbers
    failed: int  # failed runs there
    runs: int  # all runs there
    failed_elsewhere: int
    runs_elsewhere: int
    p_value: float  # corrected for the number of hyperparameters (Holm)

    @property
    def sentence(self) -> str:
        """The finding in words."""
        return (
            f"{self.failed} of {self.runs} runs failed where {self.name} is {self.values}, {self.failed_elsewhere} of "
            f"{self.runs_elsewhere} elsewhere: the space reaches into a part that does not train"
        )


def failing_parts(config: Mapping[str, NDArray[Any]], scores: Floats) -> list[FailingPart]:
    """Return the parts of the space in which runs fail more often than elsewhere, the clearest first.

    A chi-square test of independence between failures and groups of the values of one hyperparameter at a time; groups
    are those of `nqjax.checks.influence`.

    Parameters
    ----------
    config : mapping of str to ndarray, each of shape (trials,)
    scores : ndarray, shape (trials,)
        NaN and infinite scores are failed runs.
    """
    failed = ~np.isfinite(scores)
    if min(failed.sum(), (~failed).sum()) < _FEWEST:
        return []
    found = []
    for name, values in config.items():
        groups = group_values(values)
        known = np.unique(groups[groups >= 0])
        counts = np.array([[np.sum(failed[groups == g]), np.sum(groups == g)] for g in known])
        if len(known) < 2 or not 0 < counts[:, 0].sum() < counts[:, 1].sum():
            continue
        table = np.stack([counts[:, 0], counts[:, 1] - counts[:, 0]])
        p_value = float(scipy.stats.chi2_contingency(table).pvalue)
        worst = int(np.argmax(counts[:, 0] / counts[:, 1]))
        there, total = counts[worst], counts.sum(axis=0)
        part = _words(values[groups == known[worst]])
        elsewhere = total - there
        found.append(
            FailingPart(name, part, int(there[0]), int(there[1]), int(elsewhere[0]), int(elsewhere[1]), p_value)
        )
    corrected = holm(np.array([one.p_value for one in found]))
    clear = [replace(one, p_value=float(p)) for one, p in zip(found, corrected, strict=True) if p < _LEVEL]
    return sorted(clear, key=lambda one: one.p_value)


def _words(values: NDArray[Any]) -> str:
    if np.issubdtype(values.dtype, np.number):
        low, high = f"{np.min(values):.3g}", f"{np.max(values):.3g}"
        return low if low == high else f"{low} to {high}"
    return str(values[0])
