"""JSON document, sentences and terminal tables of a posterior."""

import inspect
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpyro.distributions import Distribution
from numpyro.distributions.transforms import Transform

from nqjax.report.documents import Head, PosteriorDocument
from nqjax.report.head import print_head
from nqjax.report.tables import MEANING, finite, indented, meanings, note, shares_of, small_table
from nqjax.runtime.text import BEST_OF_REGIME, as_sure, chance, percent, significant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from nqjax.posterior.posterior import Posterior

#: From this probability on, one gamma is reported as settled.
_SETTLED_PROBABILITY = 0.9

#: Less probable gammas are not named.
_LEAST_PROBABILITY = 0.05

#: Arguments that all distributions share.
_NOT_SHOWN = ("self", "validate_args", "args", "kwargs")

#: Attributes in which distributions hold other distributions or transforms.
_PARTS = ("base_dist", "transforms", "_mixing_distribution", "_component_distribution")

#: Packages whose versions are reported.
_PACKAGES = ("nqjax", "jax", "numpyro", "numpy", "scipy", "arviz")


def posterior_document(
    post: "Posterior",
    *,
    head: Head,
    trials: "Sequence[float]",
    seed: int | None = None,
    command: str | None = None,
    regime: dict[str, Any] | None = None,
) -> PosteriorDocument:
    """Return the document of a posterior.

    Parameters
    ----------
    post : Posterior
    head : Head
    trials : sequence of float
        The numbers of trials at which to give the tuning curve.
    seed : int, optional
        The seed of the draws.
    command : str, optional
        The command line.
    regime : dict, optional
        Why the threshold was chosen: ``p_value``, ``level`` and ``reason``.
    """
    n = np.asarray(trials, np.float64)
    median, (lower, upper) = post.quantile_tuning_curve(n), post.quantile_tuning_curve_band(n)
    diagnostics = post.diagnostics
    start = post.regime_start
    return {
        **head,
        "confidence": post.confidence,
        "method": post.method,
        "command": command,
        "regime": regime,
        "num_scores": post.num_scores,
        "num_used": post.num_used,
        "num_failed": post.data.data.num_failed,
        "limits": [finite(end) for end in post.limits],
        "parameters": {name: _parameter(post, name) for name in ("alpha", "beta", "sigma", "regime_probability")},
        "gamma_probabilities": {str(g): p for g, p in post.gamma_probabilities.items()},
        "log_evidence": finite(post.log_evidence),
        "tuning_curve": [
            {
                "trials": int(n) if n == int(n) else float(n),
                "low": finite(a),
                "median_best_score": finite(b),
                "high": finite(c),
                "in_regime": bool(n >= start),
                "extrapolated": bool(n > post.num_scores),
            }
            for n, a, b, c in zip(trials, lower, median, upper, strict=True)
        ],
        "diagnostics": {
            "good": diagnostics.good,
            "verdict": diagnostics.verdict,
            "rhat": {k: finite(v) for k, v in diagnostics.rhat.items()},
            "ess_bulk": {k: finite(v) for k, v in diagnostics.ess_bulk.items()},
            "ess_tail": {k: finite(v) for k, v in diagnostics.ess_tail.items()},
            "num_divergent": diagnostics.num_divergent,
            "acceptance": diagnostics.acceptance,
            "quadrature_error": finite(diagnostics.quadrature_error),
            "evidence_error": finite(diagnostics.evidence_error),
        },
        "settings": {
            **post.settings,
            "seed": seed,
            "prior": describe_prior(post),
            "bounds": _bounds(post),
        },
        "versions": versions(),
        "warnings": [] if diagnostics.good else [diagnostics.verdict],
    }


def _parameter(post: "Posterior", name: str) -> dict[str, float | None]:
    low, high = post.interval(name)
    draws = getattr(post, name)
    return {
        "median": finite(float(np.median(draws))),
        "low": finite(low),
        "high": finite(high),
        "mean": finite(float(np.mean(draws))),
        "sd": finite(float(np.std(draws))),
    }


def _bounds(post: "Posterior") -> dict[str, list[float | None]]:
    bounds = {name: getattr(post.study.constraints, name) for name in ("alpha", "beta", "gamma", "sigma")}
    if not post.minimize:
        alpha, beta = bounds["alpha"], bounds["beta"]
        bounds["alpha"], bounds["beta"] = (-beta[1], -beta[0]), (-alpha[1], -alpha[0])
    return {name: [finite(end) for end in pair] for name, pair in bounds.items()}


