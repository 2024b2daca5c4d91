"""Cells of tables of worth."""

import nqjax


def number(worth: float, most: float) -> str:
    """Return a number of random trials, as far as the baseline tells it."""
    if not worth <= most:
        return "beyond"
    return f"{worth:,.0f}" if worth >= 10 else f"{worth:.1f}"


def cell(found: nqjax.Worth, place: int, most: float) -> str:
    """Return the estimate at a budget, and its interval."""
    estimate, lower, upper = (number(float(v[place]), most) for v in (found.estimate, found.lower, found.upper))
    return f"{estimate} ({lower} to {upper})"
