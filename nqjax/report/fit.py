"""JSON document and terminal tables of a fit; the tables are made from the document."""

import math
from typing import TYPE_CHECKING

import numpy as np

from nqjax.analysis.threshold import REJECTED, rejection
from nqjax.checks.noise_alone import NOISE_ALONE
from nqjax.errors import show
from nqjax.report.documents import CurvePoint, FitDocument, Number
from nqjax.report.head import head_of, print_head
from nqjax.report.tables import (
    MEANING,
    counts_of,
    curve_table,
    describes,
    explain_notes,
    finite,
    indented,
    meanings,
    score_format,
    small_table,
    warn,
)
from nqjax.runtime.text import chance, listed, significant

if TYPE_CHECKING:  # rich is imported inside the functions: `--json` does without it
    from collections.abc import Mapping, Sequence

    from rich.console import Console
    from rich.table import Table

    from nqjax.estimation.fit import Fit

    Constraint = float | tuple[float, float] | None

#: An estimate lies on the end of its interval if it is this close, relative to the range of the scores.
_EDGE_TOLERANCE = 1e-6

#: Fewer scores than this hardly determine four parameters.
_ENOUGH_SCORES = 24

#: Another gamma is named if its log-likelihood is within this of the best one's.
_RIVAL_LOG_LIKELIHOOD = 1.0


def fit_document(
    fit: "Fit",
    scores: np.ndarray,
    *,
    file: str,
    metric: str,
    threshold: float | None,
    constraints: "Mapping[str, Constraint]",
    trials: "Sequence[float]",
) -> FitDocument:
    """Return the JSON document of a fit, with finite numbers only.

    Parameters
    ----------
    fit : Fit
        Its attributes keep their names in the document.
    scores : numpy.ndarray, shape (trials,)
        The scores that were fitted.
    file, metric : str
        The file and the column of the scores.
    threshold : float, optional
        The threshold of the fit, given or chosen.
    constraints : mapping
        The constraint of each parameter: None, a number that fixes it, or the two ends of an interval.
    trials : sequence of float
        The numbers of trials at which to give the tuning curve.
    """
    losing = fit.limits[1] if fit.minimize else fit.limits[0]
    # Without a limit on the losing side, there is no regime.
    bounded = math.isfinite(losing)
    return {
        **head_of(file, metric, fit.minimize, threshold, scores),  # type: ignore[typeddict-item]
        "limits": [finite(limit) for limit in fit.limits],
        "alpha": finite(fit.alpha),
        "beta": finite(fit.beta),
        "gamma": int(fit.gamma),
        "sigma": finite(fit.sigma),
        "constraints": {name: _constraint(constraint) for name, constraint in constraints.items()},
        "loss": finite(fit.loss),
        "losses_by_gamma": {str(int(gamma)): finite(loss) for gamma, loss in fit.losses_by_gamma.items()},
        "converged": bool(fit.converged),
        "num_scores": int(fit.num_scores),
        "num_used": int(fit.num_used),
        "num_censored": int(fit.num_censored),
        "num_failed": int(fit.num_failed),
        "p_value": finite(fit.p_value),
        "regime_probability": finite(fit.regime_probability) if bounded else None,
        "regime_start": finite(fit.regime_start) if bounded else None,
        "tuning_curve": _curve(fit, trials, bounded),
        "suggested_threshold": _median(scores, minimize=fit.minimize) if threshold is None else None,
        "warnings": _warnings(fit, constraints),
    }


def _curve(fit: "Fit", trials: "Sequence[float]", bounded: bool) -> list[CurvePoint]:
    best = fit.quantile_tuning_curve(np.asarray(trials, dtype=np.float64))
    end = fit.alpha if fit.minimize else fit.beta
    return [
        {
            "trials": int(n) if n == int(n) else float(n),
            "median_best_score": finite(score),
            "in_regime": bool(n >= fit.regime_start) if bounded else None,
            "extrapolated": n > fit.num_scores,
            "beyond_best_of_regime": bool(score < end if fit.minimize else score > end),
        }
        for n, score in zip(trials, best, strict=True)
    ]


def _constraint(constraint: "Constraint") -> float | list[Number] | None:
    if constraint is None:
        return None
    if isinstance(constraint, tuple):
        return [end if math.isfinite(end) else None for end in constraint]
    return constraint


def _median(scores: np.ndarray, *, minimize: bool) -> float | None:
    """Return the median score, as a threshold to try; failed runs rank last."""
    losing = math.inf if minimize else -math.inf
    ranked = np.where(np.isfinite(scores), scores, losing)
    return finite(np.quantile(ranked, 0.5, method="lower" if minimize else "higher"))


