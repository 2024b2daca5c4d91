"""Numbers and lists in messages and reports."""

import math
from collections.abc import Sequence


def significant(number: float | None, digits: int) -> str:
    """Return a number to a count of significant digits, trailing zeros kept; ``?`` for None."""
    return "?" if number is None else f"{number:#.{digits}g}".removesuffix(".") if number else "0"


def percent(share: float | None, digits: int = 6) -> str:
    """Return a share as a percentage of at most ``digits`` significant digits; ``?`` for NaN and None."""
    return "?" if share is None or math.isnan(share) else f"{100 * share:.{digits}g} %"


def span(low: float, high: float) -> str:
    """Return an interval, to four significant digits: ``0.1 to 0.25``."""
    return f"{low:.4g} to {high:.4g}"


def listed(words: Sequence[str]) -> str:
    """Return words as a list in a sentence: ``a``, ``a and b``, ``a, b and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
