"""The response surface of a search as a section of its analysis."""

import warnings
from typing import Any, NamedTuple

import numpy as np

from nqjax.errors import FitWarning, InputError
from nqjax.posterior.averaged import AveragedPosterior
from nqjax.runtime.text import as_sure, listed, percent
from nqjax.surface.configurations import value_text
from nqjax.surface.coordinates import find_box
from nqjax.surface.fit import fit_surface
from nqjax.surface.intervals import Interval
from nqjax.surface.lack_of_fit import doubts_of
from nqjax.surface.surface import ResponseSurface
from nqjax.trials.study import StudyTable

#: Fewest finite scores for each coefficient of the quadratic.
_TRIALS_A_COEFFICIENT = 2

#: Most hyperparameters whose optimum is in the sentences.
_MOST_NAMED = 6

#: A p-value of disagreement that is said.
_DOUBTFUL = 0.01

_NAMES = {
    "best": "the best score",
    "sigma": "the noise of one run",
    "effective_number": "how many hyperparameters matter",
}

#: What is said before statements that need a random search, where the trials were chosen in another way.
NOT_VALID = (
    "What follows is from the scores alone. It holds for a random search, which these trials seem not to be: it is not "
    "valid here."
)


class Section(NamedTuple):
    """The surface of an analysis, or why there is none, and what the section says.

    Attributes
    ----------
    surface : ResponseSurface or None
    document : dict
        Numbers and sentences, or only ``"skipped"``, the reason.
    """

    surface: ResponseSurface | None
    document: dict[str, Any]


def section_of(study: StudyTable, post: AveragedPosterior, *, wanted: bool, adaptive: bool) -> Section:
    """Return the section on the response surface.

    Parameters
    ----------
    study : StudyTable
    post : AveragedPosterior
        The answer of the scores alone.
    wanted : bool
    adaptive : bool
        Whether the trials seem not to be a random search: then the surface's answer is the one that holds.
    """
    if not wanted:
        return Section(None, {"skipped": "it was not asked for"})
    try:
        _check_trials(study)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FitWarning)  # the document has them
            found = fit_surface(study, minimize=post.minimize)
    except InputError as error:
        return Section(None, {"skipped": str(error)})
    return Section(found, _document(found, post, adaptive))


def _check_trials(study: StudyTable) -> None:
    if not study.config:
        raise InputError("the trials have no hyperparameters: a surface needs the configurations, too")
    box = find_box(study.config)
    d, count = len(box.axes), int(np.sum(np.isfinite(study.scores)))
    coefficients = (d + 1) * (d + 2) // 2 + len(box.categories)
    if count < _TRIALS_A_COEFFICIENT * coefficients:
        raise InputError(
            f"{count} scores are too few for the {coefficients} coefficients of a surface: run at least "
            f"{_TRIALS_A_COEFFICIENT * coefficients} trials, or leave hyperparameters out"
        )


def _document(surface: ResponseSurface, post: AveragedPosterior, adaptive: bool) -> dict[str, Any]:
    sure = post.confidence
    views = surface.agreement(post, sure)
    region, optimum = surface.optimum_region(sure), surface.optimum
    found: dict[str, Any] = {
        "holds_alone": adaptive,
        **{name: one.surface._asdict() for name, one in views.items()},
        "scores_alone": {name: _alone(post, name, one.p_value) for name, one in views.items()},
        "optimum": [
            {"name": name, "value": value, **dict(zip(("low", "high"), region.get(name, (None, None)), strict=True))}
            for name, value in optimum.items()
        ],
        "directions": [
            {"words": one.words, "cost": one.cost, "probability": one.probability} for one in surface.directions
        ],
        "warnings": [*surface.warnings, *doubts_of(surface.lack_of_fit)],
    }
    return {**found, "sentences": _sentences(found, post.confidence)}


def _alone(post: AveragedPosterior, name: str, p_value: float) -> dict[str, float]:
    """Return what the scores alone say, as everywhere else in the analysis."""
    asked = "gamma" if name == "effective_number" else name
    return {**Interval(post.estimate(asked), *post.interval(asked))._asdict(), "p_value": p_value}


def shown(one: dict[str, float]) -> tuple[str, str]:
    """Return an estimate, and the ends of its interval."""
    estimate, low, high = as_sure([one[name] for name in Interval._fields], one["low"], one["high"])
    return estimate, f"{low} to {high}"


def _sentences(found: dict[str, Any], confidence: float) -> list[str]:
    best, ends = shown(found["best"])
    where = [f"{one['name']} {value_text(one['value'])}" for one in found["optimum"]]
    near = f", near {listed(where)}" if len(where) <= _MOST_NAMED else ""
    best_score = f"{best} ({percent(confidence)}: {ends}), noise averaged out{near}"
    which = "According to the response surface, which needs no random search, the best score within the searched ranges"
    said = [f"{which} is {best_score}."]
    strong, total = [one["words"] for one in found["directions"] if one["probability"] > 0.5], len(found["directions"])
    if strong:
        of = (
            f"{len(strong)} of {total} directions matter{'s' if len(strong) == 1 else ''}"
            if total > 1
            else "The only direction matters"
        )
        cost = "moving half a range along them costs more than the noise of one run"
        said.append(f"{of}, since {cost if len(strong) > 1 else cost.replace('them', 'it')}: {listed(strong)}.")
    else:
        said.append("No direction can be told from noise: moving half a range costs less than the noise of one run.")
    other = [name for name in _NAMES if found["scores_alone"][name]["p_value"] < _DOUBTFUL]
    if found["holds_alone"]:
        return said
    if other:
        names = listed([_NAMES[name] for name in other])
        return [*said, f"The scores alone say something else about {names}: the two views do not agree there."]
    return [*said, "The scores alone agree about the best score, the noise and how many hyperparameters matter."]
