"""A picture, as every function of `nqjax.plots` returns it."""

import io
from typing import Any, NamedTuple

#: Pixels an inch of pictures in notebooks.
_DPI = 90


class Drawn(NamedTuple):
    """A picture: the axes, and what was drawn on them; a notebook shows it.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(48) ** 2
    >>> ax, artists = nqjax.plots.gamma(nqjax.fit(scores))
    >>> list(artists)
    ['posterior']
    """

    ax: Any  # matplotlib.axes.Axes, or a tuple of them for a picture of several parts
    artists: dict[str, Any]  # by name; what a picture had no data for is missing

    def __repr__(self) -> str:
        return f"Drawn({', '.join(self.artists)})"

    def _repr_png_(self) -> bytes:
        """Return the whole figure, for notebooks."""
        first: Any = self.ax[0] if isinstance(self.ax, tuple) else self.ax
        buffer = io.BytesIO()
        first.figure.savefig(buffer, format="png", dpi=_DPI)
        return buffer.getvalue()
