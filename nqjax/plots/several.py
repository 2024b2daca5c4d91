"""The picture of a comparison: tuning curves of several studies with bands."""

from typing import TYPE_CHECKING

import numpy as np

from nqjax.plots.drawn import Drawn
from nqjax.plots.style import empirical_curve, new_figure, plain
from nqjax.runtime.text import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nqjax.analysis.study_comparison import StudyComparison

#: Colours and dashes of studies: Okabe and Ito's, then the same again with other dashes.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9")
_DASHES = ("solid", "dashed")

#: Longer names are cut.
_LONGEST = 32


def studies(found: "StudyComparison", *, ax: "Axes | None" = None) -> Drawn:
    """Draw the median best score of each study at equal trials or equal cost, with a simultaneous band.

    Parameters
    ----------
    found : StudyComparison
        From `nqjax.analyze`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Drawn
        The axes; artists ``curves`` and ``bands``, one of each for a study.

    Raises
    ------
    InputError
        Matplotlib is missing.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> rng = np.random.default_rng(0)
    >>> ours, theirs = ([{"loss": low + x} for x in rng.random(48)] for low in (0.1, 0.4))
    >>> drawn = nqjax.plots.studies(nqjax.analyze([ours, theirs], "loss", names=["ours", "theirs"]))
    >>> drawn.ax.get_xlabel(), [text.get_text() for text in drawn.ax.get_legend().get_texts()][:2]
    ('trials', ['ours', 'theirs'])
    """
    if ax is None:
        ax = new_figure().subplots()
    curves = found.curves
    ends, lines, bands = [], [], []
    for i, (name, one) in enumerate(zip(found.names, found.analyses, strict=True)):
        colour, dash = _COLOURS[i % len(_COLOURS)], _DASHES[i // len(_COLOURS) % len(_DASHES)]
        known, inside = curves.known[i], curves.in_regime[i]
        x = curves.budgets
        low, high = curves.low[i], curves.high[i]
        bands.append(ax.fill_between(x, low, high, where=inside, color=colour, alpha=0.18, linewidth=0))
        short = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
        # A study without known points has an empty line, for the legend.
        middle = curves.estimate[i]
        lines += ax.plot(x[known], middle[known], color=colour, linestyle=dash, linewidth=2, label=plain(short))
        beyond = inside & (curves.extrapolated[i] | (np.cumsum(known) == known.sum()))
        ax.plot(x[beyond], middle[beyond], color=colour, linestyle=":", linewidth=1.5)
        post = one.fit.posterior
        seen = curves.trials[i] >= 1
        seen &= ~curves.extrapolated[i]
        empirical = empirical_curve(post.study.scores, curves.trials[i][seen], post.minimize)
        ax.plot(x[seen], empirical, color=colour, alpha=0.45, linewidth=1)
        shown = known if known.any() else inside
        ends += [low[shown], high[shown]]
    _limit(ax, np.concatenate(ends))
    label = "trials" if found.costs is None else f"cost of all trials ({plain(found.unit)})"
    ax.set(xscale="log", xlabel=label, ylabel=f"median of the best {plain(found.metric)}")
    if len(curves.budgets) > 1:
        ax.set_xlim(curves.budgets[0], curves.budgets[-1])
    ax.plot([], [], color="black", linestyle=":", label="more trials than there are")
    ax.plot([], [], color="black", alpha=0.45, linewidth=1, label="empirical")
    ax.fill_between([], [], color="black", alpha=0.18, label=f"{percent(found.confidence)} band, simultaneous")
    ax.legend(frameon=False, fontsize="small")
    return Drawn(ax, {"curves": lines, "bands": bands})


def _limit(ax: "Axes", ends: np.ndarray) -> None:
    """Limit the axis to the bands where they are known, with some room."""
    ends = ends[np.isfinite(ends)]
    if ends.size:
        room = 0.1 * (float(np.ptp(ends)) or 1.0)
        ax.set_ylim(ends.min() - room, ends.max() + 2 * room)
