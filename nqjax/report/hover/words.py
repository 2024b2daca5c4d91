"""Words of the values that pictures show."""

from typing import TYPE_CHECKING, Any

import numpy as np

from nqjax.runtime.text import significant

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Characters of a name or category.
_LONGEST = 40


def shown(value: Any) -> str:
    """Return a number in four digits, or the beginning of a category."""
    if isinstance(value, int | float | np.number):
        return significant(float(value), 4)
    return cut(str(value))


def shown_end(value: float, ax: "Axes") -> str:
    """Return an end of a band, which is drawn as far as it is seen only."""
    low, high = sorted(ax.get_ylim())
    return f"below {shown(low)}" if value < low else f"above {shown(high)}" if value > high else shown(value)


def cut(text: str) -> str:
    """Return a name, or its beginning."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def counted(count: float) -> str:
    """Return a number of trials."""
    return "1 trial" if count == 1 else f"{count:,.0f} trials"
