"""Types of the JSON documents that `--json` prints, one for each command.

Every number is finite: None stands for NaN and infinity. Scores are in the user's units and direction.
"""

from typing import Any, NotRequired, TypedDict

Number = float | None


class NoiseInput(TypedDict):
    """Measured noise that an analysis was given (`--noise`)."""

    source: str
    config: list[str]
    sigma: float
    interval: list[float]  # at 95 %
    degrees_of_freedom: int
    configurations: int
    num_runs: int
    num_failed: int
    num_left_out: int


class Head(TypedDict):
    """Search that a document is about."""

    file: str | None
    metric: str
    minimize: bool
    threshold: Number
    threshold_shown: str | None  # with the fewest digits that keep the same scores
    best_score: Number  # the best score that was seen
    noise: NotRequired[NoiseInput]  # where it was given


class Interval(TypedDict):
    """Ends of an interval."""

    low: Number
    high: Number


class CurvePoint(TypedDict):
    """Point of the tuning curve of a fit; a bootstrap adds the ends of its band."""

    trials: float
    median_best_score: Number
    in_regime: bool | None
    extrapolated: bool
    beyond_best_of_regime: bool
    low: NotRequired[Number]
    high: NotRequired[Number]


class RegimeDocument(TypedDict):
    """Choice of a threshold (`nqjax regime`, and the key ``regime`` of `nqjax fit`)."""

    found: bool
    reason: str
    threshold: Number
    level: float
    regime_probability: Number
    path: list[dict[str, Any]]
    movement: list[dict[str, Any]]


class FitDocument(Head):
    """Fit (`nqjax fit`)."""

    limits: list[Number]
    alpha: Number
    beta: Number
    gamma: int
    sigma: Number
    constraints: dict[str, float | list[Number] | None]
    loss: Number
    losses_by_gamma: dict[str, Number]
    converged: bool
    num_scores: int
    num_used: int
    num_censored: int
    num_failed: int
    p_value: Number  # of the tests of the fit; null where it was not tested
    regime_probability: Number
    regime_start: Number
    tuning_curve: list[CurvePoint]
    suggested_threshold: Number
    warnings: list[str]
    regime: NotRequired[RegimeDocument | None]
    few: NotRequired[dict[str, Any] | None]  # the answer where too few scores are fitted


class ParameterInterval(Interval):
    """Interval of a parameter by resamples."""

    method: str | None  # percentile where BCa is impossible, None with too few resamples
    standard_error: Number


class Resamples(TypedDict):
    """Refits of resamples: counts, and an interval of each parameter."""

    num_resamples: int
    num_requested: int
    num_failed: int
    num_not_converged: int
    confidence: float
    method: str
    seed: int
    has_band: bool
    intervals: dict[str, ParameterInterval]
    gamma_probabilities: dict[str, float]


class BootstrapDocument(FitDocument):
    """Fit with refits of resamples (`nqjax bootstrap`)."""

    bootstrap: Resamples


class ConfidenceDocument(Head):
    """Entries that bands and regions have in common."""

    confidence: float
    method: str
    num_scores: int
    tuning_curve: list[dict[str, Number]]
    warnings: list[str]


class BandsDocument(ConfidenceDocument):
    """Band of the distribution of the scores (`nqjax bands`)."""

    cdf: list[dict[str, float]]


class RegionDocument(ConfidenceDocument):
    """Region of the parameters (`nqjax region`)."""

    gammas: list[int]
    intervals: dict[str, Interval]
    regime_start: Number


class AveragedDocument(ConfidenceDocument):
    """Answer averaged over the threshold (`nqjax fit` and `nqjax region` without one)."""

    num_failed: int
    mean_used: float
    rounding: float
    alpha: Number
    beta: Number
    gamma: Number
    sigma: Number
    regime_probability: Number
    gammas: list[int]
    gamma_probabilities: dict[str, float]
    intervals: dict[str, Interval]
    thresholds: list[dict[str, Any]]
    regime_start: Number
    effective_draws: float
    advice: str | None  # whose reruns would tell noise from gamma
    few: dict[str, Any] | None  # the answer where the scores do not tell the parameters


class PosteriorDocument(Head):
    """Posterior (`nqjax posterior`)."""

    confidence: float
    method: str
    command: str | None
    regime: dict[str, Any] | None
    num_scores: int
    num_used: int
    num_failed: int
    limits: list[Number]
    parameters: dict[str, dict[str, Number]]
    gamma_probabilities: dict[str, float]
    log_evidence: Number
    tuning_curve: list[dict[str, Any]]
    diagnostics: dict[str, Any]
    settings: dict[str, Any]
    versions: dict[str, str]
    warnings: list[str]


class ComparisonDocument(TypedDict):
    """Comparison of two searches (`nqjax compare`)."""

    metric: str
    minimize: bool
    cost: list[float]
    seed: int
    searches: list[dict[str, Any]]
    names: list[str]
    confidence: float
    comparison: list[dict[str, Any]]
    warnings: list[str]


class NoiseDocument(Head):
    """Noise of retrained configurations (`nqjax noise`)."""

    config: str
    level: float
    holds: bool | None
    verdict: str
    sigma: Number
    sigma_interval: list[Number]
    degrees_of_freedom: int
    tests: dict[str, dict[str, Any]]
    comparison: dict[str, Any] | None
    configurations: list[dict[str, Any]]
    step: float
    warnings: list[str]


class PlanBasis(Head):
    """Fit, or averaged answer, that a plan follows from."""

    method: str  # fit or averaged
    alpha: Number
    beta: Number
    gamma: Number
    sigma: Number
    regime_start: Number
    num_scores: int
    warnings: list[str]
    # Of an averaged answer, as `nqjax fit` has them:
    confidence: NotRequired[float]
    mean_used: NotRequired[float]
    regime_probability: NotRequired[Number]
    intervals: NotRequired[dict[str, Interval]]
    thresholds: NotRequired[list[dict[str, Any]]]


class PlanDocument(PlanBasis):
    """Number of trials that is needed (`nqjax plan` with a question)."""

    asked: dict[str, float]
    required_trials: Number
    out_of_reach: bool  # more than a thousand times the trials that were run, or one trial in a million reaches it
    interval: Interval  # of the number; null ends are out of reach, or not computed
    present_width: Number  # of the averaged answer's curve, if a width was asked for


class Gain(TypedDict):
    """Gain of some more trials."""

    trials: float
    probability: float  # of a better score than the best one seen
    probability_beyond_noise: float  # of one that is better by more than sigma
    median_best_score: Number
    intervals: dict[str, dict[str, float]]  # of these three; empty where a bootstrap fails


class GainsDocument(PlanBasis):
    """Gains of more trials (`nqjax plan` without a question)."""

    gains: list[Gain]
