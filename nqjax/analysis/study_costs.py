"""Mean cost of a trial of each study, for comparisons at equal cost."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nqjax.errors import InputError
from nqjax.trials.columns import missing_column
from nqjax.trials.readers.values import seconds_of
from nqjax.trials.study import StudyTable
from nqjax.types import Floats

#: The value of ``cost`` that takes the column which was recognised as the cost of each study.
AUTO_COST = "auto"


class MeanCost(NamedTuple):
    """Mean cost of one trial of a study."""

    name: str  # of the column
    mean: float
    error: float  # standard error of the mean; 0 where one trial has a cost
    missing: int  # trials without a cost

    def draws(self, count: int, rng: np.random.Generator) -> Floats:
        """Return draws of the mean, log-normal so that they are positive, shape (count,)."""
        spread = math.sqrt(math.log1p((self.error / self.mean) ** 2))
        return self.mean * np.exp(spread * rng.standard_normal(count))


def mean_costs(studies: Sequence[StudyTable], cost: str) -> tuple[MeanCost, ...]:
    """Return the mean cost of a trial of each study.

    Parameters
    ----------
    studies : sequence of StudyTable
    cost : str
        The name of a column, or ``"auto"``.

    Raises
    ------
    InputError
        A study has no such column, or no positive number in it.
    """
    found = tuple(_mean_cost(study, cost) for study in studies)
    if len({one.name for one in found}) > 1:
        named = ", ".join(f"{one.name!r} of {study.source}" for one, study in zip(found, studies, strict=True))
        raise InputError(f"the costs are in different columns ({named}): give --cost COLUMN (cost=), one that all have")
    return found


def _mean_cost(study: StudyTable, cost: str) -> MeanCost:
    name = study.cost_name if cost == AUTO_COST and cost not in study.columns else cost
    if name is None:
        raise InputError(f"{study.source} has no column of costs: leave out --cost (cost=), or give the name of one")
    if name not in study.columns:
        raise missing_column(Path(study.source), name, list(study.columns))
    values = study.cost if name == study.cost_name else seconds_of(study.columns[name].tolist())
    known = np.zeros(0) if values is None else values[np.isfinite(values)]
    if not known.size or np.any(known < 0) or not known.sum() > 0:
        raise InputError(f"{study.source}: column {name!r} holds no costs: give one with positive numbers")
    error = float(np.std(known, ddof=1) / math.sqrt(len(known))) if len(known) > 1 else 0.0
    return MeanCost(name, float(known.mean()), error, len(study) - len(known))
