"""`ResponseSurface`: what a search tells of the loss as a function of the hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nqjax.surface.agreement import Agreement, compare_with_scores
from nqjax.surface.configurations import read_configurations, read_rows
from nqjax.surface.directions import Direction, costs_of_directions, find_directions
from nqjax.surface.draws import FEW_DRAWS, SurfaceDraws
from nqjax.surface.importance import find_importance
from nqjax.surface.intervals import Interval, tails
from nqjax.surface.lack_of_fit import LackOfFit, find_lack_of_fit
from nqjax.surface.propose import propose_trials
from nqjax.surface.ranking import rank_by_surface
from nqjax.types import Floats

if TYPE_CHECKING:
    from jax import Array

    from nqjax.posterior.averaged import AveragedPosterior
    from nqjax.posterior.ranking import RankedTrials


class Predictions(NamedTuple):
    """Noise-free scores of configurations; fields have shape (configurations,)."""

    estimate: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, eq=False, repr=False)
class ResponseSurface(SurfaceDraws):
    """The loss near its optimum, a quadratic of the hyperparameters, as `nqjax.fit_surface` finds it.

    Its draws and their scale are described by `SurfaceDraws`, whose attributes it has.

    Examples
    --------
    >>> import numpy as np, nqjax
    >>> rng = np.random.default_rng(1)
    >>> lr = 10 ** rng.uniform(-5, -1, 48)
    >>> scores = 0.1 + 0.05 * (np.log10(lr) + 3) ** 2 + 0.002 * rng.normal(size=48)
    >>> surface = nqjax.fit_surface({"lr": lr}, scores)
    >>> best = surface.interval("best", 0.95)
    >>> best.low < 0.1 < best.high, surface.directions[0].words
    (True, 'lr')
    """

    def __repr__(self) -> str:
        best = self.interval("best", 0.9)
        return (
            f"ResponseSurface({len(self.scores)} trials, {len(self.box.axes)} coordinates; "
            f"best {best.estimate:.6g} ({best.low:.6g} to {best.high:.6g}))"
        )

    @property
    def best(self) -> float:
        """The best noise-free score that the box holds: the median of its draws."""
        return float(np.median(self.best_draws))

    @property
    def sigma(self) -> float:
        """The standard deviation of one run: the median of its draws."""
        return float(np.median(self.noise))

    @property
    def optimum(self) -> dict[str, Any]:
        """The configuration with the lowest mean loss, among the lowest points of draws and their median."""
        where, which, _ = self.lowest_in_box
        some = np.linspace(0, len(where) - 1, min(len(where), FEW_DRAWS)).astype(int)
        z = np.concatenate([where[some], np.median(where, axis=0)[None]])
        common = np.bincount(which).argmax()
        groups = self.combinations[np.append(which[some], common)]
        mean = np.mean(self.losses(z, self.box.present(groups), groups), axis=0)
        chosen = int(np.argmin(mean))
        return self.box.values(z[chosen : chosen + 1], groups[chosen : chosen + 1])[0]

    def optimum_region(self, confidence: float = 0.9) -> dict[str, tuple[float, float]]:
        """Return where the optimum lies in each numeric hyperparameter, in the user's units."""
        low, high = tails(confidence)
        where = self.lowest_in_box[0]
        ends = np.quantile(where, [low, high], axis=0)
        return {
            axis.name: (float(a), float(b))
            for axis, (a, b) in zip(
                self.box.axes, (axis.from_box(ends[:, j]) for j, axis in enumerate(self.box.axes)), strict=True
            )
        }

    @property
    def num_strong(self) -> float:
        """The mean number of directions in which half the width of the box costs more than sigma."""
        return float(np.mean(np.sum(self.spectrum_draws / 2 > self.noise[:, None], axis=1)))

    @property
    def directions(self) -> list[Direction]:
        """The principal directions, the most costly first; see `Direction`."""
        return find_directions(self)

    def direction_costs(self, confidence: float = 0.9) -> list[Interval]:
        """Return what half the width of the box costs in each of the `directions`, with intervals, in scores."""
        return costs_of_directions(self, confidence)

    def importance(self, confidence: float = 0.9) -> dict[str | tuple[str, str], Interval]:
        """Return each hyperparameter's share of the variance within the regime, and each pair's.

        They say what makes the difference among good trials; see `nqjax.surface.importance`.
        """
        return find_importance(self, confidence)

    @cached_property
    def lack_of_fit(self) -> LackOfFit | None:
        """Whether residuals inside the threshold depend on a coordinate; None where there are fewer than 12 trials."""
        return find_lack_of_fit(self)

    def agreement(self, post: AveragedPosterior, confidence: float = 0.9) -> dict[str, Agreement]:
        """Compare the best score, sigma and the effective number with those of the scores alone.

        Parameters
        ----------
        post : AveragedPosterior
            What `nqjax.confidence_region` gives for the same scores. It needs a random search; the surface does not.
        confidence : float, optional
        """
        return compare_with_scores(self, post, confidence)

    def propose(self, n: int = 1, method: str = "ei", key: Array | None = None) -> list[dict[str, Any]]:
        """Return n configurations to run next, by expected improvement or ``"thompson"`` sampling."""
        return propose_trials(self, n, method, key)

    @property
    def effective_number(self) -> float:
        """The median of `effective_numbers`."""
        return float(np.median(self.effective_numbers))

    def predict(self, config: Mapping[str, Any] | Sequence[Mapping[str, Any]], confidence: float = 0.9) -> Predictions:
        """Return the noise-free scores of configurations.

        Parameters
        ----------
        config : mapping, or sequence of mappings
            One configuration, a mapping of names to arrays, or several configurations, in the user's units.
        confidence : float, optional

        Returns
        -------
        Predictions
            Meaningful near the optimum only: beyond the threshold the surface need not be quadratic.

        Raises
        ------
        InputError
            A hyperparameter is missing.
        """
        return self._predicted(self.losses(*self.box.place(read_configurations(config))), confidence)

    def rerun(self, trials: Sequence[int] | None = None, confidence: float = 0.9) -> Predictions:
        """Return what trials would score if they were run again many times; by default all trials, in their order."""
        chosen = slice(None) if trials is None else read_rows(trials, len(self.scores))
        return self._predicted(self.losses(self.points[chosen], self.present[chosen], self.groups[chosen]), confidence)

    def rank_trials(
        self, post: AveragedPosterior | None = None, top: int = 10, confidence: float = 0.95
    ) -> RankedTrials:
        """Rank the best trials by what they would score again; see `nqjax.surface.ranking.rank_by_surface`.

        Parameters
        ----------
        post : AveragedPosterior, optional
            The answer of the scores alone, with which the surface's is averaged; for random searches only.
        top : int, optional
        confidence : float, optional
        """
        return rank_by_surface(self, post, top, confidence)

    def _predicted(self, losses: Floats, confidence: float) -> Predictions:
        low, high = tails(confidence)
        ends = np.quantile(self.sign * losses, [0.5, low, high], axis=0)
        return Predictions(*ends)
