"""The comparison of several studies."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from nqjax.analysis.orderings import orderings
from nqjax.analysis.record import Analysis
from nqjax.analysis.single import analyze_study
from nqjax.analysis.study_comparison import StudyComparison
from nqjax.analysis.study_costs import MeanCost, mean_costs
from nqjax.analysis.study_curves import default_budgets, study_curves
from nqjax.analysis.study_sentences import sentences_of_comparison
from nqjax.errors import InputError
from nqjax.estimation.constraints import Constraint
from nqjax.estimation.noise_data import Noise
from nqjax.trials.study import StudyTable
from nqjax.types import Floats

#: Most studies of a comparison.
MOST = 10

#: Medians that differ by such a factor may be percentages and shares.
_PERCENT = (30.0, 300.0)

#: A study is called noisier from this factor and probability on.
_NOISIER = 2.0
_SURE = 0.95


def is_adaptive(study: StudyTable) -> bool:
    """Return whether a warning says that the trials are not those of a random search."""
    return any("not those of a random search" in warning for warning in study.warnings)


def compare_studies(
    studies: Sequence[StudyTable],
    names: Sequence[str],
    *,
    confidence: float,
    level: float,
    gamma: Constraint,
    noises: Sequence[Noise | None],
    cost: str | None,
    budgets: Floats | None,
) -> StudyComparison:
    """Return the comparison of studies; arguments are checked, and as for `nqjax.analyze`.

    Raises
    ------
    InputError
        Studies that cannot be compared, see `nqjax.analyze`.
    """
    minimize = _direction(studies)
    _check_metrics(studies)
    _check_different(studies, names)
    costs = None if cost is None else mean_costs(studies, cost)
    analyses = tuple(
        _analysis(study, name, confidence, gamma, noise)
        for study, name, noise in zip(studies, names, noises, strict=True)
    )
    posts = [one.fit.posterior for one in analyses]
    curves = study_curves(
        posts, costs, default_budgets(posts, costs) if budgets is None else np.unique(budgets), confidence
    )
    told = tuple(post.tells_parameters and not is_adaptive(one) for post, one in zip(posts, studies, strict=True))
    shown = curves.is_shown
    known = curves.known[:, shown] & np.array(told)[:, None]
    found = StudyComparison(
        names=tuple(names),
        analyses=analyses,
        metric=studies[0].metric,
        minimize=minimize,
        costs=costs,
        curves=curves,
        is_told=told,
        orderings=orderings(curves.probability[..., shown], known, curves.budgets[shown], level),
        confidence=confidence,
        level=level,
        warnings=tuple(_warnings(studies, names, analyses, costs)),
    )
    return replace(found, sentences=tuple(sentences_of_comparison(found)))


def _analysis(study: StudyTable, name: str, confidence: float, gamma: Constraint, noise: Noise | None) -> Analysis:
    try:
        return analyze_study(study, confidence, gamma, noise)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def _direction(studies: Sequence[StudyTable]) -> bool:
    directions = {study.minimize is not False: study for study in studies}
    if len(directions) > 1:
        raise InputError(
            f"{directions[True].source} is minimized and {directions[False].source} is maximized: give --minimize or "
            "--maximize (minimize=, maximize=) if one direction is right for all"
        )
    return next(iter(directions))


def _check_metrics(studies: Sequence[StudyTable]) -> None:
    first = studies[0]
    for study in studies[1:]:
        if study.metric != first.metric:
            raise InputError(
                f"the metric of {first.source} is {first.metric!r}, that of {study.source} {study.metric!r}: give "
                "--metric NAME (metric=), a column that all have"
            )


def _check_different(studies: Sequence[StudyTable], names: Sequence[str]) -> None:
    """Refuse a study that is given twice: its comparison with itself says nothing."""
    for j, study in enumerate(studies):
        for i, other in enumerate(studies[:j]):
            if len(study) > 1 and np.array_equal(study.scores, other.scores, equal_nan=True):
                if _path(study) == _path(other):
                    raise InputError(f"{study.source} is given twice: give each study once")
                raise InputError(f"{names[i]} and {names[j]} are the same scores: give each study once")


def _path(study: StudyTable) -> str:
    return study.source if "://" in study.source else str(Path(study.source).resolve())


def _warnings(
    studies: Sequence[StudyTable],
    names: Sequence[str],
    analyses: Sequence[Analysis],
    costs: Sequence[MeanCost] | None,
) -> list[str]:
    """Return what limits the comparison, and what limits each study."""
    texts = [*_about_units(studies, names), *_about_noise(analyses, names)]
    if costs is not None:
        for name, one in zip(names, costs, strict=True):
            if one.missing:
                texts.append(f"{name}: {one.missing:,} trials have no {one.name}: the mean is that of the others")
    texts += [f"{name}: {warning}" for name, one in zip(names, analyses, strict=True) for warning in one.warnings]
    return list(dict.fromkeys(texts))


def _about_units(studies: Sequence[StudyTable], names: Sequence[str]) -> list[str]:
    """Warn of scores of which some look like percentages and others like shares."""
    medians = [abs(float(np.median(study.scores[np.isfinite(study.scores)]))) for study in studies]
    low, high = int(np.argmin(medians)), int(np.argmax(medians))
    if not medians[low] or not _PERCENT[0] <= medians[high] / medians[low] <= _PERCENT[1]:
        return []
    times = f"{medians[high] / medians[low]:.0f} times those of {names[low]}"
    return [f"the scores of {names[high]} are about {times}: are both in the same unit, not one of them in per cent?"]


def _about_noise(analyses: Sequence[Analysis], names: Sequence[str]) -> list[str]:
    """Warn where the noise of one study is much larger: it makes reported best scores look better."""
    sigmas = [one.fit.posterior.sigma.ravel() for one in analyses]
    texts = []
    for i, first in enumerate(sigmas):
        for j, second in enumerate(sigmas):
            count = min(len(first), len(second))
            told = analyses[i].fit.posterior.tells_parameters and analyses[j].fit.posterior.tells_parameters
            if told and np.mean(first[:count] > _NOISIER * second[:count]) >= _SURE:
                texts.append(
                    f"one run of {names[i]} is noisier than one of {names[j]} (sigma {np.median(first):.2g} and "
                    f"{np.median(second):.2g}): its best scores are better partly by noise, which a rerun does not keep"
                )
    return texts
