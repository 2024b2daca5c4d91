"""Learning curves of the trials of a study that were trained to their ends."""

from typing import NamedTuple

import numpy as np

from nqjax.errors import InputError
from nqjax.trials.study import FINISHED, PRUNED, RUNNING, StudyTable
from nqjax.types import Floats

#: Fewest scores of a trial, in the median, that are called a learning curve.
_SHORTEST = 3


class WholeCurves(NamedTuple):
    """The scores of each trial in the order of its training, and how many a whole training of it has."""

    values: list[Floats]
    rounds: Floats


def has_curves(study: StudyTable) -> bool:
    """Return whether most trials of a study have a few scores each."""
    return _usual_length(study) >= _SHORTEST


def _usual_length(study: StudyTable) -> float:
    lengths = [len(one) for one in study.curves or [] if len(one)]
    return float(np.median(lengths)) if lengths else 0.0


def whole_curves(study: StudyTable) -> WholeCurves:
    """Return the learning curves of a study; trials that have not ended are left out.

    Raises
    ------
    InputError
        There are none, or trials were stopped early or took over the weights of others.
    """
    if study.curves is None or not has_curves(study):
        raise InputError(
            "there are no learning curves: give a file with a row an epoch, or one in which a tool has kept the "
            "reports of each trial"
        )
    if "lineage" in study.columns:
        raise InputError("trials of a population take over each other's weights, so no learning curve is that of one")
    stopped = int(np.sum(study.status == PRUNED))
    if stopped:
        raise InputError(
            f"{stopped} of {len(study)} trials were stopped early because of their first scores, so how those would "
            "have ended is not known, and the others are no random choice of all"
        )
    kept = np.flatnonzero(study.status != RUNNING)
    values = [np.asarray(study.curves[i], float) for i in kept]
    planned = study.columns.get("rounds")
    if planned is not None:
        return WholeCurves(values, np.asarray(planned, float)[kept])
    if any("stopped early" in warning for warning in study.warnings) and not _are_planned(study):
        raise InputError(
            "some trials ended sooner than others and may have been stopped early, so how those would have ended is "
            "not known; a column with the planned number of epochs would say that they were not"
        )
    # A failed trial would have had the most scores.
    most = max(map(len, values), default=1)
    whole = np.isfinite(study.scores[kept])
    rounds = [max(len(one), 1) if is_whole else most for one, is_whole in zip(values, whole, strict=True)]
    return WholeCurves(values, np.array(rounds, float))


def _are_planned(study: StudyTable) -> bool:
    """Return whether a column says how many scores each finished trial has."""
    done = np.flatnonzero((study.status == FINISHED) & np.isfinite(study.scores))
    lengths = np.array([len((study.curves or [])[i]) for i in done], float)
    columns = [np.asarray(column)[done] for column in study.config.values()]
    return any(column.dtype.kind in "iuf" and np.array_equal(column.astype(float), lengths) for column in columns)
