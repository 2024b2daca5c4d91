"""The section of an analysis on what partial training tells, where there are learning curves."""

from typing import Any, NamedTuple

import numpy as np

from nqjax.analysis.fidelity import FidelityReport, fidelity_report
from nqjax.errors import InputError
from nqjax.trials.study import StudyTable
from nqjax.trials.whole_curves import has_curves, whole_curves

#: Fewest trials with a curve: the best quarter of them has ten.
_FEWEST = 40

#: Most trials that are read, so that the section takes little time.
_MOST = 4096

#: Shares of the training, as far as most trials have a score by then.
_FRACTIONS = (0.1, 0.25, 0.5, 0.75)

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
    if not has_curves(study):
        return FidelitySection(None, None)
    try:
        curves = whole_curves(study)
        if len(curves.values) < _FEWEST:
            few = f"{len(curves.values)} trials are too few to compare their ranks: at least {_FEWEST} are needed"
            return FidelitySection(None, {"skipped": few})
        own, rounds = curves.values[:_MOST], curves.rounds[:_MOST]
        first = (1 - 1e-9) / np.median(rounds)
        fractions = [part for part in _FRACTIONS if part >= first]
        found = fidelity_report(own, fractions, rounds=rounds, minimize=minimize, confidence=confidence)
    except InputError as error:
        return FidelitySection(None, {"skipped": str(error)})
    sentences = [_NOT_RANDOM] * adaptive + list(found.sentences)
    return FidelitySection(found, {**found.to_dict(), "sentences": sentences})
