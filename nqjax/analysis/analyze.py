"""`nqjax.analyze`: from the trials of a search to answers in sentences."""

import warnings as python_warnings
from dataclasses import replace
from typing import Any

from nqjax.analysis.averaged import averaged_of
from nqjax.analysis.cautions import cautions_without_fit
from nqjax.analysis.record import Analysis
from nqjax.analysis.sentences import sentences_of
from nqjax.analysis.threshold import read_question
from nqjax.checks.failures import failing_parts
from nqjax.checks.influence import Edge, edges, influences
from nqjax.errors import FitWarning, InputError
from nqjax.estimation.constraints import Constraint
from nqjax.estimation.noise_data import Noise
from nqjax.inputs import AUTO, as_probability
from nqjax.posterior.averaged_fit import averaged_fit
from nqjax.posterior.next_trials import next_trials
from nqjax.posterior.ranking import rank_trials
from nqjax.trials.readers.read import read_or_minimize
from nqjax.trials.study import StudyTable

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


def analyze(
    source: Any,
    metric: str | None = None,
    *,
    minimize: bool | None = None,
    maximize: bool | None = None,
    where: Any = None,
    per_trial: str | None = None,
    confidence: float = 0.95,
    gamma: Constraint = None,
    noise: Noise | None = None,
) -> Analysis:
    """Analyse a search: how good it can get, what the best trials are worth, and whether to go on.

    Parameters
    ----------
    source : StudyTable, or what `nqjax.read_study` reads
    metric, minimize, maximize, where, per_trial
        As for `nqjax.read_study`; not with a `StudyTable`, which has them. Where nothing says the direction, lower
        scores are better.
    confidence : float
        Probability of the intervals.
    gamma : pair of int, optional
        The range of gamma: by default from 1 to 5, or to the number of hyperparameters if that is larger, at most 10.
    noise : Noise, optional
        Noise that was measured by reruns, see `nqjax.noise_from_reruns`.

    Returns
    -------
    Analysis

    Raises
    ------
    InputError
        The source cannot be read; fewer than five different scores; invalid arguments.

    Examples
    --------
    >>> import nqjax
    >>> from nqjax.data import digits_mlp_path
    >>> found = nqjax.analyze(digits_mlp_path())
    >>> found.study.metric, found.ranked.index[0].item(), found.influences[0].name
    ('val_loss', 529, 'learning_rate')
    """
    confidence = as_probability("confidence", confidence)
    if isinstance(source, StudyTable):
        if (metric, minimize, maximize, where, per_trial) != (None,) * 5:
            raise InputError("this study was read before: give metric, direction and rows to nqjax.read_study")
        study = source
    else:
        if maximize is not None and minimize is None:
            minimize = not maximize
        study = read_or_minimize(source, metric, minimize=minimize, where=where, per_trial=per_trial, study=None)
    if gamma is None:
        gamma = (_GAMMA[0], max(_GAMMA[1], min(study.num_hyperparameters, _MOST_GAMMA)))
    question = read_question(AUTO, None, study.minimize is not False, None, None, None, gamma, None)
    post = averaged_of(study.scores, question, confidence=confidence, noise=noise)
    cautions = cautions_without_fit(post.study, post.limits, "row {row}")
    ranked = rank_trials(post, TOP, confidence=confidence)
    found_edges = tuple(edges(study.config, study.scores, post.minimize))
    failing = [one.sentence for one in failing_parts(study.config, study.scores)]
    about_space = [*map(_about_edge, found_edges), *failing[:_MOST_PARTS]]
    found = Analysis(
        study=study,
        fit=averaged_fit(post),
        ranked=ranked,
        rerun_plan=ranked.plan(PICKED) if len(ranked) > 1 else None,
        next_trials=next_trials(post, FURTHER, confidence=GAIN_CONFIDENCE),
        influences=tuple(influences(study.config, study.scores, post.minimize)),
        edges=found_edges,
        warnings=tuple(dict.fromkeys([*study.warnings, *cautions, *post.warnings, *about_space])),
    )
    for caution in cautions:
        python_warnings.warn(caution, FitWarning, stacklevel=2)
    return replace(found, sentences=tuple(sentences_of(found)))


def _about_edge(edge: Edge) -> str:
    return (
        f"{edge.count} of the best {edge.num_best} trials have {edge.name} in the {edge.end} tenth of its values: a "
        "wider range may hold better scores"
    )
