"""One search as the averaged posterior needs it: its scores, candidate thresholds, and what lies beyond each."""

import math
from typing import NamedTuple

import numpy as np

from nqjax.errors import InputError
from nqjax.estimation.candidates import FEWEST, candidate_thresholds
from nqjax.estimation.study import Study
from nqjax.posterior.averaging.beyond import log_densities_beyond
from nqjax.posterior.averaging.likelihood import Scores
from nqjax.types import Floats

#: Thresholds in one program, and fewest scores: few numbers, because programs are compiled for them.
MOST_THRESHOLDS = 16
_LEAST_SIZE = 64


class Search(NamedTuple):
    """One search, oriented to minimisation; ``scores`` are in units of its largest regime, relative to its best."""

    scores: Scores
    best: float
    scale: float
    thresholds: Floats  # (thresholds,), on the scale of the scores, the largest first
    used: Floats  # (thresholds,), numbers of scores inside
    beyond: Floats  # (thresholds,)
    log_beyond: Floats  # (thresholds,), log densities of the scores beyond
    unit: float  # to which the scores are rounded, on their scale


def read_search(study: Study, unit: float) -> Search:
    """Return the data of a search; the limits of the study are not used.

    Raises
    ------
    InputError
        Fewer than five different scores.
    """
    y = study.orient(study.scores)
    y = np.sort(np.where(np.isfinite(y), y, math.inf))
    finite = y[np.isfinite(y)]
    if len(np.unique(finite)) < FEWEST:
        raise InputError(_too_few(finite, np.unique(finite)))
    ends = np.array(candidate_thresholds(y)[:MOST_THRESHOLDS])
    values, counts = _distinct(finite[finite <= ends[0]])
    if len(values) < FEWEST:
        raise InputError(_too_few(finite, values))
    # A threshold within scores that only rounding errors tell apart keeps all of them.
    ends = values[np.searchsorted(values, ends)]
    best, scale = float(y[0]), float(ends[0] - y[0])
    inside = counts * (values <= ends[:, None])
    used = inside.sum(axis=1).astype(float)
    beyond = len(y) - used
    size, pad = max(_LEAST_SIZE, 1 << (len(values) - 1).bit_length()), MOST_THRESHOLDS - len(ends)
    scores = Scores(
        np.pad((values - best) / scale, (0, size - len(values)), mode="edge"),  # type: ignore[arg-type]
        np.pad(inside.astype(float), ((0, pad), (0, size - len(values)))),  # type: ignore[arg-type]
        # A rounded score stands for an interval, at whose end the regime ends.
        np.pad((ends + unit / 2 - best) / scale, (0, pad), mode="edge"),  # type: ignore[arg-type]
        np.pad(beyond, (0, pad)),  # type: ignore[arg-type]
        np.float64(unit / scale),  # type: ignore[arg-type]
        np.float64((max(np.quantile(finite, 0.25), values[1]) - best) / scale),  # type: ignore[arg-type]
    )
    spread = _spread(finite, unit)
    log_beyond = log_densities_beyond((spread - spread[0]) / scale, (ends + unit / 2 - spread[0]) / scale)
    return Search(scores, best, scale, ends, used, beyond, log_beyond, unit)


def _distinct(y: Floats) -> tuple[Floats, Floats]:
    """Return the different values and how often each occurs; those that only rounding errors tell apart are one."""
    apart = 256 * np.spacing(np.maximum(np.abs(y), abs(y[0])))
    starts = np.flatnonzero(np.diff(y, prepend=-math.inf) > apart)
    counts = np.diff(np.append(starts, len(y)))
    return y[starts + counts - 1], counts.astype(float)


def _spread(y: Floats, unit: float) -> Floats:
    """Return the scores with those of one value spread evenly over its interval, so that a density sees no spikes."""
    if not unit:
        return y
    _, starts, counts = np.unique(y, return_index=True, return_counts=True)
    place = np.arange(len(y)) - np.repeat(starts, counts)
    return np.asarray(y + unit * ((place + 0.5) / np.repeat(counts, counts) - 0.5))


def _too_few(finite: Floats, values: Floats) -> str:
    if not len(finite):
        return "there is no finite score: all runs failed"
    if len(finite) == 1:
        return "there is one finite score: run more trials"
    if len(values) == 1:
        return f"all {len(finite)} scores are {finite[0]:g}: nothing tells them apart"
    return f"{len(values)} different scores are too few: run more trials, at least {FEWEST} different scores are needed"
