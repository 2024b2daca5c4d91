"""JSON documents about what more trials would bring, by the answer that is averaged over the threshold."""

from typing import TYPE_CHECKING, Any

from nqjax.confidence.gains import expected_gains
from nqjax.confidence.planning import required_trials
from nqjax.confidence.uncertain_plan import required_trials_interval
from nqjax.report.averaged import averaged_document
from nqjax.report.plan import FURTHER, about_target, gain_rows
from nqjax.report.tables import finite

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nqjax.posterior.averaged import AveragedPosterior
    from nqjax.report.documents import GainsDocument, Head, PlanBasis, PlanDocument
    from nqjax.types import Floats

#: Entries of the document of an averaged answer that a plan has, too.
_BASIS = (
    *("method", "confidence", "num_scores", "mean_used", "alpha", "beta", "gamma", "sigma", "regime_probability"),
    *("intervals", "thresholds", "regime_start", "warnings"),
)


def averaged_plan_document(
    post: "AveragedPosterior", scores: "Floats", *, head: "Head", asked: "Mapping[str, float]"
) -> "PlanDocument":
    """Return the number of trials that is needed, with its interval if a score is to be reached."""
    basis = _basis(post, scores, head)
    trials = required_trials(post, **asked)  # type: ignore[arg-type]
    ends: tuple[Any, Any] = (float("nan"),) * 2
    width = None
    if "score" in asked:
        ends = required_trials_interval(post, score=asked["score"], probability=asked["probability"])
    else:
        low, high = post.quantile_tuning_curve_band(asked["at"], confidence=asked["confidence"])
        width = float(high - low)
    found = finite(float(trials))
    return {
        **basis,
        "asked": dict(asked),
        "out_of_reach": found is None,
        "required_trials": found,
        "interval": {"low": finite(float(ends[0])), "high": finite(float(ends[1]))},
        "present_width": width,
        "warnings": basis["warnings"]
        + about_target(asked, head["threshold"], _best(post), post.regime_start, post.minimize),
    }


def averaged_gains_document(post: "AveragedPosterior", scores: "Floats", *, head: "Head") -> "GainsDocument":
    """Return what more trials would bring, among them as many as were run, with intervals."""
    trials = sorted({*FURTHER, len(scores)})
    gains = expected_gains(post, trials)
    return {**_basis(post, scores, head), "gains": gain_rows(gains, gains.intervals)}


def _basis(post: "AveragedPosterior", scores: "Floats", head: "Head") -> "PlanBasis":
    found: Mapping[str, Any] = averaged_document(post, scores, head=head, trials=(1,))
    return {**head, **{name: found[name] for name in _BASIS}}  # type: ignore[typeddict-item]


def _best(post: "AveragedPosterior") -> float:
    return post.estimate("best")
