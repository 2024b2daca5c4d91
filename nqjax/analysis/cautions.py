"""Reasons not to rely on a fit: one odd score, or scores that look like noise alone."""

import warnings

import numpy as np

from nqjax.checks.noise_alone import NOISE_ALONE, is_noise_alone
from nqjax.checks.odd_score import OddScore, odd_score, stands_apart
from nqjax.errors import FitWarning, InputError, show
from nqjax.estimation.candidates import FEWEST
from nqjax.estimation.fit import Fit, fit_prepared
from nqjax.estimation.study import Study, prepare
from nqjax.inputs import Limits
from nqjax.runtime.text import significant
from nqjax.trials.study import PRUNED, RUNNING, StudyTable


def cautions_of(study: Study, fit: Fit, place: str | None = None) -> list[str]:
    """Return warnings about a fit, a sentence each.

    Parameters
    ----------
    study : Study
        The scores that were fitted.
    fit : Fit
    place : str, optional
        Name of the odd score's place in its file, with ``{row}`` for the row's number from 1; by default its index.
    """
    odd = odd_score(study, fit)
    if odd is not None:
        return [_about(odd, fit, place)]
    return [NOISE_ALONE] if is_noise_alone(study) else []


def cautions_without_fit(study: Study, limits: Limits, place: str | None = None) -> list[str]:
    """Return the warnings about a search that is not fitted within one regime; ``limits`` are its most probable ones.

    A fit is made only where its result is needed.
    """
    within = study._replace(limits=limits)
    if stands_apart(within):
        try:
            found = fit_prepared(prepare(within))
        except InputError:
            return []
        return cautions_of(within, found, place)
    return [NOISE_ALONE] if is_noise_alone(study) else []


def warn_of_cautions(study: Study, fit: Fit, stacklevel: int = 3) -> None:
    """Warn of what `cautions_of` finds; the warning points at the line that called the caller."""
    for caution in cautions_of(study, fit):
        warnings.warn(caution, FitWarning, stacklevel=stacklevel)


def _about(odd: OddScore, fit: Fit, place: str | None) -> str:
    where = f"index {odd.place}" if place is None else place.format(row=odd.place + 1)
    name, best = ("alpha", fit.alpha) if fit.minimize else ("beta", fit.beta)
    sigmas = f"sigma {significant(odd.sigma, 2)} instead of {significant(fit.sigma, 2)}"
    return (
        f"one score decides the fit: {show(odd.score)} ({where}); without it {name} is {significant(odd.best, 3)} "
        f"instead of {significant(best, 3)}, and {sigmas}, both within one threshold: check that run"
    )


def check_not_stopped(study: StudyTable) -> None:
    """Raise InputError where trials were stopped early or have not ended, and too few others have a score."""
    stopped, running = (int(np.sum(study.status == status)) for status in (PRUNED, RUNNING))
    known = np.unique(study.scores[np.isfinite(study.scores)])
    if running and not len(known):
        raise InputError(
            f"{study.source}: {running} of {len(study)} trials have not ended, and no other has a score: let the "
            "search go on to its end"
        )
    if stopped and len(known) < FEWEST:
        raise InputError(
            f"{study.source}: {stopped} of {len(study)} trials were stopped early and have no score, and "
            f"{len(known)} different scores are too few: give a random search whose trials are trained to their ends"
        )
