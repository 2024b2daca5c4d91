"""JSON document, terminal tables and Parquet file of a bootstrap."""

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from nqjax.errors import InputError
from nqjax.report.documents import BootstrapDocument, CurvePoint, FitDocument, ParameterInterval, Resamples
from nqjax.report.head import print_head
from nqjax.report.tables import (
    counts_of,
    curve_table,
    explain_notes,
    explain_parameters,
    indented,
    score_format,
    shares_of,
    small_table,
    warn,
)
from nqjax.runtime.files import written_whole
from nqjax.runtime.text import percent, significant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rich.console import Console

    from nqjax.confidence.bootstrap import Bootstrap, Method


#: Columns of the file of resamples.
_COLUMNS = ("alpha", "beta", "gamma", "sigma", "loss", "gradient_norm", "converged")

#: Warn if more than this share of the resamples could not be fitted, or did not converge.
_WORRYING_SHARE = 0.01


def bootstrap_document(
    fit: FitDocument, boot: "Bootstrap", *, method: "Method", seed: int, requested: int
) -> BootstrapDocument:
    """Return the document of a fit with the intervals and the band of its resamples.

    Parameters
    ----------
    fit : FitDocument
        The document of ``boot.fit``; it is not changed.
    boot : Bootstrap
    method : {"percentile", "bca"}
        How the intervals of the parameters are computed.
    seed, requested : int
        The seed, and the number of resamples that were asked for.
    """
    problems: list[str] = []
    intervals = {name: _interval(boot, name, method, problems) for name in ("alpha", "beta", "sigma")}
    has_band = intervals["alpha"]["method"] is not None
    found: Resamples = {
        "num_resamples": boot.num_resamples,
        "num_requested": requested,
        "num_failed": boot.num_failed,
        "num_not_converged": int(np.sum(~boot.converged & (boot.gamma > 0))),
        "confidence": boot.confidence,
        "method": method,
        "seed": seed,
        "has_band": has_band,
        "intervals": intervals,
        "gamma_probabilities": {str(gamma): share for gamma, share in boot.gamma_probabilities.items()},
    }
    return {
        **fit,
        "tuning_curve": _with_band(fit["tuning_curve"], boot if has_band else None),
        "warnings": [*fit["warnings"], *_warnings(found), *dict.fromkeys(problems)],
        "bootstrap": found,
    }


def _with_band(curve: list[CurvePoint], boot: "Bootstrap | None") -> list[CurvePoint]:
    """Return the curve with the ends of its band, None for a bootstrap with too few resamples."""
    if boot is None:
        return [{**point, "low": None, "high": None} for point in curve]
    low, high = boot.quantile_tuning_curve_band([point["trials"] for point in curve])
    return [{**point, "low": a, "high": b} for point, a, b in zip(curve, low.tolist(), high.tolist(), strict=True)]


def _interval(boot: "Bootstrap", name: str, method: "Method", problems: list[str]) -> ParameterInterval:
    """Return an interval: by percentiles if BCa is impossible, None with the reason if there are too few resamples."""
    values = getattr(boot, name)[boot.gamma > 0]
    found: ParameterInterval = {"low": None, "high": None, "method": None, "standard_error": None}
    methods: tuple[Method, ...] = ("bca", "percentile") if method == "bca" else ("percentile",)
    for one in methods:
        try:
            found["low"], found["high"] = boot.interval(name, method=one)
        except InputError as error:
            problems.append(f"{name}: {error}" if one == "bca" else str(error))
        else:
            found["method"] = one
            break
    if len(values) > 1:
        found["standard_error"] = float(np.std(values, ddof=1))
    return found


def _warnings(found: Resamples) -> list[str]:
    warnings = []
    if found["num_resamples"] < found["num_requested"]:
        warnings.append(f"interrupted after {found['num_resamples']:,} of {found['num_requested']:,} resamples")
    for number, text in (
        (found["num_failed"], "have fewer than three different scores inside the regime and were left out"),
        (found["num_not_converged"], "did not converge"),
    ):
        if number > _WORRYING_SHARE * found["num_resamples"]:
            warnings.append(f"{number:,} of {found['num_resamples']:,} resamples {text}")
    return warnings


def save(boot: "Bootstrap", path: str) -> None:
    """Write the estimates from the resamples to a Parquet file, one row each."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with written_whole(path, "wb") as file:
            parquet.write_table(pa.table({name: getattr(boot, name) for name in _COLUMNS}), file)
    except OSError as error:
        raise InputError(f"--save cannot write {path!r}: {error.strerror or error}") from error


def print_bootstrap(document: BootstrapDocument, console: "Console") -> None:
    """Print a bootstrap as tables: the estimates with their intervals, and the tuning curve with its band."""
    from rich.text import Text

    found = document["bootstrap"]
    print_head(document, console)
    console.print(indented(_estimates(document)))
    shares = shares_of(found["gamma_probabilities"])
    used = found["num_resamples"] - found["num_failed"]
    explain_parameters(document, console)
    console.print()
    console.print(Text.assemble(("Scores     ", "bold"), counts_of(document)))
    many = "resample of the scores" if used == 1 else "resamples of the scores, drawn with replacement"
    console.print(Text.assemble(("Resamples  ", "bold"), f"{used:,} fitted {many}, seed {found['seed']}"))
    console.print(Text.assemble(("Best gamma ", "bold"), f"{shares} of the resamples"))
    console.print()
    warn(document, console)
    of = percent(found["confidence"])
    console.print(Text(f"Tuning curve: the median of the best score after n trials, {of} interval for each n", "bold"))
    show = score_format(document)
    ends = [(end, functools.partial(_end, end, show)) for end in ("low", "high")]
    console.print(indented(curve_table(document, ends)))
    explain_notes(document, console)


def _end(name: str, show: "Callable[[float | None], str]", point: "Mapping[str, Any]") -> str:
    """Return the cell of an end of the band; outside the regime it has two digits."""
    return significant(point[name], 2) if point["in_regime"] is False else show(point[name])


def _estimates(document: BootstrapDocument) -> Any:
    found = document["bootstrap"]
    show = score_format(document)
    method = "" if found["method"] == "percentile" else ", BCa"
    table = small_table("", ["estimate", f"{percent(found['confidence'])} interval{method}", "standard error"])
    estimates = {"alpha": document["alpha"], "beta": document["beta"], "sigma": document["sigma"]}
    for name, estimate in estimates.items():
        number = (lambda x: significant(x, 3)) if name == "sigma" else show
        if name == "sigma":
            table.add_row("gamma", str(document["gamma"]), "", "")
        ends = found["intervals"][name]
        interval = f"{number(ends['low'])} to {number(ends['high'])}" if ends["method"] else "too few"
        if ends["method"] not in (None, found["method"]):
            interval += " (percentile)"
        table.add_row(name, number(estimate), interval, significant(ends["standard_error"], 2))
    return table
