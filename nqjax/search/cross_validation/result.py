"""Result of nested cross-validation, with intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class NestedCrossValidation:
    """The score of a whole search on new examples: see `nqjax.search.nested_cross_validation`.

    Attributes
    ----------
    outer_scores : ndarray, shape (outer,)
        The score on each outer test part, which the search has not seen, of what the search has chosen.
    best_inner : ndarray, shape (outer,)
        The best mean score over the inner folds, by which it was chosen.
    inner_scores : ndarray, shape (outer, inner, configurations)
        NaN where a fit has failed.
    configs : tuple of tuple of dict
        The configurations of each outer fold's search.
    chosen : ndarray of int, shape (outer,)
        The place of the chosen configuration.
    partners : ndarray of int, shape (outer, inner), or None
        The outer fold whose test part is this inner test part, where they are the same parts.
    minimize : bool
    confidence : float
        The coverage of the intervals.
    name : str
        The model's name.
    """

    outer_scores: Floats
    best_inner: Floats
    inner_scores: Floats
    configs: tuple[tuple[dict[str, Any], ...], ...]
    chosen: NDArray[np.int64]
    partners: NDArray[np.int64] | None
    minimize: bool
    confidence: float
    name: str

    @property
    def estimate(self) -> float:
        """The mean of the outer scores: what the search can be expected to score on new examples."""
        return float(np.mean(self.outer_scores))

    @property
    def interval(self) -> tuple[float, float]:
        """Interval for the expected score: see `corrected_interval`."""
        return corrected_interval(self.outer_scores, self.confidence)

    @property
    def optimisms(self) -> Floats:
        """The lead of the inner scores of what was chosen over the outer score, in each fold; shape (outer,).

        Where the inner folds are the other outer folds, as they are by default, both are of the same test part: the
        outer score on a part, and the mean of the inner scores on that part in the other searches. Otherwise the best
        inner score is compared with the outer score of the same search, which vary more, because their examples differ.
        """
        inner = self.best_inner
        if self.partners is not None:
            own = np.take_along_axis(self.inner_scores, self.chosen[:, None, None], axis=2)[..., 0]
            inner = np.array([own[self.partners == part].mean() for part in range(len(own))])
        apart = self.outer_scores - inner
        return apart if self.minimize else -apart

    @property
    def optimism(self) -> float:
        """The mean of ``optimisms``: above 0, the score by which the search chooses looks too good."""
        return float(np.mean(self.optimisms))

    @property
    def optimism_interval(self) -> tuple[float, float]:
        """Interval for the expected optimism: see `corrected_interval`."""
        return corrected_interval(self.optimisms, self.confidence)

    @property
    def chosen_configs(self) -> tuple[dict[str, Any], ...]:
        """The configuration that each outer fold's search has chosen."""
        return tuple(own[place] for own, place in zip(self.configs, self.chosen, strict=True))

    def __str__(self) -> str:
        """Return the findings in two sentences."""
        low, high = self.interval
        least, most = self.optimism_interval
        share = f"{100 * self.confidence:g} %"
        best = float(np.mean(self.best_inner))
        looks = "too good" if self.optimism > 0 else "too poor"
        return (
            f"A search for {self.name} scores {self.estimate:.4g} on new examples [{low:.4g}, {high:.4g}] ({share} "
            f"interval over {len(self.outer_scores)} folds). The best inner score, {best:.4g}, looks {looks} by "
            f"{abs(self.optimism):.2g} (optimism {self.optimism:.2g} [{least:.2g}, {most:.2g}])."
        )


def corrected_interval(values: Floats, confidence: float) -> tuple[float, float]:
    """Return an interval for the mean of values of cross-validation's folds.

    It is Student's interval with the variance that Nadeau and Bengio (2003) correct for training parts that overlap:
    ``s^2 (1 / k + 1 / (k - 1))`` for k folds, instead of ``s^2 / k``. It assumes that the folds' values are nearly
    normal, and that two of them have the correlation 1 / k, the share of an example's being tested. No estimate of the
    variance is right for all models (Bengio and Grandvalet 2004); `python -m bench nested` measures the coverage.
    """
    k = len(values)
    if not np.isfinite(values).all():
        return math.nan, math.nan
    half = float(special.stdtrit(k - 1, 0.5 + confidence / 2) * np.std(values, ddof=1) * math.sqrt(1 / k + 1 / (k - 1)))
    mean = float(np.mean(values))
    return mean - half, mean + half
