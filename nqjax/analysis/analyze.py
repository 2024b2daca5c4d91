"""`nqjax.analyze`: from the trials of one search, or of several, to answers in sentences."""

import warnings as python_warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from numpy.typing import ArrayLike

from nqjax.analysis.record import Analysis
from nqjax.analysis.single import analyze_study
from nqjax.analysis.studies import MOST, compare_studies
from nqjax.analysis.study_comparison import StudyComparison
from nqjax.errors import FitWarning, InputError
from nqjax.estimation.constraints import Constraint
from nqjax.estimation.noise_data import Noise
from nqjax.inputs import as_flag, as_probability, as_trials, shortened
from nqjax.trials.readers.read import read_or_minimize
from nqjax.trials.study import StudyTable

#: Several studies.
Studies = list[StudyTable] | tuple[StudyTable, ...] | list[str] | tuple[str, ...] | list[Path]


@overload
def analyze(
    source: Studies,
    metric: str | None = None,
    *,
    minimize: bool | None = None,
    maximize: bool | None = None,
    where: Any = None,
    per_trial: str | None = None,
    confidence: float = 0.95,
    gamma: Constraint = None,
    noise: Noise | Sequence[Noise | None] | None = None,
    names: Sequence[str] | None = None,
    cost: str | None = None,
    budgets: ArrayLike | None = None,
    level: float = 0.05,
) -> StudyComparison: ...


@overload
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
    surface: bool = True,
) -> Analysis: ...


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
    noise: Any = None,
    names: Sequence[str] | None = None,
    cost: str | None = None,
    budgets: ArrayLike | None = None,
    level: float = 0.05,
    surface: bool = True,
) -> Any:
    """Analyse a search: how good it can get, what the best trials are worth, and whether to go on; or compare several.

    Parameters
    ----------
    source : StudyTable, or what `nqjax.read_study` reads
        A list or tuple of at least two of these is a comparison of as many models, each tuned by a search of its own.
        A list of dictionaries is one search, and so are several files that `nqjax.read_study` has read as one.
    metric, minimize, maximize, where, per_trial
        As for `nqjax.read_study`; not with a `StudyTable`, which has them. Where nothing says the direction, lower
        scores are better.
    confidence : float
        Probability of the intervals.
    gamma : pair of int, optional
        The range of gamma: by default from 1 to 5, or to the number of hyperparameters if that is larger, at most 10.
    noise : Noise, or a sequence of one a study, optional
        Noise that was measured by reruns, see `nqjax.noise_from_reruns`.
    names : sequence of str, optional
        Names of the studies of a comparison; by default those of their files.
    cost : str, optional
        Compare at equal cost, not at equal numbers of trials: the name of a column, or ``"auto"`` for that which was
        recognised in each file.
    budgets : array_like, optional
        Numbers of trials, or costs, at which to compare.
    level : float
        Nominal probability that any ordering which is said is wrong; docs/analyze.md has measured rates.
    surface : bool
        Whether to fit the response surface of one search, too; see `nqjax.fit_surface`. Not of several.

    Returns
    -------
    Analysis
        A `StudyComparison` for several studies.

    Raises
    ------
    InputError
        A source cannot be read; fewer than five different scores; invalid arguments; studies of different metrics or
        directions, one that is given twice, or one without costs where they are asked for.

    Examples
    --------
    >>> import nqjax
    >>> from nqjax.data import digits_mlp_path
    >>> found = nqjax.analyze(digits_mlp_path())
    >>> found.study.metric, found.ranked.index[0].item(), found.influences[0].name
    ('val_loss', 529, 'learning_rate')
    """
    confidence = as_probability("confidence", confidence)
    if maximize is not None and minimize is None:
        minimize = not maximize
    options = {"minimize": minimize, "where": where, "per_trial": per_trial}
    if not _are_several(source):
        if (names, cost, budgets) != (None, None, None):
            raise InputError("names, cost and budgets are for several studies: give a list of them")
        found = analyze_study(_read(source, metric, options), confidence, gamma, noise, as_flag("surface", surface))
        for caution in found.cautions:
            python_warnings.warn(caution, FitWarning, stacklevel=2)
        return found
    if len(source) > MOST:
        raise InputError(f"{len(source)} studies are too many to compare: give at most {MOST}")
    studies = [_read(one, metric, options) for one in source]
    return compare_studies(
        studies,
        _names(names, studies),
        confidence=confidence,
        level=as_probability("level", level, "such as 0.05"),
        gamma=gamma,
        noises=_noises(noise, len(studies)),
        cost=_cost(cost),
        budgets=None if budgets is None else as_trials(budgets).ravel(),
    )


def _are_several(source: Any) -> bool:
    """Return whether a source is several studies: a list or tuple, but not of the trials of one."""
    return isinstance(source, list | tuple) and len(source) > 1 and not all(isinstance(x, Mapping) for x in source)


def _read(source: Any, metric: str | None, options: Mapping[str, Any]) -> StudyTable:
    if not isinstance(source, StudyTable):
        return read_or_minimize(source, metric, **options, study=None)
    if metric is not None or any(value is not None for value in options.values()):
        raise InputError("this study was read before: give metric, direction and rows to nqjax.read_study")
    return source


def _names(names: Sequence[str] | None, studies: Sequence[StudyTable]) -> list[str]:
    """Return the names of studies: those that are given, else those of their files, as short as they differ."""
    if names is not None:
        given = [names] if isinstance(names, str) else list(names)
        if len(given) != len(studies) or not all(isinstance(name, str) and name.strip() for name in given):
            raise InputError(f"names is {shortened(names)}: give {len(studies)} names, one a study")
        if len(set(given)) < len(given):
            raise InputError(f"names is {shortened(names)}: give each study a name of its own")
        return given
    return default_names([study.source for study in studies])


def default_names(sources: Sequence[str]) -> list[str]:
    """Return the names of files without their ends, if they all differ; else whole sources, numbered if they repeat."""
    short = [source if "://" in source else Path(source).name.partition(".")[0] or source for source in sources]
    for found in (short, list(sources)):
        if len(set(found)) == len(found):
            return found
    return [f"study {place}" for place in range(1, len(sources) + 1)]


def _noises(noise: Any, count: int) -> list[Noise | None]:
    given = [noise] * count if noise is None or isinstance(noise, Noise) else noise
    if not isinstance(given, list | tuple) or len(given) != count:
        raise InputError(f"noise is {shortened(noise)}: give one, or {count}, for each study in turn")
    return list(given)


def _cost(cost: Any) -> str | None:
    if cost is not None and not isinstance(cost, str):
        raise InputError(f'cost is {shortened(cost)}: give the name of a column, or "auto"')
    return cost
