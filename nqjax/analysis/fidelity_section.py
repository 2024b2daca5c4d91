"""What the learning curves of a search say of partial training, as a section of its analysis."""

from typing import Any, NamedTuple

import numpy as np

from nqjax.analysis.fidelity import FidelityReport, fidelity_report
from nqjax.errors import InputError
from nqjax.trials.study import PRUNED, RUNNING, StudyTable

#: Fewest trials with a curve: the best quarter of them has ten.
_FEWEST = 40

#: Most trials that are read, so that the section takes little time.
_MOST = 4096

#: Shares of the training, of which those before the first score of most trials are left out.
_FRACTIONS = (0.1, 0.25, 0.5, 0.75)

#: Fewest scores of a trial, in the median, that are called a learning curve.
_SHORTEST = 3

_NOT_RANDOM = (
    "These trials seem not to be a random search: what follows holds among trials as they were chosen here, which are "
    "more alike than random ones."
)


class FidelitySection(NamedTuple):
    """The report on partial training, or why there is none.

    Attributes
    ----------
    report : FidelityReport or None
    document : dict or None
        Numbers and sentences, or only ``"skipped"``, the reason; None where there are no learning curves.
    """

    report: FidelityReport | None
    document: dict[str, Any] | None


def fidelity_section(study: StudyTable, *, minimize: bool, confidence: float, adaptive: bool) -> FidelitySection:
    """Return the section on partial training."""
    ended = study.status != RUNNING
    curves = [] if study.curves is None else [np.asarray(one, float) for one in study.curves]
    usual = np.median([len(one) for one in curves if len(one)]) if any(map(len, curves)) else 0
    if usual < _SHORTEST:
        return FidelitySection(None, None)
    if (reason := _not_whole(study)) is not None:
        return FidelitySection(None, {"skipped": reason})
    kept = np.flatnonzero(ended)[:_MOST]
    if len(kept) < _FEWEST:
        few = f"{len(kept)} trials are too few to compare their ranks: at least {_FEWEST} are needed"
        return FidelitySection(None, {"skipped": few})
    fractions = [part for part in _FRACTIONS if part >= (1 - 1e-9) / usual] or [_FRACTIONS[-1]]
    own = [curves[i] for i in kept]
    try:
        found = fidelity_report(
            own, fractions, rounds=_rounds(study, own, kept), minimize=minimize, confidence=confidence
        )
    except InputError as error:
        return FidelitySection(None, {"skipped": str(error)})
    sentences = [_NOT_RANDOM] * adaptive + list(found.sentences)
    return FidelitySection(found, {**found.to_dict(), "sentences": sentences})


def _not_whole(study: StudyTable) -> str | None:
    """Return why the curves are not those of whole trainings; None if nothing says so."""
    if "lineage" in study.columns:
        return "trials of a population take over each other's weights, so no learning curve is that of one trial"
    stopped = int(np.sum(study.status == PRUNED))
    if stopped or any("stopped early" in warning for warning in study.warnings):
        count = f"{stopped} of {len(study)}" if stopped else "some"
        return (
            f"{count} trials were stopped early because of their first scores, so how those would have ended is not "
            "known, and the others are no random choice of all"
        )
    return None


def _rounds(study: StudyTable, curves: list[Any], kept: Any) -> Any:
    """Return how many scores the curve of each whole trial has: failed trials would have had the most."""
    planned = study.columns.get("rounds")
    if planned is not None:
        return np.asarray(planned, float)[kept]
    most = max(map(len, curves))
    whole = np.isfinite(study.scores[kept])
    return [max(len(one), 1) if is_whole else most for one, is_whole in zip(curves, whole, strict=True)]
