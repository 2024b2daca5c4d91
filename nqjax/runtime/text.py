"""Numbers and lists in messages and reports."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Name of the end of the fitted regime: alpha when minimising, beta when maximising. It is no bound of the search.
BEST_OF_REGIME = "best score of the fitted regime"


def significant(number: float | None, digits: int) -> str:
    """Return a number to a count of significant digits, trailing zeros kept; ``?`` for None."""
    return "?" if number is None else f"{number:#.{digits}g}".removesuffix(".") if number else "0"


def percent(share: float | None, digits: int = 6) -> str:
    """Return a share as a percentage of at most ``digits`` significant digits; ``?`` for NaN and None."""
    if share is None or math.isnan(share):
        return "?"
    text = f"{100 * share:.{digits}g}"
    # What rounds to 100 with two digits needs a third one: 99.8 %, not 1e+02 %.
    return f"{100 * share:.{max(digits, 3)}g} %" if "e+" in text else f"{text} %"


def chance(probability: float | None, digits: int = 3) -> str:
    """Return a probability as a percentage; ``< 0.1 %`` and ``> 99.9 %`` near the ends, ``?`` for NaN and None."""
    if probability is None or math.isnan(probability) or 1e-3 <= probability <= 1 - 1e-3:
        return percent(probability, digits)
    if probability in (0, 1):
        return percent(probability)
    return "< 0.1 %" if probability < 0.5 else "> 99.9 %"


def chance_among_draws(share: float) -> str:
    """Return a share of random draws as a probability: none or all of them still leave it open, ``< 0.1 %``."""
    return chance(min(max(share, 1e-9), 1 - 1e-9), 2)


def p_value(p: float) -> str:
    """Return a p-value for a sentence: ``p = 0.31``, ``p < 0.001``."""
    return "p < 0.001" if p < 1e-3 else f"p = {p:.2g}"


def same_side(threshold: float, scores: NDArray[np.float64], minimize: bool) -> str:
    """Return a threshold with the fewest digits that keep the same scores on its better side."""
    sign = 1 if minimize else -1
    kept = int(np.sum(sign * scores <= sign * threshold))
    for digits in range(3, 17):
        for end in (threshold, threshold + sign * 10.0 ** (math.floor(math.log10(abs(threshold) or 1)) + 1 - digits)):
            text = f"{end:.{digits}g}"
            if "e" in text and 1 <= abs(end) < 1e7:
                text = f"{float(text):.0f}"
            if int(np.sum(sign * scores <= sign * float(text))) == kept:
                return text
    return repr(threshold)


def as_sure(
    numbers: Sequence[float | None], low: float | None, high: float | None, digits_of_width: int = 2
) -> list[str]:
    """Return numbers with as many decimals as an interval gives them: its width has two significant digits.

    Where the estimate is much nearer to one end than to the other, both have the decimals of their own distance, up to
    three significant digits: else `0.42, 0.21 to 310` would read `0, 0 to 310`.
    """
    if low is None or high is None or not 0 < high - low < math.inf:
        return [significant(number, 3 + digits_of_width) for number in numbers]
    decimals = _decimals(high - low, digits_of_width)
    known = [number for number in (*numbers, low, high) if number is not None]
    size = max(map(abs, known))
    if decimals > 12 or size >= 1e7 or size < 1e-4:
        digits = min(max(decimals + math.floor(math.log10(size)) + 1, 3), 16) if size else 3
        return [significant(number, digits) for number in numbers]
    return ["?" if number is None else _fixed(number, known, decimals, digits_of_width) for number in numbers]


#: The share of an interval's width within which a distance counts as small.
_SMALL_SHARE = 0.1


def _fixed(number: float, known: Sequence[float], decimals: int, digits: int) -> str:
    """Return a number with these decimals, or with more if it is close to another of the known numbers."""
    distance = min((abs(number - other) for other in known if other != number), default=0.0)
    if number and 0 < distance < _SMALL_SHARE * (max(known) - min(known)):
        decimals = max(decimals, min(_decimals(2 * distance, digits), _decimals(abs(number), 3)))
    return f"{round(number, decimals) + 0.0:.{max(decimals, 0)}f}"  # adding 0.0 turns -0.0 into 0.0


def _decimals(size: float, digits: int) -> int:
    """Return the decimals that give a number of this size its significant digits."""
    return digits - 1 - math.floor(math.log10(size))


def listed(words: Sequence[str]) -> str:
    """Return words as a list in a sentence: ``a``, ``a and b``, ``a, b and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
