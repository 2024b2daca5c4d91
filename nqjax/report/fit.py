"""What a fit says: a strict JSON document for machines, and the tables that people read, made from that document."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from nqjax.errors import show

if TYPE_CHECKING:  # rich is imported inside the functions: `--json` does without it
    from collections.abc import Mapping, Sequence

    from rich.console import Console
    from rich.table import Table

    from nqjax.estimation.fit import Fit

    Constraint = float | tuple[float, float] | None
from nqjax.report.tables import (
    _start,
    counts_of,
    curve_table,
    explain_notes,
    finite,
    print_head,
    score_format,
    significant,
    small_table,
    warn,
)

# An estimate this close to the end of its interval, relative to the interval or to the scores' range, lies on it.
_EDGE = 1e-6


# Fewer scores than this hardly determine four parameters.
_FEW = 24


# Another gamma whose log-likelihood is as close as this to the best one's is worth naming.
_CLOSE = 1.0


def fit_document(
    fit: "Fit",
    scores: np.ndarray,
    *,
    file: str,
    metric: str,
    threshold: float | None,
    constraints: "Mapping[str, Constraint]",
    trials: "Sequence[float]",
) -> dict[str, Any]:
    """Return what there is to say about a fit, ready for `json.dumps(..., allow_nan=False)`.

    Parameters
    ----------
    fit : Fit
        The fit, as `nqjax.fit` returns it; its attributes keep their names in the document.
    scores : numpy.ndarray, shape (trials,)
        The scores that were fitted.
    file, metric : str
        Where they came from.
    threshold : float, optional
        The threshold that was chosen.
    constraints : mapping
        The constraint of each parameter: None, a number (fixed) or a pair (interval).
    trials : sequence of float
        The numbers of trials at which to give the tuning curve.

    Returns
    -------
    dict
        Strings, finite numbers, booleans, None (for NaN and infinity), lists and dictionaries.
    """
    losing = fit.limits[1] if fit.minimize else fit.limits[0]
    # Without a limit on that side no regime was chosen, and failed runs set none.
    bounded = math.isfinite(losing)
    return {
        "file": file,
        "metric": metric,
        "minimize": bool(fit.minimize),
        "threshold": None if threshold is None else finite(threshold),
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
        "regime_probability": finite(fit.regime_probability) if bounded else None,
        "regime_start": finite(fit.regime_start) if bounded else None,
        "tuning_curve": _curve(fit, trials, bounded),
        "suggested_threshold": _median(scores, minimize=fit.minimize) if threshold is None else None,
        "warnings": _warnings(fit, constraints),
    }


def _curve(fit: "Fit", trials: "Sequence[float]", bounded: bool) -> list[dict[str, Any]]:
    best = fit.quantile_tuning_curve(np.asarray(trials, dtype=np.float64))
    end = fit.alpha if fit.minimize else fit.beta
    return [
        {
            "trials": int(n) if n == int(n) else float(n),
            "median_best_score": finite(score),
            "in_regime": bool(n >= fit.regime_start) if bounded else None,
            "extrapolated": n > fit.num_scores,
            "beyond_best_reachable": bool(score < end if fit.minimize else score > end),
        }
        for n, score in zip(trials, best, strict=True)
    ]


def _constraint(constraint: "Constraint") -> float | list[float | None] | None:
    if constraint is None:
        return None
    if isinstance(constraint, tuple):
        return [end if math.isfinite(end) else None for end in constraint]
    return constraint


def _median(scores: np.ndarray, *, minimize: bool) -> float | None:
    """Return a median score, a first threshold to try; failed runs rank last."""
    losing = math.inf if minimize else -math.inf
    ranked = np.where(np.isfinite(scores), scores, losing)
    return finite(np.quantile(ranked, 0.5, method="lower" if minimize else "higher"))


def _warnings(fit: "Fit", constraints: "Mapping[str, Constraint]") -> list[str]:
    warnings = []
    if not fit.converged:
        warnings.append("the fit did not converge: do not rely on it; try another threshold or fix a parameter")
    scale = max(abs(fit.beta - fit.alpha), fit.sigma)
    for name in ("alpha", "beta", "sigma"):
        constraint = constraints.get(name)
        if not isinstance(constraint, tuple) or constraint[0] == constraint[1]:
            continue
        for end, word in zip(constraint, ("lowest", "highest"), strict=True):
            # For sigma, 0 is no choice of the user's but the end of the numbers it can be.
            if math.isfinite(end) and abs(getattr(fit, name) - end) <= _EDGE * scale and (name, end) != ("sigma", 0.0):
                warnings.append(f"{name} lies at the {word} value that its constraint allows, {show(end)}")
    if fit.num_used < _FEW:
        warnings.append(f"only {fit.num_used} scores shape the fit, and {_FEW} or more are better")
    warnings += _rivals(fit)
    allowed = constraints.get("gamma")
    if isinstance(allowed, tuple) and allowed[0] < allowed[1]:
        if fit.gamma == allowed[1]:
            warnings.append(f"gamma is the highest that its constraint allows, {allowed[1]:g}: allow more with --gamma")
        elif fit.gamma == allowed[0] > 1:
            warnings.append(f"gamma is the lowest that its constraint allows, {allowed[0]:g}: allow less with --gamma")
    return warnings


def _rivals(fit: "Fit") -> list[str]:
    """Return a warning that other gammas fit nearly as well, if any do."""
    # The loss is a mean over num_scores + 1: this is a difference of log-likelihoods, nearly.
    close = [
        gamma
        for gamma, loss in fit.losses_by_gamma.items()
        if gamma != fit.gamma and (loss - fit.loss) * (fit.num_scores + 1) < _CLOSE
    ]
    if not close:
        return []
    ends = [
        dict.fromkeys(significant(end(values), 4) for end in (min, max))
        for values in zip(*(fit.parameters_by_gamma[gamma] for gamma in close), strict=True)
    ]
    alpha, beta, sigma = (" to ".join(end) for end in ends)
    names = " and ".join([", ".join(map(str, close[:-1])), str(close[-1])]) if len(close) > 1 else str(close[0])
    verb = "fits" if len(close) == 1 else "fit"
    return [f"gamma {names} {verb} nearly as well, with alpha {alpha}, beta {beta}, sigma {sigma}"]


def print_fit(document: "Mapping[str, Any]", console: "Console") -> None:
    """Print the document of a fit for people to read: the parameters, how they were found, and the tuning curve."""
    from rich.padding import Padding
    from rich.text import Text

    print_head(document, console)
    console.print(Padding(_parameters(document), (0, 0, 1, 2), expand=False))
    console.print(_findings(document))
    console.print()
    if document.get("regime"):
        from nqjax.report.regime import print_movement

        print_movement(document, console)
    warn(document, console)
    console.print(Text("Tuning curve: the median of the best score after so many trials", style="bold"))
    console.print(Padding(curve_table(document), (0, 0, 0, 2), expand=False))
    explain_notes(document, console)


def _parameters(document: "Mapping[str, Any]") -> "Table":
    show = score_format(document)
    best = "the best score that the search can reach, apart from noise"
    far = "the other end of the fitted quadratic, an extrapolation"
    table = small_table("", ["estimate"], "meaning")
    table.add_row("alpha", show(document["alpha"]), best if document["minimize"] else far)
    table.add_row("beta", show(document["beta"]), far if document["minimize"] else best)
    table.add_row("gamma", str(document["gamma"]), "effective number of hyperparameters")
    table.add_row("sigma", significant(document["sigma"], 4), "standard deviation of one run's noise")
    return table


def _findings(document: "Mapping[str, Any]") -> "Table":
    """Return what was found about the regime, the scores and the loss."""
    from rich.table import Table
    from rich.text import Text

    losses = ", ".join(f"{gamma}={significant(loss, 5)}" for gamma, loss in document["losses_by_gamma"].items())
    converged = "converged" if document["converged"] else "not converged"

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    table.add_row("Regime", Text(_regime(document)))
    table.add_row("Scores", Text(counts_of(document)))
    table.add_row("Loss", Text(f"{significant(document['loss'], 5)} ({converged}); by gamma: {losses}"))
    return table


def _regime(document: "Mapping[str, Any]") -> str:
    if document["threshold"] is None:
        suggestion = document["suggested_threshold"]
        such_as = "" if suggestion is None else f", such as the median score (--threshold {suggestion!r})"
        return (
            f"all scores were used{_failures(document)}. The theory holds near the optimum only: let a "
            f"threshold be chosen (--threshold auto), or try one{such_as}"
        )
    side = "below" if document["minimize"] else "above"
    probability = document["regime_probability"]
    percent = "?" if probability is None else f"{100 * probability:.3g}"
    start = _start(document["regime_start"])
    return f"a score is at or {side} the threshold with probability {percent} %; the regime {start}"


def _failures(document: "Mapping[str, Any]") -> str:
    """Return how far the fit reaches where runs failed and no threshold was given."""
    if not document["num_failed"] or document["regime_probability"] is None:
        return ""
    share = 100 * document["regime_probability"]
    return f"; a run succeeds with probability {share:.3g} %, and what is fitted {_start(document['regime_start'])}"
