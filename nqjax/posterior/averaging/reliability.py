"""Whether the averaged answer is to be relied on, and what limits it, in sentences."""

from typing import Literal

import numpy as np

from nqjax.posterior.averaging.average import Average

#: Why the scores do not tell the parameters.
Untold = Literal["", "few", "steep"]

#: Fewest scores in the regime, on average, for answers about the parameters to be relied on.
_ENOUGH_SCORES = 12.0

#: Fewest different scores in the regime, on average, for the same.
_ENOUGH_VALUES = 8.0

#: Fewest effective points for an answer to be exact enough.
_ENOUGH_POINTS = 300.0

#: An interval that reaches this many ranges of the regime's scores beyond the best score says that they tell little.
_FAR = 3.0

#: gamma is at an end of its range if more than this probability lies within the last half unit below the highest value,
#: or within this factor of the lowest one, where half a unit may be most of what is plausible.
_AT_END = 0.5
_LAST = 0.5
_NEAR = 1.2

#: The lowest gamma that is tried by default, and the probability near it from which the scores are called too steep.
_LOWEST_GAMMA = 0.5
_STEEP = 0.8


def why_untold(found: Average) -> Untold:
    """Return why the scores do not tell the parameters: too few are in the regime, or no quadratic is so steep."""
    low, high = found.gamma_range
    if low <= _LOWEST_GAMMA < high and found.weight[found.gamma < low * _NEAR].sum() > _STEEP:
        return "steep"
    return "" if _enough(found) else "few"


def _enough(found: Average) -> bool:
    """Return whether enough scores are in the regime, and the interval of the best one ends not far from them."""
    search, weight = found.search, found.weight
    of_threshold = weight @ found.thresholds
    order = np.argsort(found.alpha)
    lowest = float(found.alpha[order][np.searchsorted(np.cumsum(weight[order]), 0.025)])
    reach = float(search.thresholds[int(np.argmax(of_threshold))]) - search.best
    return bool(of_threshold @ search.used >= _ENOUGH_SCORES and search.best - lowest <= _FAR * reach)


def warnings_of(found: Average) -> list[str]:
    """Return what limits the answer, in sentences."""
    search, weight = found.search, found.weight
    of_threshold = weight @ found.thresholds
    used = float(of_threshold @ search.used)
    texts = []
    untold = why_untold(found)
    if untold == "steep":
        texts.append(
            "the scores get worse faster than near the optimum of any quadratic (gamma would be below "
            f"{_LOWEST_GAMMA:g}): rely on the band of nqjax.confidence_bands (nqjax bands), or narrow the search space"
        )
    if untold == "few":
        texts.append(
            f"about {used:.0f} scores shape the answer, too few to tell the parameters: rely on the band of "
            "nqjax.confidence_bands (nqjax bands)"
        )
    counts = np.asarray(search.scores.counts)[: len(search.used)]
    values = float(of_threshold @ np.sum(counts > 0, axis=1))
    if used >= _ENOUGH_SCORES and values < _ENOUGH_VALUES:
        texts.append(
            f"about {values:.0f} different scores shape the answer: intervals account for rounding, but not for "
            "hyperparameters that have no effect or take few values"
        )
    low, high = found.gamma_range
    if low < high and untold != "steep":
        for at_end, end, word in (
            (found.gamma < low * _NEAR, low, "lowest"),
            (found.gamma > high - _LAST, high, "highest"),
        ):
            if weight[at_end].sum() > _AT_END:
                texts.append(
                    f"gamma is at the {word} value that is tried, {end:g}: try a wider range (gamma=, --gamma)"
                )
    if found.effective < _ENOUGH_POINTS:
        texts.append(
            f"the draws tell as much as {found.effective:.0f} independent ones: intervals are rough; another key "
            "(nqjax posterior --seed) shows by how much"
        )
    return texts
