"""The picture of a comparison of two searches."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nqjax.confidence.region import region_behind
from nqjax.errors import InputError
from nqjax.plots.drawing import cannot_draw, legend, several_axes, subject
from nqjax.plots.drawn import Drawn
from nqjax.plots.style import BLUE, DARK, GREY, ORANGE, new_figure, plain
from nqjax.posterior.comparison import Comparable, Comparison
from nqjax.posterior.comparison import compare as compare_searches
from nqjax.runtime.text import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Numbers of trials at which two searches are compared, and the probability of the interval of their difference.
_POINTS = 16
_CONFIDENCE = 0.9


def compare(
    result: Any,
    other: Any = None,
    *,
    names: tuple[str, str] = ("a", "b"),
    name: str | None = None,
    cost: tuple[float, float] = (1.0, 1.0),
    confidence: float = _CONFIDENCE,
    ax: "Sequence[Axes] | None" = None,
) -> Drawn:
    """Draw how probable it is that one search beats another, and by how much, after n trials of each.

    Parameters
    ----------
    result : Comparison, Analysis, AveragedFit, AveragedPosterior or Posterior
        What `nqjax.compare` returns for several numbers of trials, or the first search.
    other : Analysis, AveragedFit, AveragedPosterior or Posterior, optional
        The second search; not with a comparison. They are compared at one to ten times as many trials as the smaller
        one has.
    names : pair of str
        Names of the two searches.
    name : str, optional
        The score's name and unit, for the axis; by default that of the first analysis.
    cost : pair of float
        Costs of a trial of each, as for `nqjax.compare`.
    confidence : float
        Probability of the interval of the difference.
    ax : sequence of two matplotlib.axes.Axes, optional
        Where to draw: the probability and the difference; a new figure by default.

    Returns
    -------
    Drawn
        The two axes; artists ``probability`` (chance in the trials included), ``median`` (of the median tuning curves),
        ``difference`` and ``interval``.

    Raises
    ------
    InputError
        Matplotlib is missing, something else was given, one search minimises and the other maximises, or a comparison
        of fewer than two numbers of trials.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(48)
    >>> one, two = nqjax.fit(scores), nqjax.fit(scores + 0.1)
    >>> drawn = nqjax.plots.compare(one, two, names=("ours", "theirs"), name="loss")
    >>> drawn.ax[0].get_ylabel()
    'probability that ours beats theirs'
    """
    first = subject(result, None, name)
    found, sizes = _comparison_of(result, other, cost)
    a, b = map(plain, names)
    left, right = several_axes(new_figure((9.6, 4.0)).subplots(1, 2) if ax is None else ax, 2)
    n = found.trials_a
    artists: dict[str, Any] = {}
    label = "best of n new trials of each"
    (artists["probability"],) = left.plot(n, found.probability, color=BLUE, linewidth=2, label=label)
    label = "median tuning curve"
    (artists["median"],) = left.plot(n, found.probability_median, color=BLUE, linestyle=":", label=label)
    left.axhline(0.5, color=GREY, linewidth=1, label="no telling")
    left.set(ylim=(0, 1), ylabel=f"probability that {a} beats {b}")
    low, high = found.interval(confidence)
    label = f"{percent(confidence)} credible, chance in the trials included"
    artists["interval"] = right.fill_between(n, low, high, color=BLUE, alpha=0.2, linewidth=0, label=label)
    middle = np.median(found.difference, axis=0)
    (artists["difference"],) = right.plot(n, middle, color=BLUE, linewidth=2, label="median")
    right.axhline(0.0, color=ORANGE, linewidth=1, linestyle="--", label="no difference")
    right.set(ylabel=f"{plain(first.name)} of {a} minus that of {b}")
    better = "lower is better" if found.minimize else "higher is better"
    for part in (left, right):
        part.set(xscale="log", xlim=(n[0], n[-1]), xlabel=_about_trials(found, a))
        legend(part)
    left.set_title(sizes, loc="right", fontsize="small", color=DARK)
    right.set_title(better, loc="right", fontsize="small", color=DARK)
    return Drawn((left, right), artists)


def _about_trials(found: Comparison, a: str) -> str:
    same = np.array_equal(found.trials_a, found.trials_b)
    return "number of trials of each" if same else f"number of trials of {a}, at equal cost"


def _comparison_of(result: Any, other: Any, cost: tuple[float, float]) -> tuple[Comparison, str]:
    """Return the comparison, in the order of the numbers of trials, and the sizes of the searches in words."""
    wanted = "a comparison from nqjax.compare, or two fits without a threshold, posteriors or analyses"
    if isinstance(result, Comparison):
        if other is not None:
            raise InputError("a comparison holds both searches: leave out the second one")
        if result.trials_a.ndim != 1 or len(result.trials_a) < 2:
            raise InputError(
                "the comparison is of one number of trials: give nqjax.compare several, such as n=[10, 100]"
            )
        order = np.argsort(result.trials_a)
        arrays = {key: value[..., order] for key, value in vars(result).items() if key != "minimize"}
        return Comparison(**arrays, minimize=result.minimize), ""
    searches = []
    for one in (result, other):
        found = subject(region_behind(one)).result
        if not isinstance(found, Comparable):
            raise cannot_draw("compare", one, wanted)
        searches.append(found)
    first, second = searches
    trials = np.geomspace(1, 10 * min(first.num_scores, second.num_scores), _POINTS)
    sizes = f"n = {first.num_scores:,} and {second.num_scores:,}"
    return compare_searches(first, second, trials, cost=cost), sizes
