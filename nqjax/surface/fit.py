"""`fit_surface`: from configurations and scores to a response surface."""

import warnings as python_warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from nqjax.errors import FitWarning, InputError
from nqjax.inputs import AUTO, as_choice, as_key, as_minimize, as_scores, as_threshold, shortened
from nqjax.surface import start
from nqjax.surface.bending import box_that_fits, fits_better
from nqjax.surface.configurations import read_configurations
from nqjax.surface.coordinates import Box, Points, find_box
from nqjax.surface.data import Trials, read_trials
from nqjax.surface.mixing import AGREE, mean_r_hat
from nqjax.surface.model import unpack
from nqjax.surface.sampler import Draws, sample
from nqjax.surface.surface import ResponseSurface
from nqjax.trials.study import StudyTable
from nqjax.types import Floats

#: With fewer trials inside for each coefficient the prior matters much.
_TRIALS_A_COEFFICIENT = 3

#: Most coordinates that are bent.
_MOST_BENDS = 2

#: Samplers.
_METHODS = ("hmc", "nuts")

#: Most coordinates: a quadratic of more has hundreds of coefficients.
_MOST_AXES = 12


def fit_surface(
    study: StudyTable | Mapping[str, ArrayLike] | Sequence[Mapping[str, Any]],
    scores: ArrayLike | None = None,
    space: Mapping[str, Any] | None = None,
    *,
    threshold: float | str | None = AUTO,
    minimize: bool | None = None,
    maximize: bool | None = None,
    method: str = "hmc",
    key: Array | None = None,
) -> ResponseSurface:
    """Fit a quadratic response surface to the trials of a search, however they were chosen.

    The surface describes the scores better than a threshold; of the others it says only that they are worse. So failed
    runs are data, and trials may come from random search, Bayesian optimisation, a grid or by hand.

    Parameters
    ----------
    study : StudyTable, mapping or sequence of mappings
        What `nqjax.read_study` gives; or configurations: names mapped to values, or one mapping for each trial.
    scores : array-like, shape (trials,), optional
        One score for each configuration, NaN or infinite for failed runs. Only with configurations.
    space : mapping of str to Distribution, optional
        The search space, as `nqjax.search` has it. By default ends and scales are those that a study records (files of
        `nqjax search`, studies of Optuna), else they follow from the values.
    threshold : float, "auto" or None, optional
        The losing end of the regime; None uses all scores. By default the answer is averaged over thresholds.
    minimize, maximize : bool, optional
        By default what the study says, else lower scores are better.
    method : {"hmc", "nuts"}, optional
        The sampler: the fast one of this package, or NumPyro's NUTS on the same density, which takes many times as
        long. Their answers agree within the error of their draws.
    key : Array, optional
        A JAX random key; ``jax.random.key(0)`` by default.

    Returns
    -------
    ResponseSurface

    Raises
    ------
    InputError
        No hyperparameter is a number with three different values or more, or there are too few scores.

    Warns
    -----
    FitWarning
        Chains disagree, or there are few trials for the number of coefficients.

    Examples
    --------
    >>> import numpy as np, nqjax
    >>> rng = np.random.default_rng(0)
    >>> lr, width = 10 ** rng.uniform(-5, -1, 64), rng.uniform(0, 1, 64)
    >>> scores = 0.1 + 0.05 * (np.log10(lr) + 3) ** 2 + 0.002 * rng.normal(size=64)
    >>> surface = nqjax.fit_surface({"lr": lr, "width": width}, scores)
    >>> bool(abs(surface.best - 0.1) < 0.005), bool(3e-4 < surface.optimum["lr"] < 3e-3)
    (True, True)
    """
    found = fit_quietly(study, scores, space, threshold, minimize, maximize, key, method)
    for text in found.warnings:
        python_warnings.warn(text, FitWarning, stacklevel=2)
    return found


def fit_quietly(
    study: Any,
    scores: ArrayLike | None = None,
    space: Any = None,
    threshold: Any = AUTO,
    minimize: bool | None = None,
    maximize: bool | None = None,
    key: Array | None = None,
    method: str = "hmc",
) -> ResponseSurface:
    """Return what `fit_surface` does; its warnings are in the answer alone, so that several threads may fit."""
    config, y, direction = _inputs(study, scores)
    said = minimize is not None or maximize is not None
    lower = as_minimize(minimize, maximize) if said or direction is None else direction
    sign = 1.0 if lower else -1.0
    how, end = as_choice("method", method, _METHODS), as_threshold(threshold)
    if end is None:
        end = sign * float(np.max(sign * y, where=np.isfinite(y), initial=-np.inf))
    if space is not None and not isinstance(space, Mapping):
        raise InputError(f"space is {shortened(space)}: give names mapped to distributions of nqjax.search")
    box = find_box(config, {**(study.ranges if isinstance(study, StudyTable) else {}), **(space or {})})
    if len(box.axes) > _MOST_AXES:
        raise InputError(f"{len(box.axes)} numeric hyperparameters are too many: leave all but {_MOST_AXES} out")
    key = jax.random.key(0) if key is None else as_key(key)

    def fit_in(box: Box) -> ResponseSurface:
        points = box.place(config)
        trials = read_trials(points, sign * y, None if end == AUTO else sign * float(end))
        draws, order = _draws(trials, points, key, how)
        return _surface(box, points, y, trials, draws, order, lower)

    found = fit_in(box)
    for _ in range(_MOST_BENDS):
        bent = box_that_fits(found)
        if bent is None:
            break
        again = fit_in(bent)
        if not fits_better(again, found):
            break
        found = again
    return found