def _warnings(fit: "Fit", constraints: "Mapping[str, Constraint]") -> list[str]:
    warnings = []
    if fit.alpha == fit.beta:
        warnings.append(f"all {fit.num_scores} scores are {show(fit.alpha)}: the fit is a point mass, of any gamma")
    if not fit.converged:
        warnings.append("the fit did not converge: do not rely on it; try another threshold or fix a parameter")
    scale = max(abs(fit.beta - fit.alpha), fit.sigma)
    for name in ("alpha", "beta", "sigma"):
        constraint = constraints.get(name)
        if not isinstance(constraint, tuple) or constraint[0] == constraint[1]:
            continue
        for end, word in zip(constraint, ("lowest", "highest"), strict=True):
            if (name, end) == ("sigma", 0.0):  # the natural end of sigma, not a choice of the user
                continue
            if math.isfinite(end) and abs(getattr(fit, name) - end) <= _EDGE_TOLERANCE * scale:
                warnings.append(f"{name} lies at the {word} value that its constraint allows, {show(end)}")
    if fit.p_value < REJECTED:
        warnings.append(rejection(fit))
    if fit.num_used < _ENOUGH_SCORES:
        count = "1 score is" if fit.num_used == 1 else f"{fit.num_used} scores are"
        warnings.append(f"only {count} fitted, and {_ENOUGH_SCORES} or more are better")
    warnings += _rivals(fit)
    allowed = constraints.get("gamma")
    if isinstance(allowed, tuple) and allowed[0] < allowed[1]:
        if fit.gamma == allowed[1]:
            warnings.append(f"gamma is the highest that its constraint allows, {allowed[1]:g}: allow more with --gamma")
        elif fit.gamma == allowed[0] > 1:
            warnings.append(f"gamma is the lowest that its constraint allows, {allowed[0]:g}: allow less with --gamma")
    return warnings


def _rivals(fit: "Fit") -> list[str]:
    """Return a warning if other gammas fit nearly as well."""
    # The loss is a mean over num_scores + 1 spacings, so this is nearly a difference of log-likelihoods.
    close = [
        gamma
        for gamma, loss in fit.losses_by_gamma.items()
        if gamma != fit.gamma and (loss - fit.loss) * (fit.num_scores + 1) < _RIVAL_LOG_LIKELIHOOD
    ]
    if not close:
        return []
    ends = [
        dict.fromkeys(significant(end(values), 4) for end in (min, max))
        for values in zip(*(fit.parameters_by_gamma[gamma] for gamma in close), strict=True)
    ]
    alpha, beta, sigma = (" to ".join(end) for end in ends)
    names = listed([str(gamma) for gamma in close])
    verb = "fits" if len(close) == 1 else "fit"
    return [f"gamma {names} {verb} nearly as well, with alpha {alpha}, beta {beta}, sigma {sigma}"]


def print_fit(document: FitDocument, console: "Console") -> None:
    """Print a fit as tables: the parameters, how they were found, and the tuning curve."""
    from rich.text import Text

    print_head(document, console)
    console.print(indented(_parameters(document), below=1))
    console.print(_findings(document))
    console.print()
    if document.get("regime"):
        from nqjax.report.regime import print_movement

        print_movement(document, console)
    warn(document, console)
    console.print(Text("Tuning curve: the median of the best score after n trials", style="bold"))
    console.print(indented(curve_table(document)))
    explain_notes(document, console)


def _parameters(document: FitDocument) -> "Table":
    show = score_format(document)
    numbers = {
        "alpha": show(document["alpha"]),
        "beta": show(document["beta"]),
        "gamma": "not told" if NOISE_ALONE in document["warnings"] else str(document["gamma"]),
        "sigma": significant(document["sigma"], 3),
    }
    words = meanings(document["minimize"])
    table = small_table("", ["estimate"], MEANING)
    for name, number in numbers.items():
        table.add_row(name, number, words[name])
    return table


def _findings(document: FitDocument) -> "Table":
    """Return a table about the regime, the scores and the loss."""
    from rich.table import Table
    from rich.text import Text

    misfits = ", ".join(f"{gamma}={significant(loss, 4)}" for gamma, loss in document["losses_by_gamma"].items())

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    table.add_row("Regime", Text(_regime(document)))
    table.add_row("Scores", Text(counts_of(document)))
    lower = "" if len(document["losses_by_gamma"]) == 1 else ", the lowest is taken"
    table.add_row("Misfit", Text(f"by gamma{lower}: {misfits}"))
    return table


def _regime(document: FitDocument) -> str:
    if document["threshold"] is None:
        suggestion = document["suggested_threshold"]
        example = "" if suggestion is None else f", for example the median score (--threshold {suggestion:.4g})"
        return (
            f"none: all scores are fitted{_failures(document)}. The theory holds near the optimum only: let a "
            f"threshold be chosen (--threshold auto), or try one{example}"
        )
    side = "below" if document["minimize"] else "above"
    share = chance(document["regime_probability"])
    return (
        f"scores at or {side} the threshold, {share} of all; the fit is about these, and "
        f"{describes(document['regime_start'])}"
    )


def _failures(document: FitDocument) -> str:
    """Say where the fit holds if runs failed and no threshold was given."""
    if not document["num_failed"] or document["regime_probability"] is None:
        return ""
    share = chance(document["regime_probability"])
    return f"; a run succeeds with probability {share}, and the fit {describes(document['regime_start'])}"
