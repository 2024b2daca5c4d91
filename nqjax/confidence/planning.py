"""Planning: the number of trials that reach a score, or that make the band of the tuning curve narrow."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
import scipy  # its parts are imported when they are used
from numpy.typing import ArrayLike, NDArray

from nqjax.confidence.bands import order_statistic_band, shortest_interval
from nqjax.confidence.region import Answer, Region, region_behind
from nqjax.confidence.uncertain_plan import has_draws, narrowing_trials, read_target, trials_of_draws
from nqjax.errors import InputError, show
from nqjax.inputs import as_flag, as_number, as_probability
from nqjax.types import Floats

if TYPE_CHECKING:
    from nqjax.distributions.quadratic import NoisyQuadratic, Quadratic
    from nqjax.estimation.fit import Fit


Ints = NDArray[np.int64]

#: Most trials that a band is planned for.
MOST_TRIALS = 2**14

#: Up to this number of trials every band is computed. Beyond, the probability that its intervals miss is interpolated
#: between powers of two.
_EXACT = 64

#: Numbers of trials that are tried together.
_CHUNK = 256

#: Relative error of log-probabilities: a ratio of two this close to a whole number is that number.
_ROUNDING = 1e-10


def required_trials(
    fit_or_distribution: "Answer | Region | Fit | NoisyQuadratic | Quadratic",
    *,
    score: ArrayLike | None = None,
    probability: ArrayLike | None = None,
    width: float | None = None,
    at: float | None = None,
    confidence: float = 0.95,
    minimize: bool | None = None,
) -> float | Floats:
    """Return the fewest trials of a random search that reach a score, or that make the tuning curve's band narrow.

    Give either ``score`` and ``probability`` or ``width`` and ``at``.

    Parameters
    ----------
    fit_or_distribution : AveragedFit, AveragedPosterior, Posterior, Bootstrap, Fit, NoisyQuadratic or Quadratic
        What the answer follows from. With one of the first four it is the median over their draws, and
        `nqjax.required_trials_interval` has its interval. The others are one distribution of a trial's score, and the
        uncertainty of its parameters is ignored.
    score, probability : array_like
        The best score is to be ``score`` or better with at least this probability, between 0 and 1. They broadcast.
        Scores outside the regime are extrapolations.
    width, at : float
        The interval of the median tuning curve at ``at`` trials is to be no wider than ``width``, in the scores' units.
        It is that of the region, if one is given, else the simultaneous band of `nqjax.confidence_bands`.
    confidence : float
        Confidence of the interval, between 0 and 1.
    minimize : bool, optional
        Whether lower scores are better; by default as for the fit, or whether the distribution is convex.

    Returns
    -------
    int, float or ndarray
        Whole numbers of trials, infinite where no number is enough, with the broadcast shape of score and probability.
        With a region they are also infinite where a number is out of reach, see `nqjax.required_trials_interval`.

    Raises
    ------
    InputError
        Neither or both pairs of arguments are given, a probability or confidence is not between 0 and 1, a width or
        number of trials is not positive, or the band takes more than 16,384 trials.

    Notes
    -----
    The best of n trials misses a score with probability ``(1 - F)**n``, so that ``n = log(1 - probability) / log(1 -
    F)``, rounded up. The ends of a band are two of the n scores, whose ranks follow from the band of Learned-Miller and
    DeStefano 2008; each is taken at its median, ``F^-1`` of the median of Beta(rank, n + 1 - rank). As ranks are whole,
    the width does not decrease with every trial: the answer is the first n whose band is narrow enough, and bands of
    slightly more trials may be a little wider.

    The width of a region's interval is an approximation: the present one times the square root of n / m for m trials
    instead of n, those that were run included. The intervals of averaged answers to simulated searches of 48 to 768
    trials became narrower with powers of n from about 0.45 to 0.8; `docs/coverage.md` has the table.

    Examples
    --------
    >>> import nqjax
    >>> d = nqjax.Quadratic(0.1, 0.6, 2.0)
    >>> nqjax.required_trials(d, score=0.15, probability=0.95)
    29
    """
    confidence = as_probability("confidence", confidence)
    by_score, by_width = (score is not None, probability is not None), (width is not None, at is not None)
    if any(by_score) == any(by_width) or any(by_score) != all(by_score) or any(by_width) != all(by_width):
        raise InputError("give either a score and a probability, or a width and the number of trials it is at")
    given: Any = region_behind(fit_or_distribution)
    if has_draws(given):
        return _of_region(given, score, probability, width, at, confidence, minimize)  # type: ignore[arg-type]
    d = _as_float64(given)
    better_low = _direction(given, d, minimize)
    if score is not None and probability is not None:
        return _to_reach(d, better_low, score, probability)
    return _to_narrow(d, better_low, *_read_width(width, at), confidence)


def _of_region(
    region: Region,
    score: ArrayLike | None,
    probability: ArrayLike | None,
    width: float | None,
    at: float | None,
    confidence: float,
    minimize: bool | None,
) -> float | Floats:
    """Return the number of trials by a region that has draws."""
    _check_direction(region, minimize)
    if score is None or probability is None:
        return narrowing_trials(region, *_read_width(width, at), confidence)
    (n,) = trials_of_draws(region, score, probability, (0.5,))
    return n if n.ndim else _whole(float(n))


def _read_width(width: float | None, at: float | None) -> tuple[float, float]:
    found = as_number("width", width), as_number("at", at)
    for name, value in zip(("width", "at"), found, strict=True):
        if value <= 0:
            raise InputError(f"{name} is {value}: give a number above 0")
    return found


def _whole(n: float) -> float:
    """Return a number of trials as an int where floating-point numbers tell it from its neighbours."""
    return int(n) if n < 2**53 else n


def _as_float64(given: "Region | Fit | NoisyQuadratic | Quadratic") -> "NoisyQuadratic | Quadratic":
    from nqjax.distributions.quadratic import NoisyQuadratic, Quadratic

    with jax.enable_x64(True):
        d = getattr(given, "distribution", given)
        if not isinstance(d, NoisyQuadratic | Quadratic):
            raise InputError(
                f"this is a {type(given).__name__}: give a Fit, a posterior, a bootstrap, or a distribution such as "
                "nqjax.NoisyQuadratic"
            )
        parameters: dict[str, Any] = {name: np.asarray(getattr(d, name), np.float64) for name in d.arg_constraints}
        return type(d)(**parameters, convex=d.convex)


def _direction(given: Any, d: "NoisyQuadratic | Quadratic", minimize: bool | None) -> bool:
    _check_direction(given, minimize)
    return d.convex if minimize is None else bool(minimize)


def _check_direction(given: Any, minimize: bool | None) -> None:
    if minimize is not None and as_flag("minimize", minimize) != getattr(given, "minimize", minimize):
        raise InputError(f"the fit is of the other direction: leave minimize out, or give minimize={not minimize}")


def _to_reach(
    d: "NoisyQuadratic | Quadratic", minimize: bool, score: ArrayLike, probability: ArrayLike
) -> float | Floats:
    y, p = read_target(score, probability)
    try:
        np.broadcast_shapes(y.shape, d.batch_shape)
    except ValueError:
        raise InputError(f"scores of shape {y.shape} do not go with distributions of shape {d.batch_shape}") from None
    with jax.enable_x64(True):
        # The log-probability that one trial misses the score; near 0 it keeps all digits.
        log_miss = np.asarray(d.log_sf(y) if minimize else d.log_cdf(y))
    with np.errstate(divide="ignore", invalid="ignore"):  # a score that no trial reaches takes infinitely many
        ratio = np.log1p(-p) / np.where(log_miss == 0, -0.0, log_miss)
        nearest = np.rint(ratio)
        whole = np.abs(ratio - nearest) <= _ROUNDING * ratio
    n = np.maximum(np.where(whole, nearest, np.ceil(ratio)), 1.0)
    return n if n.ndim else _whole(float(n))


def _to_narrow(d: "NoisyQuadratic | Quadratic", minimize: bool, width: float, at: float, confidence: float) -> int:
    if d.batch_shape:
        raise InputError(f"the distribution has the batch shape {d.batch_shape}: give one distribution")
    tail = -math.expm1(math.log(0.5) / at)  # one trial is as good as the median of the best of `at` with this chance
    # With fewer trials the band of the best score has no worse end.
    least = max(1, math.floor(math.log1p(-confidence) / math.log1p(-tail)))
    for n in range(least, _EXACT + 1):
        if expected_width(d, minimize, n, tail, confidence) <= width:
            return n
    last = 2 * _EXACT
    while last < least:
        last *= 2
    while last <= MOST_TRIALS and expected_width(d, minimize, last, tail, confidence) > width:
        last *= 2
    last = min(last, MOST_TRIALS)
    for n in _candidates(d, minimize, width, tail, confidence, max(least, _EXACT + 1), last):
        # Interpolation may be wrong where ranks change, so the band itself decides.
        if expected_width(d, minimize, n, tail, confidence) <= width:
            return n
    raise InputError(
        f"a band of width {show(width)} at {show(at)} trials takes more than {MOST_TRIALS:,} trials: ask for a wider "
        "one, a lower confidence, or fewer trials"
    )


def expected_width(d: "NoisyQuadratic | Quadratic", minimize: bool, n: int, tail: float, confidence: float) -> float:
    """Return the width of the band from n trials at the quantile ``tail``, counted from the best end."""
    band = order_statistic_band(n, confidence)
    # Ranks from the best: the band is its own mirror image.
    best, worst = np.searchsorted(band.high, tail), np.searchsorted(band.low, tail) + 1
    return float(_widths(d, minimize, *(np.full(1, x, np.int64) for x in (n, best, worst)))[0])


def _widths(d: "NoisyQuadratic | Quadratic", minimize: bool, n: Ints, best: Ints, worst: Ints) -> Floats:
    """Return the distance between the scores of two ranks of n trials; infinite where a rank does not exist."""
    ended = (best >= 1) & (worst <= n)
    ranks = np.stack([best, worst]).clip(1, n)
    # One shape for one compilation.
    share = np.full((2, _CHUNK), 0.5)
    share[:, : len(n)] = scipy.special.betaincinv(ranks, n + 1 - ranks, 0.5)
    with jax.enable_x64(True):
        ends = np.asarray(d.icdf(share if minimize else 1 - share))[:, : len(n)]
    return np.where(ended, np.abs(ends[1] - ends[0]), math.inf)


def _candidates(
    d: "NoisyQuadratic | Quadratic", minimize: bool, width: float, tail: float, confidence: float, first: int, last: int
) -> Iterator[int]:
    """Yield numbers of trials, in increasing order, at which the band is narrow enough by interpolation."""
    anchors = 2 ** np.arange(4, int(math.log2(last)) + 1)
    # The first order statistic's interval begins at 0, so its end gives the probability that each interval misses.
    logs = [n * math.log1p(-order_statistic_band(n, confidence).high[0]) for n in anchors.tolist()]
    log_miss = scipy.interpolate.CubicSpline(np.log(anchors), logs)
    for start in range(first, last + 1, _CHUNK):
        n = np.arange(start, min(start + _CHUNK, last + 1))
        best, worst = _ranks(n, np.exp(log_miss(np.log(n))), tail)
        if np.any(best >= 1):
            yield from n[_widths(d, minimize, n, best, worst) <= width].tolist()


def _ranks(n: Ints, miss: Floats, tail: float) -> tuple[Ints, Ints]:
    """Return the ranks of the order statistics that are the ends of the band at the quantile ``tail``.

    These are the last rank that has its interval below ``tail`` (0 if none has), and the first that has it above
    (n + 1 if none has).
    """
    # An interval contains the mode, (rank - 1) / (n - 1), which bounds each search on one side.
    middle = np.floor(n * tail).astype(np.int64)
    below, not_below = np.zeros_like(n), np.minimum(middle + 3, n + 1)
    not_above, above = np.maximum(middle - 2, 0), n + 1
    while np.any(open_ := np.stack([not_below - below > 1, above - not_above > 1])):
        rank = np.stack([below + not_below, not_above + above]) // 2
        low, high = _intervals(np.stack([n, n]), rank.clip(1, n), miss)
        is_below, is_above = high[0] < tail, low[1] >= tail
        below = np.where(open_[0] & is_below, rank[0], below)
        not_below = np.where(open_[0] & ~is_below, rank[0], not_below)
        not_above = np.where(open_[1] & ~is_above, rank[1], not_above)
        above = np.where(open_[1] & is_above, rank[1], above)
    return below, above


def _intervals(n: Ints, rank: Ints, miss: Floats) -> tuple[Floats, Floats]:
    """Return the intervals that the highest-density band gives to order statistics of n >= 3 draws."""
    first, final = rank == 1, rank == n
    inner = np.where(first | final, 2, rank).astype(np.float64)
    low, high, _ = shortest_interval(inner, n + 1 - inner, miss, np.full(rank.shape, 0.5))
    end = np.exp(np.log(miss) / n)  # the last one's; the first one's is its mirror image
    low = np.where(first, 0.0, np.where(final, end, low))
    return low, np.where(first, -np.expm1(np.log(miss) / n), np.where(final, 1.0, high))
