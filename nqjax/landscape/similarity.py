"""Similarity of two landscapes: how far the ranks of one carry over to the other."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np

from nqjax.landscape.correlations import average_ranks, spearman
from nqjax.landscape.ties import find_heights
from nqjax.types import Floats

#: Names of the numbers, in the order in which they are shown.
MEASURES = ("spearman", "kendall", "shake_up", "gamma_set", "transfer_rank", "transfer_regret", "transfer_regret_top")


@dataclass(frozen=True)
class Similarity:
    """Measures of how alike two landscapes are, and how alike two runs of the same one are.

    Attributes
    ----------
    spearman, kendall : float
        Rank correlations (tau-b), over configurations without a failed run; NaN where one landscape is constant.
    shake_up : float
        The mean difference of a configuration's ranks, over their number; 1/3 for independent ranks.
    gamma_set : float
        Of the configurations in the best share of either landscape, the share that is in both;
        ``gamma / (2 - gamma)`` for independent ranks.
    gamma : float
        That best share.
    top_sizes : tuple of int
        The number of configurations in the best share of each; more than the share where there are ties.
    transfer_rank : float
        The rank, over the number of configurations, that the best of the first landscape has in the second.
    transfer_regret : float
        How much worse it is there than the best, in units of the loss: what is lost by tuning on the first.
    transfer_regret_top : float
        The same for the best of the first landscape's ten best, once they have been tried on the second.
    count : int
        Configurations that both have.
    num_failed : int
        Of these, configurations that failed in either.
    ceiling : Similarity or None
        The same between two halves of the runs of one landscape, the mean over both landscapes: no other landscape can
        be expected to be more alike. None if configurations were run once.
    """

    spearman: float
    kendall: float
    shake_up: float
    gamma_set: float
    gamma: float
    top_sizes: tuple[int, int]
    transfer_rank: float
    transfer_regret: float
    transfer_regret_top: float
    count: int
    num_failed: int = 0
    ceiling: Similarity | None = None

    def of_ceiling(self, measure: str) -> float:
        """Return a rank correlation or ``gamma_set`` as a share of the ceiling; NaN without one."""
        if self.ceiling is None or not getattr(self.ceiling, measure):
            return math.nan
        return float(getattr(self, measure) / getattr(self.ceiling, measure))


def compare_losses(a: Floats, b: Floats, gamma: float = 0.1, top: int = 10) -> Similarity:
    """Return the similarity of two columns of losses of the same configurations; failed runs are not finite."""
    first, second = find_heights(a), find_heights(b)
    known = first.known & second.known
    # Ranks are all that is compared, and a failed run is worse than all others.
    x, y = first.rank.astype(np.float64), second.rank.astype(np.float64)
    ranks = average_ranks(x), average_ranks(y)
    count = len(a)
    size = min(max(math.ceil(gamma * count), 1), count)
    in_first, in_second = (one <= np.partition(one, size - 1)[size - 1] for one in (x, y))
    best = first.order[: min(top, count)]
    # A failure that is the best is not better by an infinite difference than another.
    lowest = second.levels[0]
    regret = [0.0 if loss == lowest else float(loss - lowest) for loss in second.loss[best]]
    return Similarity(
        spearman=spearman(x[known], y[known]),
        kendall=_kendall(x[known], y[known]),
        shake_up=float(np.mean(np.abs(ranks[0] - ranks[1])) / count),
        gamma_set=float(np.sum(in_first & in_second) / np.sum(in_first | in_second)),
        gamma=gamma,
        top_sizes=(int(in_first.sum()), int(in_second.sum())),
        transfer_rank=float(ranks[1][best[0]] / count),
        transfer_regret=regret[0],
        transfer_regret_top=min(regret),
        count=count,
        num_failed=int(np.sum(~known)),
    )


def _kendall(x: Floats, y: Floats) -> float:
    """Return Kendall's tau-b; NaN for a constant."""
    if len(x) < 2 or not np.ptp(x) or not np.ptp(y):
        return math.nan
    from scipy.stats import kendalltau

    return float(kendalltau(x, y).statistic)


def mean_similarity(found: list[Similarity]) -> Similarity | None:
    """Return the means of the numbers of some similarities, None for an empty list."""
    if not found:
        return None
    values = {name: float(np.mean([getattr(one, name) for one in found])) for name in MEASURES}
    rest = {field.name: getattr(found[0], field.name) for field in fields(Similarity) if field.name not in values}
    return Similarity(**{**rest, **values})


def halves_similarity(runs: Floats, gamma: float) -> Similarity | None:
    """Return the similarity of the means of two halves of each configuration's runs; None without two runs of most.

    The halves are the columns in turns; a configuration whose runs are all in one half is left out.
    """
    if runs.shape[1] < 2:
        return None
    halves = []
    for half in (runs[:, 0::2], runs[:, 1::2]):
        number = np.isfinite(half).sum(axis=1)
        total = np.nansum(half, axis=1)
        halves.append(np.divide(total, number, out=np.full(len(total), np.nan), where=number > 0))
    both = np.isfinite(halves[0]) & np.isfinite(halves[1])
    if 2 * both.sum() < len(runs) or both.sum() < 3:
        return None
    return compare_losses(halves[0][both], halves[1][both], gamma)