def describe_prior(post: "Posterior") -> dict[str, str]:
    """Return the prior in words, part by part."""
    prior = post.prior
    parts = {
        "relative_noise": prior.relative_noise,
        "regime_share": prior.regime_share,
        "width": prior.width,
    }
    words = {name: "flat in its logarithm" if part is None else _describe(part) for name, part in parts.items()}
    low, high = post.study.constraints.gamma
    weights = np.exp(prior.log_gamma(low, high))
    uniform = np.ptp(weights) < 1e-12
    shares = ", ".join(f"{g}={w:.3g}" for g, w in zip(range(low, high + 1), weights, strict=True))
    words["gamma"] = f"uniform from {low} to {high}" if uniform else shares
    return words


def _describe(part: Any) -> str:
    """Return a distribution as Python code, with the distributions and transforms in it."""
    if isinstance(part, Transform | Distribution):
        names = [name for name in inspect.signature(type(part).__init__).parameters if name not in _NOT_SHOWN]
        if not all(hasattr(part, name) for name in names):  # kept under other names
            names = [name for name in (*_PARTS, *names) if hasattr(part, name)]
        shown = {name: getattr(part, name) for name in names}
        return f"{type(part).__name__}({', '.join(f'{name}={_describe(value)}' for name, value in shown.items())})"
    if isinstance(part, list | tuple):
        return f"[{', '.join(map(_describe, part))}]"
    return repr(np.asarray(part).tolist()) if hasattr(part, "shape") else repr(part)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that computed the posterior."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def in_words(document: "Mapping[str, Any]") -> list[str]:
    """Return the posterior in sentences."""
    best = "alpha" if document["minimize"] else "beta"
    confidence = percent(document["confidence"])
    shown = document["parameters"][best]
    direction = "below" if document["minimize"] else "above"
    chances = document["gamma_probabilities"]
    likely = max(chances, key=chances.__getitem__)
    noise = document["parameters"]["sigma"]
    last = document["tuning_curve"][-1]
    sure = chances[likely] >= _SETTLED_PROBABILITY
    matter = "1 hyperparameter matters" if likely == "1" else f"{likely} hyperparameters matter"
    low, high = as_sure([shown["low"], shown["high"]], shown["low"], shown["high"])
    reach = (
        f"The {BEST_OF_REGIME} ({best}: what its best configurations score on average over reruns) lies between {low} "
        f"and {high} with probability {confidence}, if the model holds. Noise may explain scores {direction} it."
    )
    shares = ", ".join(f"{g} with {chance(p, 2)}" for g, p in chances.items() if p >= _LEAST_PROBABILITY)
    effective = (
        f"About {matter} (gamma = {likely}, with probability {chance(chances[likely])})."
        if sure
        else f"How many hyperparameters matter is not settled: gamma may be {shares}."
    )
    spread = (
        f"One run's noise has standard deviation {significant(noise['median'], 3)} "
        f"({significant(noise['low'], 3)} to {significant(noise['high'], 3)})."
    )
    more = (
        f"The median of the best score after {last['trials']:,} trials is {significant(last['median_best_score'], 4)} "
        f"({significant(last['low'], 4)} to {significant(last['high'], 4)})."
    )
    return [reach, effective, spread, more]


def print_posterior(document: "Mapping[str, Any]", console: "Console") -> None:
    """Print a posterior as tables."""
    from rich.text import Text

    print_head(document, console)
    confidence = percent(document["confidence"])
    words = meanings(document["minimize"])
    table = small_table("", ["median", f"{confidence} credible"], MEANING)
    for name, found in document["parameters"].items():
        median, low, high = as_sure([found[key] for key in ("median", "low", "high")], found["low"], found["high"])
        table.add_row(name.replace("regime_probability", "in regime"), median, f"{low} to {high}", words[name])
    console.print(indented(table, below=1))
    shares = shares_of(document["gamma_probabilities"])
    console.print(Text.assemble(("Gamma  ", "bold"), f"{shares}: {words['gamma']}"))
    counts = f"{document['num_used']:,} of {document['num_scores']:,} inside the regime"
    failed = f", {document['num_failed']:,} failed" if document["num_failed"] else ""
    console.print(Text.assemble(("Scores ", "bold"), counts + failed))
    console.print(Text.assemble(("Check  ", "bold"), document["diagnostics"]["verdict"]))
    console.print()
    console.print(
        Text(
            f"Tuning curve: the median of the best score after n trials, {confidence} credible interval for each n",
            "bold",
        )
    )
    table = small_table("trials", ["low", "median", "high"], "")
    table.columns[0].justify = "right"
    for point in document["tuning_curve"]:
        numbers = [point[name] for name in ("low", "median_best_score", "high")]
        inside = point["in_regime"]
        cells = as_sure(numbers, point["low"], point["high"], 2 if inside else 1)
        table.add_row(f"{point['trials']:,}", *cells, note(point), style="" if point["in_regime"] else "dim")
    console.print(indented(table))
