"""The picture of the noise of one run."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nqjax.checks.noise import NoiseDiagnostics
from nqjax.confidence.bootstrap import Bootstrap
from nqjax.confidence.region import Region
from nqjax.plots.best import draw_histogram, draw_interval
from nqjax.plots.drawing import (
    cannot_draw,
    legend,
    one_axes,
    say_number,
    say_number_of,
    several_axes,
    subject,
)
from nqjax.plots.drawn import Drawn
from nqjax.plots.style import BLUE, GREY, ORANGE, new_figure, plain
from nqjax.runtime.text import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def noise(result: Any, *, name: str | None = None, ax: "Axes | Sequence[Axes] | None" = None) -> Drawn:
    """Draw the noise of one run: as reruns measure it, or as the scores of a search tell it.

    Parameters
    ----------
    result : NoiseDiagnostics, Analysis, AveragedFit or Region
        Of `nqjax.noise_diagnostics`, the normal Q-Q plot of the residuals with its band, and the standard deviation of
        each configuration over its mean score; of the others, what is known of sigma.
    name : str, optional
        The score's name and unit, for the axes; by default that of the analysis.
    ax : matplotlib.axes.Axes, or a pair of them for NoiseDiagnostics, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Drawn
        Of diagnostics two axes, and artists ``residuals``, ``line``, ``band``, ``pooled``, ``threshold``, ``used`` and
        ``not judged``; of the others one, with ``draws`` or ``interval``, and ``estimate``.

    Raises
    ------
    InputError
        Matplotlib is missing, or something else was given.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> runs = {"config": np.repeat([1, 2, 3], 16), "loss": np.random.default_rng(0).normal(0.1, 0.01, 48)}
    >>> drawn = nqjax.plots.noise(nqjax.noise_diagnostics(runs, "config", "loss"), name="loss")
    >>> drawn.ax[1].get_xlabel()
    'mean loss'
    """
    about = subject(result, None, name)
    given: Any = about.result
    if isinstance(given, NoiseDiagnostics):
        left, right = several_axes(new_figure((9.6, 4.2)).subplots(1, 2) if ax is None else ax, 2)  # type: ignore[arg-type]
        artists = {**_draw_qq(left, given), **_draw_spreads(right, given, plain(about.name))}
        say_number(left, len(given.residuals))
        return Drawn((left, right), artists)
    if not isinstance(given, Region):
        wanted = "the result of nqjax.noise_diagnostics, a region, a posterior or an analysis"
        raise cannot_draw("noise", result, wanted)
    part: Axes = one_axes(ax)  # type: ignore[arg-type]
    if about.has_draws:
        draws = np.asarray(getattr(given, "sigma"), np.float64).ravel()  # noqa: B009 - draws are no attribute of Region
        found = draw_histogram(part, draws[np.isfinite(draws)])
        middle = given.fit.sigma if isinstance(given, Bootstrap) else float(np.nanmedian(draws))
        found["estimate"] = part.axvline(middle, color=BLUE, label="estimate")
    else:
        found = draw_interval(part, given, "sigma", about.fit.sigma)
    part.set(xlabel=f"sigma, standard deviation of {plain(about.name)} over reruns", yticks=[])
    say_number_of(part, about)
    legend(part)
    return Drawn(part, found)


def _draw_qq(ax: "Axes", diagnostics: NoiseDiagnostics) -> dict[str, Any]:
    qq, confidence = diagnostics.qq, percent(1 - diagnostics.level)
    artists: dict[str, Any] = {}
    if len(qq.residuals):
        reach = 1.1 * max(3.0, *np.abs(qq.residuals[[0, -1]]))
        # The extreme residuals have no bound on one side: there, the band reaches to the end of the picture.
        low, high = np.clip(qq.low, -reach, reach), np.clip(qq.high, -reach, reach)
        look: dict[str, Any] = {"color": BLUE, "alpha": 0.2, "linewidth": 0, "label": f"{confidence} band"}
        artists["band"] = ax.fill_between(qq.theoretical, low, high, **look)
        (artists["line"],) = ax.plot(qq.theoretical, qq.theoretical, color=GREY, linewidth=1, label="normal")
        (artists["residuals"],) = ax.plot(
            qq.theoretical, qq.residuals, "o", color=BLUE, markersize=3, label="residuals"
        )
        ax.set_ylim(-reach, reach)
        legend(ax)
    ax.set(xlabel="normal quantile", ylabel="studentised residual")
    return artists


def _draw_spreads(ax: "Axes", diagnostics: NoiseDiagnostics, name: str) -> dict[str, Any]:
    artists: dict[str, Any] = {}
    confidence = percent(1 - diagnostics.level)
    if math.isfinite(diagnostics.sigma):
        ax.axhspan(*diagnostics.sigma_interval, color=ORANGE, alpha=0.2, linewidth=0)
        artists["pooled"] = ax.axhline(diagnostics.sigma, color=ORANGE, label=f"pooled sigma, {confidence}")
    for key, used, color, label in (
        ("used", True, BLUE, f"in the regime, {confidence} each"),
        ("not judged", False, GREY, "not judged"),
    ):
        rows = [row for row in diagnostics.configurations if row.used == used and math.isfinite(row.sd)]
        if rows:
            sds = np.array([row.sd for row in rows])
            ends = np.array([row.sd_interval for row in rows])
            bars = np.abs(ends - sds[:, None]).T
            means = [row.mean for row in rows]
            artists[key] = ax.errorbar(means, sds, bars, fmt="o", color=color, markersize=4, label=label)
    worse = diagnostics.limits[1 if diagnostics.minimize else 0]
    if math.isfinite(worse):
        artists["threshold"] = ax.axvline(worse, color=GREY, linestyle="--", linewidth=1, label="threshold")
    ax.set(xlabel=f"mean {name}", ylabel=f"standard deviation of {name}")
    ax.set_ylim(0, 1.3 * ax.get_ylim()[1])  # room for the legend
    say_number(ax, len(diagnostics.configurations), words="configurations")
    legend(ax)
    return artists
