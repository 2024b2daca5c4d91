"""The record of a comparison of several studies."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nqjax.analysis.orderings import Ordering
from nqjax.analysis.pages import WithPage
from nqjax.analysis.record import Analysis
from nqjax.analysis.study_costs import MeanCost
from nqjax.analysis.study_curves import StudyCurves


@dataclass(frozen=True, eq=False)
class StudyComparison(WithPage):
    """Answers about several studies: which model is better if all are tuned with equal effort.

    Attributes
    ----------
    names : tuple of str
    analyses : tuple of Analysis
        The analysis of each study.
    metric : str
    minimize : bool
    costs : tuple of MeanCost or None
        What a trial of each costs, None for a comparison at equal numbers of trials.
    curves : StudyCurves
        Tuning curves with bands, and pairwise probabilities, at each budget.
    is_told : tuple of bool
        Whether the trials of each study can be compared: not where they are too few, or no random search.
    orderings : tuple of Ordering
        Orderings of pairs that are said, at the stated level.
    confidence : float
        Probability of intervals and bands.
    level : float
        Nominal probability that any ordering is wrong; docs/analyze.md has measured rates.
    warnings : tuple of str
        The reasons not to rely on the answers, in sentences.
    sentences : tuple of str
        The answers in plain words.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> rng = np.random.default_rng(0)
    >>> ours, theirs = ([{"loss": low + x} for x in rng.random(48)] for low in (0.1, 0.4))
    >>> found = nqjax.analyze([ours, theirs], "loss", names=["ours", "theirs"])
    >>> found.orderings[0].better, found.orderings[0].worse
    (0, 1)
    >>> found.sentences[0].startswith("ours is better than theirs")
    True
    """

    names: tuple[str, ...]
    analyses: tuple[Analysis, ...]
    metric: str
    minimize: bool
    costs: tuple[MeanCost, ...] | None
    curves: StudyCurves
    is_told: tuple[bool, ...]
    orderings: tuple[Ordering, ...]
    confidence: float
    level: float
    warnings: tuple[str, ...] = field(repr=False)
    sentences: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        """The unit of the budgets: ``"trials"``, or the name of the column of costs."""
        return "trials" if self.costs is None else self.costs[0].name

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers as plain Python objects, for JSON."""
        return {
            "names": list(self.names),
            "metric": self.metric,
            "minimize": self.minimize,
            "unit": self.unit,
            "confidence": self.confidence,
            "level": self.level,
            "sentences": list(self.sentences),
            "studies": [self._study(place) for place in range(len(self.names))],
            "orderings": [
                {**one._asdict(), "better": self.names[one.better], "worse": self.names[one.worse]}
                for one in self.orderings
            ],
            "budgets": [self._budget(int(place)) for place in np.flatnonzero(self.curves.is_shown)],
            "warnings": list(self.warnings),
        }

    def _study(self, place: int) -> dict[str, Any]:
        one, post = self.analyses[place], self.analyses[place].fit.posterior
        low, high = post.interval("best")
        return {
            "name": self.names[place],
            "source": one.study.source,
            "num_scores": post.num_scores,
            "num_failed": one.fit.num_failed,
            "best_score": one.fit.best_score,
            "best": {"estimate": post.estimate("best"), "low": low, "high": high},
            "tells_parameters": post.tells_parameters,
            "is_told": self.is_told[place],
            "regime_start": post.regime_start,
            "cost": None if self.costs is None else self.costs[place]._asdict(),
            "warnings": list(one.warnings),
            "notes": list(one.study.notes),
        }

    def _budget(self, place: int) -> dict[str, Any]:
        curves = self.curves
        return {
            "budget": float(curves.budgets[place]),
            "studies": [
                {
                    "trials": float(curves.trials[i, place]),
                    "median_best_score": float(curves.estimate[i, place]),
                    "low": _number(curves.low[i, place]),
                    "high": _number(curves.high[i, place]),
                    "in_regime": bool(curves.in_regime[i, place]),
                    "extrapolated": bool(curves.extrapolated[i, place]),
                }
                for i in range(len(self.names))
            ],
            "pairs": [
                {
                    "first": i,
                    "second": j,
                    "probability": float(curves.probability[i, j, place]),
                    "difference_low": float(curves.difference_low[i, j, place]),
                    "difference_high": float(curves.difference_high[i, j, place]),
                    "is_known": bool(np.all(curves.known[[i, j], place]) and self.is_told[i] and self.is_told[j]),
                }
                for i in range(len(self.names))
                for j in range(i + 1, len(self.names))
            ],
        }


def _number(x: float) -> float | None:
    return float(x) if np.isfinite(x) else None
