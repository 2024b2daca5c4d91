"""The numbers of a landscape: what could be computed, and why the rest could not."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from nqjax.landscape import funnels, validity
from nqjax.landscape.assortativity import autocorrelation, correlation_length, rank_losses
from nqjax.landscape.basins import flat_noise_optima
from nqjax.landscape.correlations import pearson, spearman
from nqjax.landscape.distance import can_descend_to, distance_to
from nqjax.landscape.sampled_pairs import FEWEST_PAIRS, SampledPairs
from nqjax.landscape.topography import Topography

#: Lags of the autocorrelation.
_LAGS = 10

#: Numbers that need all neighbours of a configuration.
_OF_OPTIMA = (
    *("n_lo", "n_lo_flat_noise", "n_lo_prominent", "basin_global_share", "basin_effective", "basin_median"),
    *("descent_steps_mean", "access_global", "funnels", "funnel_global_share", "fdc_optima", "ndc", "ndc_half"),
)

_NO_TOLERANCE = "no configuration was run twice, so the noise is unknown: give a tolerance or sigma"

_CONSTANT = "undefined: all losses are equal"


@dataclass(frozen=True)
class Metrics:
    """The numbers of a landscape; None where one is not valid, with the reason in ``reasons``.

    Attributes
    ----------
    assortativity_rank, assortativity : float or None
        L-ast, the correlation of the losses of neighbours: of their ranks, which heavy tails do not change, and raw.
    autocorrelation : tuple of float or None
        That of a random walk over ranks at lags 1 to 10, exactly; the first is ``assortativity_rank``.
    correlation_length : float or None
        Steps after which it has fallen to 1/e.
    tolerance : float or None
        Losses that differ by less are taken for equal in ``neutrality``, ``ndc`` and ``n_lo_prominent``'s place unless
        a noise tolerance is known.
    neutrality : float or None
        The mean share of neighbours within the tolerance.
    ndc, ndc_half : float or None
        Minus Spearman's correlation of neutrality with the distance to the best, at the tolerance and at half of it;
        positive: flatter near the best.
    fdc, fdc_pearson : float or None
        Correlation of the loss with the distance to the nearest best configuration: 1 if the loss tells the way.
    fdc_optima : float or None
        The same over local optima only.
    n_lo : int or None
        Local optima: plateaus, single configurations included, without a better neighbour.
    n_lo_flat_noise : float or None
        How many there would be if the losses were nothing but noise.
    noise_tolerance : float or None
        The prominence that the most prominent optimum of flat noise near the best exceeds in 5 % of cases.
    n_lo_prominent : int or None
        Optima that are more prominent than that, or than the tolerance that was given.
    basin_global_share : float or None
        The share of configurations whose descent ends at a global optimum.
    basin_effective, basin_median : float or None
        The effective number of basins, and their median size. The mean size is configurations over ``n_lo``.
    descent_steps_mean : float or None
        Moves of a descent, on average.
    access_global : float or None
        The share of configurations from which some path of better and better neighbours leads to a global optimum.
    funnels : int or None
        Optima whose basin touches no basin with a better optimum.
    funnel_global_share : float or None
        The share of configurations from whose basins moves to better touching basins lead to a global optimum.
    n_global : int
        Configurations with the best loss.
    loss_best : float or None
        That loss; of a search that maximises, minus the score.
    errors : mapping of str to float
        Standard errors of those numbers that are estimated from a sample.
    reasons : mapping of str to str
        Why a number is None.
    warnings : tuple of str
        What limits the numbers.
    """

    num_configurations: int
    num_failed: int
    num_edges: int
    n_global: int
    loss_best: float | None
    assortativity_rank: float | None = None
    assortativity: float | None = None
    autocorrelation: tuple[float, ...] | None = None
    correlation_length: float | None = None
    tolerance: float | None = None
    neutrality: float | None = None
    ndc: float | None = None
    ndc_half: float | None = None
    fdc: float | None = None
    fdc_pearson: float | None = None
    fdc_optima: float | None = None
    n_lo: int | None = None
    n_lo_flat_noise: float | None = None
    noise_tolerance: float | None = None
    n_lo_prominent: int | None = None
    basin_global_share: float | None = None
    basin_effective: float | None = None
    basin_median: float | None = None
    descent_steps_mean: float | None = None
    access_global: float | None = None
    funnels: int | None = None
    funnel_global_share: float | None = None
    errors: Mapping[str, float] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as a dictionary that JSON can hold."""
        found = {one.name: getattr(self, one.name) for one in fields(self)}
        return {
            name: dict(value) if isinstance(value, Mapping) else list(value) if isinstance(value, tuple) else value
            for name, value in found.items()
        }


