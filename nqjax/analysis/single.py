"""The analysis of one search that was read."""

import contextlib
from dataclasses import replace

import numpy as np

from nqjax.analysis.averaged import averaged_of
from nqjax.analysis.cautions import cautions_without_fit, check_not_stopped
from nqjax.analysis.fidelity_section import fidelity_section
from nqjax.analysis.record import Analysis
from nqjax.analysis.sentences import is_adaptive, sentences_of
from nqjax.analysis.surface_section import Section, section_of
from nqjax.analysis.threshold import read_question
from nqjax.checks.failures import failing_parts
from nqjax.checks.influence import Edge, edges, influences
from nqjax.errors import InputError
from nqjax.estimation.constraints import Constraint
from nqjax.estimation.noise_data import Noise
from nqjax.inputs import AUTO
from nqjax.landscape.geometry import Geometry
from nqjax.landscape.landscape import Landscape
from nqjax.posterior.averaged import AveragedPosterior
from nqjax.posterior.averaged_fit import averaged_fit
from nqjax.posterior.next_trials import next_trials
from nqjax.posterior.ranking import RankedTrials, rank_trials
from nqjax.posterior.stopping import WORTH, may_stop
from nqjax.surface.lack_of_fit import doubts_of
from nqjax.trials.study import StudyTable
from nqjax.trials.trial_numbers import name_places, trial_numbers

#: Numbers of further trials whose gains are computed, and the probability of their intervals.
FURTHER = (1, 10, 50, 200)
GAIN_CONFIDENCE = 0.8

#: With which probability reruns are to pick the best trial.
PICKED = 0.8

#: Trials in the ranking.
TOP = 10

#: Parts of the space with many failures that are named.
_MOST_PARTS = 2

#: The range of gamma without a file that has more hyperparameters, and its highest end.
_GAMMA = (1, 5)
_MOST_GAMMA = 10


def analyze_study(
    study: StudyTable, confidence: float, gamma: Constraint, noise: Noise | None, surface: bool = False
) -> Analysis:
    """Return the analysis of one search; arguments are checked, and as for `nqjax.analyze`.

    Raises
    ------
    InputError
        Fewer than five different scores; an invalid range of gamma.
    """
    check_not_stopped(study)
    if gamma is None:
        gamma = (_GAMMA[0], max(_GAMMA[1], min(study.num_hyperparameters, _MOST_GAMMA)))
    question = read_question(AUTO, None, study.minimize is not False, None, None, None, gamma, None)
    post = averaged_of(study.scores, question, confidence=confidence, noise=noise)
    numbers = trial_numbers(study.columns) if len(study) == post.num_scores else None
    cautions = name_places(cautions_without_fit(post.study, post.limits, "row {row}"), study.rows, numbers)
    found_edges = tuple(edges(study.config, study.scores, post.minimize))
    failing = [one.sentence for one in failing_parts(study.config, study.scores)]
    about_space = [*map(_about_edge, found_edges), *failing[:_MOST_PARTS]]
    section = section_of(study, post, wanted=surface, adaptive=is_adaptive(study))
    fidelity = fidelity_section(study, minimize=post.minimize, confidence=confidence, adaptive=is_adaptive(study))
    ranked = _ranked(study, post, section)
    found = Analysis(
        study=study,
        fit=averaged_fit(post),
        ranked=ranked,
        rerun_plan=ranked.plan(PICKED) if len(ranked) > 1 else None,
        next_trials=next_trials(post, FURTHER, confidence=GAIN_CONFIDENCE),
        stopping=may_stop(post, worth=None if ranked.source == "scores" else WORTH * float(np.median(ranked.noise))),
        geometry=_geometry(study, post),
        influences=tuple(influences(study.config, study.scores, post.minimize)),
        edges=found_edges,
        cautions=tuple(cautions),
        warnings=tuple(dict.fromkeys([*study.warnings, *cautions, *post.warnings, *about_space])),
        surface=section.surface,
        section=section.document,
        fidelity=fidelity.report,
        about_fidelity=fidelity.document,
    )
    return replace(found, sentences=tuple(sentences_of(found)))


def _ranked(study: StudyTable, post: AveragedPosterior, section: Section) -> RankedTrials:
    """Return the best trials by the views that hold: the surface if it fits, the scores if they tell and are random."""
    alone_holds = post.tells_parameters and not is_adaptive(study)
    if section.surface is None or (alone_holds and doubts_of(section.surface.lack_of_fit)):
        return rank_trials(post, TOP, confidence=post.confidence)
    return section.surface.rank_trials(post if alone_holds else None, TOP, post.confidence)


def _geometry(study: StudyTable, post: AveragedPosterior) -> Geometry | None:
    """Return which hyperparameters decide whether a trial is near the optimum; None where the scores do not tell."""
    if not post.tells_parameters:
        return None
    threshold = post.limits[1] if post.minimize else post.limits[0]
    with contextlib.suppress(InputError):  # no hyperparameter varies, or few trials are near the optimum
        land = Landscape(study.config, study.scores, minimize=post.minimize, keep=study.config)
        return land.geometry(threshold)
    return None


def _about_edge(edge: Edge) -> str:
    return (
        f"{edge.count} of the best {edge.num_best} trials have {edge.name} in the {edge.end} tenth of its values: a "
        "wider range may hold better scores"
    )
