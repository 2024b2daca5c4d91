"""Values in pictures of one study's scores: the tuning curve, the distribution, histograms, quantiles, thresholds."""

from typing import TYPE_CHECKING

import numpy as np

from nqjax.report.hover.picture import Area, between, points, strips
from nqjax.report.hover.words import counted, cut, shown, shown_end
from nqjax.runtime.text import percent, same_side

if TYPE_CHECKING:
    from collections.abc import Callable

    from nqjax.analysis.record import Analysis
    from nqjax.plots.drawn import Drawn
    from nqjax.posterior.averaged import AveragedPosterior


def curve_areas(name: str, confidence: float) -> "Callable[[Drawn], list[Area]]":
    """Return the areas of a tuning curve: one for each number of trials at which the regime governs it."""

    def areas(drawn: "Drawn") -> list[Area]:
        n, middle = (np.asarray(one, np.float64) for one in drawn.artists["curve"].get_data())
        if not n.size:
            return []
        corners = np.concatenate([path.vertices for path in drawn.artists["band"].get_paths()] or [np.empty((0, 2))])
        texts = []
        for count, one in zip(n, middle, strict=True):
            text = f"{counted(count)}: median of the best {cut(name)} {shown(one)}"
            band = corners[corners[:, 0] == count, 1]
            if band.size:
                low, high = (shown_end(end, drawn.ax) for end in (band.min(), band.max()))
                text += f" ({percent(confidence)}: {low} to {high})"
            texts.append(text)
        return strips(drawn.ax, n, texts)

    return areas


def cdf_areas(found: "Analysis") -> "Callable[[Drawn], list[Area]]":
    """Return the areas of a distribution function: one for each of some scores in the regime."""
    scores = np.sort(found.study.scores[np.isfinite(found.study.scores)])
    num_scores = found.fit.posterior.num_scores
    # When maximizing, failed runs are the lowest scores.
    failed_below = 0 if found.fit.posterior.minimize else num_scores - len(scores)

    def areas(drawn: "Drawn") -> list[Area]:
        x, fitted = (np.asarray(one, np.float64) for one in drawn.artists["curve"].get_data())
        below = np.searchsorted(scores, x, side="right") + failed_below
        texts = [
            f"{cut(found.study.metric)} {shown(place)}: {percent(count / num_scores, 3)} of the scores are at or "
            f"below, {percent(share, 3)} according to the fit"
            for place, count, share in zip(x, below, fitted, strict=True)
        ]
        return strips(drawn.ax, x, texts)

    return areas


def bar_areas(name: str) -> "Callable[[Drawn], list[Area]]":
    """Return the areas of a histogram of draws: one for each bar."""

    def areas(drawn: "Drawn") -> list[Area]:
        drawn_bars = drawn.artists.get("posterior", drawn.artists.get("draws"))
        bars = [bar for bar in getattr(drawn_bars, "patches", ()) if bar.get_height() > 0]
        total = sum(bar.get_height() * bar.get_width() for bar in bars)
        left = np.array([bar.get_x() for bar in bars])
        right = np.array([bar.get_x() + bar.get_width() for bar in bars])
        texts = [
            f"{cut(name)} from {shown(a)} to {shown(b)}: {percent(bar.get_height() * (b - a) / total, 2)}"
            for bar, a, b in zip(bars, left, right, strict=True)
        ]
        return between(drawn.ax, left, right, texts)

    return areas


def quantile_areas(name: str) -> "Callable[[Drawn], list[Area]]":
    """Return the areas of a Q-Q plot: one for each score."""

    def areas(drawn: "Drawn") -> list[Area]:
        expected, y = (np.asarray(one, np.float64) for one in drawn.artists["scores"].get_data())
        texts = [f"{cut(name)} {shown(b)}; to expect: {shown(a)}" for a, b in zip(expected, y, strict=True)]
        return points(drawn.ax, expected, y, texts)

    return areas


def threshold_areas(post: "AveragedPosterior", name: str) -> "Callable[[Drawn], list[Area]]":
    """Return the areas of the probabilities of thresholds: one for each bar."""
    y = post.study.scores[np.isfinite(post.study.scores)]
    side = "below" if post.minimize else "above"

    def areas(drawn: "Drawn") -> list[Area]:
        bars = list(drawn.artists["probability"].patches)
        texts = []
        for end, share in post.threshold_probabilities.items():
            kept = int(np.sum(y <= end if post.minimize else y >= end))
            threshold = same_side(end, y, post.minimize)
            texts.append(f"{cut(name)} {side} {threshold}: {kept:,} scores, probability {percent(share, 2)}")
        left = np.array([bar.get_x() for bar in bars])
        return between(drawn.ax, left, left + np.array([bar.get_width() for bar in bars]), texts)

    return areas
