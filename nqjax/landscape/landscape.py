"""The landscape of a search: configurations, their losses, and everything that follows from them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nqjax.errors import InputError
from nqjax.landscape import checks, validity
from nqjax.landscape.anova import Anova, find_anova
from nqjax.landscape.assortativity import rank_losses
from nqjax.landscape.geometry import Geometry, find_geometry
from nqjax.landscape.metrics import Metrics, find_metrics
from nqjax.landscape.noise import noise_tolerance
from nqjax.landscape.redraws import FEWEST_DRAWS, Redraws, find_redraws
from nqjax.landscape.region_importance import RegionImportance, find_region_importance
from nqjax.landscape.replicates import Replicates, collect
from nqjax.landscape.space import Space, find_space
from nqjax.landscape.topography import Topography
from nqjax.runtime.progress import Progress
from nqjax.types import Floats

#: The tolerance that is taken from the noise of one run.
NOISE = "noise"

_FEWEST_CONFIGURATIONS = 3

_MOST_DRAWS = 100_000


@dataclass(frozen=True)
class Optimum:
    """A local optimum.

    Attributes
    ----------
    configuration : dict
    score : float
        In the user's units and direction.
    prominence : float
        How much worse one must get to reach a better optimum; infinite for the best one.
    basin_share : float
        The share of configurations whose descent ends here.
    size : int
        The number of configurations of its plateau.
    """

    configuration: dict[str, Any]
    score: float
    prominence: float
    basin_share: float
    size: int


class Landscape(Topography):
    """Configurations as nodes of a graph, with their losses: smoothness, optima, basins and importance.

    Two configurations are neighbours if they differ in one step of one hyperparameter: an adjacent level of an ordered
    one, any other value of a categorical one. Numbers are ordered, texts and truth values categorical.

    Parameters
    ----------
    config : mapping of str to array-like, each of shape (rows,)
        Hyperparameters. None or NaN: the configuration does not have it (conditional).
    scores : array-like, shape (rows,) or (rows, runs)
        Scores; columns are runs of the same configuration, as with several seeds. One that is not finite failed, or was
        not run. Rows of one configuration count as runs of it. The mean over the runs that ended is its score; a
        configuration of which all runs failed is worse than all others.
    minimize : bool
        Whether lower scores are better.
    categorical : iterable of str
        Hyperparameters whose numbers have no order.
    order : mapping of str to sequence, optional
        The order of a hyperparameter's texts, such as ``{"size": ["small", "medium", "large"]}``.
    keep : iterable of str
        Hyperparameters to keep although they look like names of the rows.

    Raises
    ------
    InputError
        If lengths disagree, no hyperparameter varies, a column names the rows, there are fewer than three
        configurations, or all runs failed.

    References
    ----------
    Huang and Li, "On the Hyperparameter Loss Landscapes of Machine Learning Models", arXiv 2311.14014. The prominence
    of optima is sublevel-set persistence.

    Examples
    --------
    >>> import nqjax
    >>> land = nqjax.Landscape({"x": [1, 2, 3, 4, 5]}, [3.0, 1.0, 2.0, 0.0, 4.0])
    >>> land
    Landscape(5 configurations, all of the grid; 1 hyperparameter)
    >>> metrics = land.metrics(tolerance=1.0)
    >>> metrics.n_lo, metrics.n_lo_prominent, metrics.basin_global_share
    (2, 1, 0.6)
    >>> [(o.configuration, o.score, o.prominence) for o in land.optima()]
    [({'x': 4.0}, 0.0, inf), ({'x': 2.0}, 1.0, 1.0)]
    """

    minimize: bool
    num_rows: int

    def __init__(
        self,
        config: Mapping[str, Any],
        scores: ArrayLike,
        *,
        minimize: bool = True,
        categorical: Iterable[str] = (),
        order: Mapping[str, Sequence[Any]] | None = None,
        keep: Iterable[str] = (),
    ) -> None:
        losses = checks.as_losses(scores, minimize)
        space, group = find_space(
            checks.as_columns(config, len(losses)),
            categorical=checks.as_names("categorical", categorical),
            order=checks.as_order(order),
            keep=checks.as_names("keep", keep),
        )
        if len(space) < _FEWEST_CONFIGURATIONS:
            raise InputError(f"there are {len(space)} configurations: a landscape needs at least 3")
        self._set(space, collect(losses, group, len(space)), minimize, len(losses))

    def _set(self, space: Space, replicates: Replicates, minimize: bool, num_rows: int) -> None:
        self.space, self.replicates, self.minimize, self.num_rows = space, replicates, bool(minimize), num_rows
        if not np.isfinite(replicates.mean).any():
            raise InputError("all runs failed: there is no finite score")

    def __repr__(self) -> str:
        count = len(self.space.axes)
        return f"Landscape({self.extent}; {count} hyperparameter{'s' * (count != 1)})"

    def __len__(self) -> int:
        return len(self.space)

    @property
    def extent(self) -> str:
        """The number of configurations, and what part of the grid that is, in words."""
        words = f"{len(self):,} configurations"
        if self.space.kind == "complete":
            return f"{words}, all of the grid"
        if self.space.kind == "continuous":
            return f"{words}, a sample of a continuous space"
        part = f"{len(self):,} of a grid of {self.space.expected:,} configurations"
        return part if self.space.kind == "missing" else f"{part}, a sample"

    @property
    def num_seeds(self) -> int:
        """The largest number of runs of a configuration."""
        return int(self.replicates.count.max())

    @property
    def sigma(self) -> float | None:
        """The standard deviation of one run over the best tenth of the configurations; None if none was run twice."""
        return self.replicates.sigma

    @property
    def scores(self) -> Floats:
        """The mean score of each configuration; NaN where all runs failed."""
        return self.replicates.mean if self.minimize else -self.replicates.mean

    def run(self, number: int) -> Landscape:
        """Return the landscape of a single run (seed) of each configuration, counted from 0.

        Raises
        ------
        InputError
            If there is no run of that number.
        """
        width = self.replicates.runs.shape[1]
        number = checks.as_index("run", number, width)
        found = object.__new__(Landscape)
        losses = self.replicates.runs[:, number : number + 1]
        found._set(self.space, collect(losses, np.arange(len(self)), len(self)), self.minimize, len(self))
        # The graph is the same, and costs more than anything else.
        if "graph" in self.__dict__:
            found.__dict__["graph"] = self.graph
        return found

    @cached_property
    def noise_factor(self) -> float:
        """The prominence, in standard deviations of a configuration's mean, that flat noise exceeds in 5 % of cases."""
        return noise_tolerance(self.graph)

    def noise_tolerance(self, sigma: float | None = None) -> float | None:
        """Return the prominence that noise near the best can make on this graph; None if the noise is unknown.

        Parameters
        ----------
        sigma : float, optional
            The standard deviation of one run; by default that of repeated configurations among the best tenth.
        """
        error = self._standard_error(sigma)
        return None if error is None else self.noise_factor * error

    def _standard_error(self, sigma: float | None) -> float | None:
        if sigma is None:
            return self.replicates.standard_error
        return checks.as_number("sigma", sigma, 0.0) / math.sqrt(self.replicates.seeds)

    def metrics(self, tolerance: float | str | None = NOISE, *, sigma: float | None = None) -> Metrics:
        """Return the numbers of the landscape, each with a reason where it is not valid.

        Parameters
        ----------
        tolerance : float, "noise" or None
            Losses that differ by less are equal, and optima that are less prominent are not counted as prominent. By
            default both follow from the noise of one run: two standard deviations of a difference of means, and the
            simulated ``noise_tolerance``. None: neither is computed.
        sigma : float, optional
            The standard deviation of one run, if it is known from elsewhere.

        Raises
        ------
        InputError
            If the tolerance or sigma is not a number that is 0 or more.
        """
        if tolerance is None:
            return find_metrics(self, None, None)
        if isinstance(tolerance, str) and tolerance == NOISE:
            error = self._standard_error(sigma)
            prominence = None
            if error is not None and validity.optima_refusal(self.space) is None:
                prominence = self.noise_tolerance(sigma)
            return find_metrics(self, None if error is None else 2 * math.sqrt(2) * error, prominence)
        number = checks.as_number("the tolerance", tolerance, 0.0, ", or 'noise'")
        return find_metrics(self, number, number)

    def redraw(
        self,
        draws: int = 200,
        *,
        seed: int = 0,
        confidence: float = 0.95,
        tolerance: float | str | None = NOISE,
        sigma: float | None = None,
        progress: bool = False,
    ) -> Redraws:
        """Return intervals of the numbers for a repetition of the same runs, from redraws of the noise.

        Parameters
        ----------
        draws : int
            At least 20.
        seed : int
        confidence : float
            The probability of the intervals.
        tolerance, sigma
            As for `metrics`. Configurations that were run once get noise of ``sigma``; that of the others is theirs.
        progress : bool
            Whether to show the progress.

        Raises
        ------
        InputError
            For a sample, if the noise is unknown, or for an invalid argument.

        Examples
        --------
        >>> import numpy as np
        >>> import nqjax
        >>> rng = np.random.default_rng(0)
        >>> x, y = np.indices((8, 8)).reshape(2, -1)
        >>> runs = ((x - 3) ** 2 + (y - 4) ** 2)[:, None] + rng.normal(size=(64, 3))
        >>> found = nqjax.Landscape({"x": x, "y": y}, runs).redraw(50)
        >>> found.observed.n_lo, [round(end) for end in found.interval("n_lo")]
        (1, [1, 3])
        """
        draws = checks.as_index("number of redraws", draws, _MOST_DRAWS + 1)
        if draws < FEWEST_DRAWS:
            raise InputError(f"{draws} redraws are too few for an interval: at least {FEWEST_DRAWS} are needed")
        seed = checks.as_index("seed", seed, 2**63)
        confidence = checks.as_share("the confidence", confidence)
        number = None if sigma is None else checks.as_number("sigma", sigma, 0.0)
        observed = self.metrics(tolerance, sigma=sigma)
        with Progress("redraws", draws, show=progress) as shown:
            return find_redraws(
                self,
                observed,
                draws=draws,
                seed=seed,
                confidence=confidence,
                sigma=number,
                done=lambda: shown.advance(1),
            )

    def optima(self, above: float = 0.0) -> list[Optimum]:
        """Return the local optima that are more prominent than ``above``, the best one included, best first."""
        above = checks.as_number("above", above)
        roots = self.merges.parent == np.arange(len(self.basins))
        size = np.bincount(self.basins.plateau, minlength=len(self))
        chosen = np.flatnonzero(roots | (self.merges.prominence > above))
        nodes = self.basins.optima[chosen].tolist()
        sign = 1 if self.minimize else -1
        return [
            Optimum(
                self.space.values(node),
                sign * float(self.heights.loss[node]),
                float(self.merges.prominence[which]),
                float(self.basins.shares[which]),
                int(size[node]),
            )
            for which, node in zip(chosen.tolist(), nodes, strict=True)
        ]

    def optima_above(self, tolerance: ArrayLike) -> NDArray[np.int64]:
        """Return the number of optima that are more prominent than each tolerance."""
        return np.asarray(self.merges.above(checks.as_tolerances(tolerance)))

    @overload
    def importance(self, region: None = None, *, ranks: bool = True) -> Anova: ...

    @overload
    def importance(self, region: float, *, ranks: bool = True) -> RegionImportance: ...

    def importance(self, region: float | None = None, *, ranks: bool = True) -> Anova | RegionImportance:
        """Return how much each hyperparameter matters, over the whole grid or for being in a region.

        Parameters
        ----------
        region : float, optional
            A score. Without it, the functional ANOVA of the grid; with it, how far the configurations that are as good
            or better differ from all (PED-ANOVA), which works on a random sample, too.
        ranks : bool
            Whether the ANOVA is one of ranks; a few huge losses decide that of the losses.

        Raises
        ------
        InputError
            If the grid is not complete enough for an ANOVA, or no configuration is in the region.
        """
        if region is not None:
            return find_region_importance(self.space, self._inside(region))
        if refusal := validity.anova_refusal(self.space):
            raise InputError(f"there is no ANOVA: {refusal}")
        if not isinstance(ranks, bool):
            raise InputError(f"ranks is {checks.shown(ranks)}: give True or False")
        return find_anova(self.space, rank_losses(self.heights) if ranks else self.heights.loss)

    def geometry(self, threshold: float) -> Geometry:
        """Return which hyperparameters decide whether a score is as good as a threshold or better.

        Raises
        ------
        InputError
            If fewer than 10 configurations are as good.
        """
        return find_geometry(self.space, self._inside(threshold), threshold)

    def save_report(self, path: str | Path, *, name: str = "score", threshold: float | None = None) -> None:
        """Write the page of the landscape, an .html file that needs no other file.

        Parameters
        ----------
        path : str or Path
        name : str
            What the scores are called.
        threshold : float, optional
            The worst score of a regime, of which the page says how many valleys it has and what decides it.

        Raises
        ------
        InputError
            Another ending, a missing folder, a file that cannot be written, fewer than 10 configurations as good as the
            threshold, or Matplotlib or Jinja2 is missing.
        """
        import nqjax  # reports are made of landscapes, so their room is looked up only when a page is asked for

        nqjax.save_report(path, self, name=name, threshold=threshold)

    def _inside(self, threshold: float) -> NDArray[np.bool_]:
        """Return for each configuration whether it is as good as a score or better."""
        threshold = checks.as_number("the threshold", threshold)
        limit = threshold if self.minimize else -threshold
        inside = self.heights.loss <= limit
        if not inside.any():
            raise InputError(f"no configuration is as good as {threshold:g}: choose a worse threshold")
        return inside
