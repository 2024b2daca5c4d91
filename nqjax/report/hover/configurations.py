"""Values in pictures of configurations: trials, and the directions of a response surface."""

from typing import TYPE_CHECKING

import numpy as np

from nqjax.report.hover.picture import Area, points, rows
from nqjax.report.hover.words import cut, shown
from nqjax.runtime.text import percent

if TYPE_CHECKING:
    from collections.abc import Callable

    from nqjax.analysis.record import Analysis
    from nqjax.plots.drawn import Drawn
    from nqjax.surface.surface import ResponseSurface

#: Most trials, the best ones, that have values in the picture of one hyperparameter: pages stay small.
MOST_TRIALS = 300


def trial_areas(found: "Analysis") -> "Callable[[Drawn], list[Area]]":
    """Return the areas of the scores against each hyperparameter: one for each of the best trials."""
    study, post = found.study, found.fit.posterior
    y = np.asarray(study.scores, np.float64)
    known = np.isfinite(y)
    inside = known & (y >= post.limits[0]) & (y <= post.limits[1])
    order = np.argsort(np.where(known, y if post.minimize else -y, np.inf), kind="stable")
    # The best trials come last, so that they lie above the others.
    chosen = order[: min(MOST_TRIALS, int(known.sum()))][::-1]

    def areas(drawn: "Drawn") -> list[Area]:
        found_areas: list[Area] = []
        for ax, name in zip(drawn.ax, drawn.artists["best"], strict=True):
            x = np.full(len(y), np.nan)
            for key, mask in (("trials", known & ~inside), ("regime", inside)):
                if name in drawn.artists[key]:
                    x[mask] = np.asarray(drawn.artists[key][name].get_xdata(), np.float64)
            texts = [
                f"{study.rows[i].partition(' (line')[0]}: {cut(name)} {shown(study.config[name][i])}, "
                f"{cut(study.metric)} {shown(y[i])}"
                for i in chosen
            ]
            found_areas += points(ax, x[chosen], y[chosen], texts)
        return found_areas

    return areas


def direction_areas(surface: "ResponseSurface", confidence: float) -> "Callable[[Drawn], list[Area]]":
    """Return the areas of what directions cost: one for each direction."""
    sigma = surface.interval("sigma", confidence)
    noise = f"sigma {shown(sigma.estimate)} ({shown(sigma.low)} to {shown(sigma.high)})"
    texts = []
    for one, cost in zip(surface.directions, surface.direction_costs(confidence), strict=True):
        middle, low, high = (shown(x) for x in cost)
        texts.append(f"{one.words}: half the box costs {middle} ({percent(confidence)}: {low} to {high}); {noise}")

    def areas(drawn: "Drawn") -> list[Area]:
        return rows(drawn.ax, np.arange(len(texts), dtype=float), texts)

    return areas