class _Numbers:
    """Numbers as they are found; one that is not finite has a reason instead."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}
        self.errors: dict[str, float] = {}
        self.reasons: dict[str, str] = {}

    def put(self, name: str, value: float | None, why_not: str) -> None:
        if value is None or not math.isfinite(value):
            self.reasons[name] = why_not
        else:
            self.found[name] = value

    def refuse(self, names: tuple[str, ...], reason: str) -> None:
        self.reasons |= dict.fromkeys(names, reason)


def find_metrics(land: Topography, tolerance: float | None, prominence: float | None) -> Metrics:
    """Return the numbers of a landscape.

    Parameters
    ----------
    land : Topography
    tolerance : float or None
        The difference up to which losses are taken for equal, None if it is unknown.
    prominence : float or None
        The prominence that noise can make, None if it is unknown.
    """
    numbers = _Numbers()
    heights = land.heights
    best = np.flatnonzero(heights.rank == 0).astype(np.int32)
    distance = distance_to(land.space, best)
    known = heights.known
    undefined = _CONSTANT if len(heights.levels) < 2 else "undefined: fewer than three values, or all are equal"
    numbers.put("tolerance", tolerance, _NO_TOLERANCE)
    _smoothness(land, numbers, tolerance, undefined)
    numbers.put("fdc", spearman(heights.loss[known], distance[known]), undefined)
    numbers.put("fdc_pearson", pearson(heights.loss[known], distance[known]), undefined)
    refusal = validity.optima_refusal(land.space)
    if refusal is None:
        numbers.put("noise_tolerance", prominence, _NO_TOLERANCE)
        _optima(land, numbers, best, distance, (tolerance, prominence), undefined)
    else:
        numbers.refuse((*_OF_OPTIMA, "noise_tolerance"), refusal)
    loss = float(heights.levels[0])
    return Metrics(
        num_configurations=len(land.space),
        num_failed=int(np.sum(~known)),
        num_edges=land.graph.num_edges,
        n_global=len(best),
        loss_best=loss if math.isfinite(loss) else None,
        errors=numbers.errors,
        reasons=numbers.reasons,
        warnings=land.warnings,
        **numbers.found,
    )


def _smoothness(land: Topography, numbers: _Numbers, tolerance: float | None, undefined: str) -> None:
    refusal = validity.graph_refusal(land.space)
    if refusal is not None:
        _estimates(land, numbers, tolerance, refusal, undefined)
        return
    ranks = autocorrelation(land.graph, rank_losses(land.heights), _LAGS)
    numbers.put("assortativity_rank", float(ranks[0]), undefined)
    numbers.put("assortativity", float(autocorrelation(land.graph, land.heights.loss)[0]), undefined)
    if math.isfinite(ranks[0]):
        numbers.found["autocorrelation"] = tuple(ranks.tolist())
    else:
        numbers.reasons["autocorrelation"] = undefined
    why_not = "neighbours are not positively correlated" if math.isfinite(ranks[0]) else undefined
    numbers.put("correlation_length", correlation_length(float(ranks[0])), why_not)
    if tolerance is None:
        numbers.refuse(("neutrality",), _NO_TOLERANCE)
    else:
        numbers.put("neutrality", land.neutrality.mean(tolerance), "no configuration has a neighbour")


def _estimates(land: Topography, numbers: _Numbers, tolerance: float | None, refusal: str, undefined: str) -> None:
    """Estimate what pairs of neighbours in a sample can tell."""
    numbers.refuse(("assortativity", "autocorrelation", "correlation_length"), refusal)
    pairs = SampledPairs(land.space, land.graph, land.heights)
    if land.space.kind == "continuous":
        numbers.refuse(("assortativity_rank", "neutrality"), refusal)
        return
    if len(pairs) < FEWEST_PAIRS:
        few = f"{refusal}, and {len(pairs)} pairs of them are neighbours: at least {FEWEST_PAIRS} are needed"
        numbers.refuse(("assortativity_rank", "neutrality"), few)
        return
    estimate = pairs.assortativity_rank()
    numbers.put("assortativity_rank", estimate.value, undefined)
    numbers.errors["assortativity_rank"] = estimate.standard_error
    if tolerance is None:
        numbers.refuse(("neutrality",), _NO_TOLERANCE)
        return
    estimate = pairs.neutrality(tolerance)
    numbers.put("neutrality", estimate.value, undefined)
    numbers.errors["neutrality"] = estimate.standard_error


def _optima(
    land: Topography,
    numbers: _Numbers,
    best: np.ndarray,
    distance: np.ndarray,
    tolerances: tuple[float | None, float | None],
    undefined: str,
) -> None:
    tolerance, prominence = tolerances
    heights, basins, network = land.heights, land.basins, land.network
    is_global = heights.rank[basins.optima] == 0
    put: Callable[..., None] = numbers.put
    put("n_lo", len(basins), "")
    put("n_lo_flat_noise", flat_noise_optima(land.graph), "")
    put("basin_global_share", float(basins.shares[is_global].sum()), "")
    put("basin_effective", basins.effective, "")
    put("basin_median", float(np.median(basins.sizes)), "")
    put("descent_steps_mean", float(basins.steps.mean()), "")
    put("access_global", float(can_descend_to(land.graph, heights, best).mean()), "")
    put("funnels", int(funnels.sinks(heights, basins, network).sum()), "")
    put("funnel_global_share", float(basins.shares[funnels.leads_to_best(heights, basins, network)].sum()), "")
    optima = basins.optima[np.isfinite(heights.loss[basins.optima])]
    put("fdc_optima", spearman(heights.loss[optima], distance[optima]), "undefined: fewer than three optima differ")
    if tolerance is None:
        numbers.refuse(("ndc", "ndc_half"), _NO_TOLERANCE)
    else:
        put("ndc", land.neutrality.distance_correlation(tolerance, distance), undefined)
        put("ndc_half", land.neutrality.distance_correlation(tolerance / 2, distance), undefined)
    if prominence is None:
        numbers.refuse(("n_lo_prominent",), _NO_TOLERANCE)
    else:
        put("n_lo_prominent", int(land.merges.above(prominence)), "")
