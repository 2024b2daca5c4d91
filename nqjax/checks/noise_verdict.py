"""Verdict and warnings of the noise diagnostics, in words."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from nqjax.checks.noise_tests import NoiseTest
from nqjax.runtime.text import as_sure, listed, p_value, percent, significant

#: A grid of scores with a step above this share of sigma is mentioned.
_NOTABLE_STEP = 0.1


class ConfigurationNoise(NamedTuple):
    """Summary of one configuration's runs, on the scale of the scores; NaN where there are too few."""

    id: str
    number: int  # of runs, failed ones included
    failed: int  # NaN or infinite scores
    mean: float
    sd: float
    sd_interval: tuple[float, float]  # chi-square interval at the confidence 1 - level
    shapiro_p: float  # NaN outside the regime, and for constant or too coarse scores
    inside: bool  # whether the mean lies inside the limits
    used: bool  # whether the tests use it: inside, with three or more finite scores


class SigmaComparison(NamedTuple):
    """Ratio of the pooled sigma to a fitted one, where both may be uncertain.

    The interval of the ratio is made from the intervals of both by the method of variance estimates recovery (Zou and
    Donner 2008) on the logarithms: towards each side, the distances of the estimates from the ends that matter add up
    as squares.
    """

    fitted_sigma: float
    ratio: float  # pooled / fitted; infinite where the fit has no noise
    interval: tuple[float, float]
    fitted_interval: tuple[float, float]  # both ends are the fitted sigma where it counts as exact

    @classmethod
    def of(
        cls,
        sigma: float,
        interval: tuple[float, float],
        fitted: float,
        fitted_interval: tuple[float, float] | None = None,
    ) -> "SigmaComparison":
        """Divide sigma by the fitted sigma, which counts as exact without an interval."""
        low, high = ends = (fitted, fitted) if fitted_interval is None else fitted_interval
        if not (fitted and sigma):
            ratio = (sigma / fitted if fitted else math.inf) if sigma else math.nan if not fitted else 0.0
            least = ratio if fitted or not (sigma and high) else interval[0] / high
            return cls(fitted, ratio, (least, ratio), ends)
        down = math.hypot(_log_ratio(sigma, interval[0]), _log_ratio(high, fitted))
        up = math.hypot(_log_ratio(interval[1], sigma), _log_ratio(fitted, low))
        ratio = sigma / fitted
        return cls(fitted, ratio, (ratio * math.exp(-down), ratio * math.exp(up) if up < 700 else math.inf), ends)

    @property
    def differs(self) -> bool:
        """Whether the interval excludes 1."""
        return not self.interval[0] <= 1 <= self.interval[1] and not math.isnan(self.ratio)


def _log_ratio(a: float, b: float) -> float:
    """Return log(a / b), infinite where b is 0 or a infinite."""
    return math.inf if b <= 0 or math.isinf(a) else math.log(a / b)


def verdict_of(
    holds: bool | None,
    tests: Sequence[NoiseTest],
    rows: Sequence[ConfigurationNoise],
    sigma: tuple[float, float, float],
    comparison: SigmaComparison | None,
    level: float,
    minimize: bool,
) -> str:
    """Return a sentence on the noise model and, if there is a fitted sigma, one on its comparison."""
    used = [row for row in rows if row.used]
    # Without a threshold, or with one beyond all runs, there is no need to speak of a regime.
    inside = "" if all(row.inside for row in rows) else " inside the regime"
    pooled, low, high = as_sure(sigma, *sigma[1:])
    if holds is None:
        return _too_little(used, sigma[0], inside)
    if holds:
        first = (
            f"The noise model holds as far as these runs can tell: in {len(used)} configurations{inside} the "
            f"residuals look normal, with one sigma, {pooled} ({percent(1 - level)}: {low} to {high})."
        )
    else:
        reasons = [
            f"{reason} ({p_value(test.p_adjusted)})"
            for reason, test in zip(_reasons(tests, used, minimize), tests, strict=True)
            if test.p_adjusted <= level
        ]
        first = f"The noise model does not hold{inside}: {listed(reasons)}; the pooled sigma, {pooled}, is an average."
    return first if comparison is None else f"{first} {_compared(comparison, level)}"


def warnings_of(
    rows: Sequence[ConfigurationNoise], step: float, sigma: float, judged: int, shaped: int
) -> tuple[str, ...]:
    """Return warnings about the data that the verdict rests on."""
    warnings = []
    few = [row.id for row in rows if row.inside and not row.used]
    if few:
        warnings.append(f"left out for fewer than 3 finite scores: {listed(few[:5] + ['more'] * (len(few) > 5))}")
    lost = [row.id for row in rows if row.failed == row.number]
    if lost:
        warnings.append(f"all runs failed: {listed(lost[:5] + ['more'] * (len(lost) > 5))}")
    failed = sum(row.failed for row in rows if row.used)
    if failed:
        runs, are = ("1 run", "is") if failed == 1 else (f"{failed} runs", "are")
        warnings.append(f"{runs} inside the regime failed and {are} left out, which is no normal noise either")
    if shaped and step > _NOTABLE_STEP * sigma:
        warnings.append(
            f"the scores lie on a grid of step {step:.4g}: the test of normality draws them anew within its cells"
        )
    if shaped < judged:
        warnings.append(
            f"{_configurations(judged - shaped)} constant or too coarse for the test of normality, and not in it"
        )
    return tuple(warnings)


def _configurations(count: int) -> str:
    return "1 configuration is" if count == 1 else f"{count} configurations are"


def _too_little(used: Sequence[ConfigurationNoise], sigma: float, inside: str) -> str:
    if len(used) < 2:
        have = "no configuration" if not used else "only one configuration"
        return f"Too little to tell: {have}{inside} has 3 or more finite scores; retrain at least 2."
    if sigma == 0:
        return "There is nothing to judge: inside the regime every configuration scores the same with every seed."
    return "Too little to tell: retrain the configurations inside the regime with more seeds, or retrain more of them."


def _reasons(tests: Sequence[NoiseTest], used: Sequence[ConfigurationNoise], minimize: bool) -> tuple[str, str, str]:
    spreads = [row.sd for row in used]
    least, most = (significant(end(spreads), 2) for end in (min, max))
    # A positive correlation is a spread that grows with the score, which is worse when minimising.
    direction = "grows" if (tests[2].statistic > 0) == minimize else "shrinks"
    return (
        "the residuals are not normal",
        f"the spread differs between configurations, from {least} to {most}",
        f"the spread {direction} as scores get worse",
    )


def _compared(comparison: SigmaComparison, level: float) -> str:
    if comparison.fitted_sigma == 0:
        if comparison.differs:
            return "The fit found no noise, but runs of one configuration differ."
        return "The fit found no noise, but its scores allow for as much as the reruns have: fit and reruns agree."
    ratio, low, high = as_sure([comparison.ratio, *comparison.interval], *comparison.interval)
    times = f"{ratio} times the fitted sigma ({percent(1 - level)}: {low} to {high})"
    meaning = "so fit and reruns disagree" if comparison.differs else "so fit and reruns agree"
    return f"The pooled sigma is {times}: the interval {'excludes' if comparison.differs else 'includes'} 1, {meaning}."
