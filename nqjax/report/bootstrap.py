"""What there is to say about a bootstrap: a document for machines, tables for people, a file of the resamples."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from nqjax.errors import InputError
from nqjax.report.tables import (
    counts_of,
    curve_table,
    explain_notes,
    print_head,
    score_format,
    significant,
    small_table,
    warn,
)
from nqjax.runtime.files import written_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from nqjax.confidence.bootstrap import Bootstrap, Method


_COLUMNS = ("alpha", "beta", "gamma", "sigma", "loss", "gradient_norm", "converged")


#: A share of resamples that could not be fitted, or did not converge, that is worth a warning.
_MANY = 0.01


def extend(
    document: dict[str, Any], boot: "Bootstrap", *, level: float, method: "Method", seed: int, requested: int
) -> None:
    """Add to the document of a fit (`nqjax.report.fit_document`) what the resamples say."""
    trials = [point["trials"] for point in document["tuning_curve"]]
    problems: list[str] = []
    intervals = {name: _interval(boot, name, level, method, problems) for name in ("alpha", "beta", "sigma")}
    try:
        band = boot.tuning_curve_band(trials, level).tolist()
    except InputError:  # the intervals have said why
        band = [[None] * len(trials)] * 2
    for point, low, high in zip(document["tuning_curve"], *band, strict=True):
        point["low"], point["high"] = low, high
    document["bootstrap"] = {
        "num_resamples": boot.num_resamples,
        "num_requested": requested,
        "num_failed": boot.num_failed,
        "num_not_converged": int(np.sum(~boot.converged & (boot.gamma > 0))),
        "level": level,
        "method": method,
        "seed": seed,
        "has_band": band[0][0] is not None,
        "intervals": intervals,
        "gamma_probabilities": {str(gamma): share for gamma, share in boot.gamma_probabilities.items()},
    }
    document["warnings"] += [*_warnings(document["bootstrap"]), *dict.fromkeys(problems)]


def _interval(
    boot: "Bootstrap", name: str, level: float, method: "Method", problems: list[str]
) -> dict[str, float | str | None]:
    """One interval: percentile where BCa is impossible, and none where there are too few resamples, with the reason."""
    values = getattr(boot, name)[boot.gamma > 0]
    found: dict[str, float | str | None] = {"low": None, "high": None, "method": None}
    methods: tuple[Method, ...] = ("bca", "percentile") if method == "bca" else ("percentile",)
    for one in methods:
        try:
            found["low"], found["high"] = boot.interval(name, level, one)
        except InputError as error:
            problems.append(f"{name}: {error}" if one == "bca" else str(error))
        else:
            found["method"] = one
            break
    found["standard_error"] = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return found


def _warnings(found: "Mapping[str, Any]") -> list[str]:
    warnings = []
    if found["num_resamples"] < found["num_requested"]:
        warnings.append(f"interrupted after {found['num_resamples']:,} of {found['num_requested']:,} resamples")
    for name, text in (
        ("num_failed", "have fewer than three different scores inside the limits and were left out"),
        ("num_not_converged", "did not converge"),
    ):
        if found[name] > _MANY * found["num_resamples"]:
            warnings.append(f"{found[name]:,} of {found['num_resamples']:,} resamples {text}")
    return warnings


def save(boot: "Bootstrap", path: str) -> None:
    """Write the resamples' estimates to a Parquet file, one row each."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with written_whole(path, "wb") as file:
            parquet.write_table(pa.table({name: getattr(boot, name) for name in _COLUMNS}), file)
    except OSError as error:
        raise InputError(f"--save cannot write {path!r}: {error.strerror or error}") from error


def print_bootstrap(document: "Mapping[str, Any]", console: "Console") -> None:
    """Print the document for people to read: the estimates with their intervals, and the tuning curve with its band."""
    from rich.padding import Padding
    from rich.text import Text

    found = document["bootstrap"]
    print_head(document, console)
    console.print(Padding(_estimates(document), (0, 0, 1, 2), expand=False))
    shares = ", ".join(f"{gamma}={_percent(share)}" for gamma, share in found["gamma_probabilities"].items())
    used = found["num_resamples"] - found["num_failed"]
    console.print(Text.assemble(("Scores     ", "bold"), counts_of(document)))
    console.print(Text.assemble(("Resamples  ", "bold"), f"{used:,}, refitted; seed {found['seed']}"))
    console.print(Text.assemble(("Best gamma ", "bold"), f"{shares} of the resamples"))
    console.print()
    warn(document, console)
    level = _percent(found["level"])
    console.print(Text(f"Tuning curve: the median of the best score, with pointwise {level} intervals", "bold"))
    show = score_format(document)
    console.print(
        Padding(
            curve_table(document, [("low", lambda p: show(p["low"])), ("high", lambda p: show(p["high"]))]),
            (0, 0, 0, 2),
            expand=False,
        )
    )
    explain_notes(document, console)


def _estimates(document: "Mapping[str, Any]") -> Any:
    found = document["bootstrap"]
    show = score_format(document)
    method = "" if found["method"] == "percentile" else ", BCa"
    table = small_table("", ["estimate", f"{_percent(found['level'])} interval{method}", "standard error"])
    for name in ("alpha", "beta", "gamma", "sigma"):
        if name == "gamma":
            table.add_row("gamma", str(document["gamma"]), "", "")
            continue
        number = (lambda x: significant(x, 4)) if name == "sigma" else show
        ends = found["intervals"][name]
        interval = f"{number(ends['low'])} to {number(ends['high'])}" if ends["method"] else "too few"
        if ends["method"] not in (None, found["method"]):
            interval += " (percentile)"
        table.add_row(name, number(document[name]), interval, significant(ends["standard_error"], 2))
    return table


def _percent(share: float) -> str:
    if not math.isfinite(share):
        return "?"
    return f"{100 * share:.3g} %"