def _inputs(study: Any, scores: ArrayLike | None) -> tuple[Mapping[str, Any], Floats, bool | None]:
    """Return configurations, scores and the study's direction."""
    if isinstance(study, StudyTable):
        if scores is not None:
            raise InputError("a study has its own scores: give configurations, or leave scores out")
        return study.config, np.where(study.status == "finished", study.scores, np.nan), study.minimize
    config = read_configurations(study)
    if scores is None:
        raise InputError("configurations need scores, one for each")
    y = as_scores(scores)
    for name, values in config.items():
        if values.shape != y.shape:
            raise InputError(f"{name} has {values.size} values for {y.size} scores")
    return config, y, None


def _draws(trials: Trials, points: Points, key: Array, method: str) -> tuple[Draws, list[int]]:
    """Return draws, and the order of the coordinates in them."""
    data = trials.data
    y = np.asarray(data.scores)[: len(points.points)]
    half = y <= np.quantile(y[np.isfinite(y)], 0.5)
    order = start.pivots(start.least_squares(points.points[half], y[half]).curvature)
    categories = points.groups.shape[1]
    begins = []
    for end in np.asarray(data.thresholds):
        inside = y <= end
        found = start.least_squares(points.points[inside][:, order], y[inside])
        begins.append(start.as_vector(found, categories))
    ordered = data._replace(points=data.points[:, order], present=data.present[:, order])
    return sample(key, np.array(begins), ordered, method), order


def _surface(
    box: Box, points: Points, y: Floats, trials: Trials, draws: Draws, order: list[int], minimize: bool
) -> ResponseSurface:
    """Return the surface on the user's scale, with coordinates in the order of the box."""
    d, categories = points.points.shape[1], points.groups.shape[1]
    x = draws.x.reshape(-1, draws.x.shape[-1])
    found: Any = unpack(x, d, categories)  # type: ignore[arg-type]
    upper = np.broadcast_to(np.eye(d), (len(x), d, d)).copy()
    upper[:, *np.triu_indices(d, 1)] = found.turns
    curvature = np.einsum("mki,mk,mkj->mij", upper, np.exp(found.log_curvatures), upper)
    back = np.argsort(order)
    sign = 1.0 if minimize else -1.0
    number = np.tile(draws.threshold, len(draws.x))
    surface = ResponseSurface(
        box,
        minimize,
        trials.best + trials.unit * found.lowest,
        found.optimum[:, back],
        trials.unit * curvature[:, back][:, :, back],
        trials.unit * np.exp(found.log_sigma),
        trials.unit * found.levels,
        found.shifts[:, :, back],
        1 / (1 + np.exp(-found.accident)),
        sign * trials.thresholds[np.minimum(number, len(trials.thresholds) - 1)],
        sign * trials.thresholds,
        _merged(draws.weights, len(trials.thresholds)),
        points.points,
        points.present,
        points.groups,
        y,
        1.0,
    )
    mixing = max(
        mean_r_hat(values.reshape(len(draws.x), -1), draws.threshold)
        for values in (surface.best_draws / trials.unit, np.log(surface.noise))  # squares of huge scores overflow
    )
    return replace(surface, mixing=mixing, warnings=_warnings(surface, mixing))


def _merged(weights: Floats, count: int) -> Floats:
    """Return probabilities of the thresholds; those that stand for the last one again are added to it."""
    return np.append(weights[: count - 1], weights[count - 1 :].sum())


def _warnings(surface: ResponseSurface, mixing: float) -> tuple[str, ...]:
    found = []
    d = len(surface.box.axes)
    coefficients = (d + 1) * (d + 2) // 2 + surface.groups.shape[1]
    inside = np.isfinite(surface.scores) & (
        surface.sign * surface.scores <= surface.sign * np.median(surface.threshold)
    )
    if np.sum(inside) < _TRIALS_A_COEFFICIENT * coefficients:
        found.append(
            f"{np.sum(inside)} trials inside the threshold for {coefficients} coefficients: what they do not tell "
            "follows from the prior, by which few directions matter; intervals are too narrow where the surface is not "
            "quite quadratic (on one real search, 90 % intervals of the best score held in 64 %)"
        )
    if mixing > AGREE:
        doubt = "its intervals are rough, and another key shows how far"
        found.append(f"the chains of the surface do not agree (R-hat {mixing:.2f}): {doubt}")
    return tuple(found)
