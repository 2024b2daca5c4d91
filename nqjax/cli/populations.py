"""Options and results of population-based training, for `nqjax search --method pbt`."""

import argparse
from typing import TYPE_CHECKING, Any

from nqjax.cli.options import at_least, read_threshold, read_whole
from nqjax.search.optimizers.registry import POPULATION

if TYPE_CHECKING:
    from nqjax.trials.table import Trials

#: The attribute of an option, and the setting that it gives.
_SETTINGS = {
    "interval": "interval",
    "burn_in": "burn_in",
    "truncation": "truncation",
    "resample": "resample",
    "exploit": "exploit_probability",
}


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--interval",
        metavar="R",
        type=read_whole,
        help="pbt: rounds between two comparisons (default: a tenth of the longest training)",
    )
    parser.add_argument(
        "--burn-in", metavar="R", type=at_least(0), help="pbt: rounds before the first trial is replaced (default: 0)"
    )
    parser.add_argument(
        "--truncation",
        metavar="SHARE",
        type=read_threshold,
        help="pbt: share of a population that takes over the weights of as many of the best (default: 0.2)",
    )
    parser.add_argument(
        "--resample",
        metavar="P",
        type=read_threshold,
        help="pbt: probability that a hyperparameter is drawn anew, not multiplied by 0.8 or 1.2 (default: 0.25)",
    )
    parser.add_argument(
        "--exploit",
        metavar="P",
        type=read_threshold,
        help="pbt: probability that one of the worst trials is replaced (default: 1)",
    )


def settings(args: argparse.Namespace) -> dict[str, Any] | None:
    """Return the settings of the method that are given; None for another method, for which they are refused."""
    given = {name: value for option, name in _SETTINGS.items() if (value := getattr(args, option)) is not None}
    if args.method == POPULATION:
        return given if args.population is None else {**given, "population": args.population}
    if given:
        names = ", ".join(f"--{option.replace('_', '-')}" for option in _SETTINGS)
        args.parser.error(f"{names} are for --method {POPULATION}")
    return None


def summary(trials: "Trials") -> dict[str, Any]:
    """Return how many trials took over the weights of others, and what all cost."""
    copied = sum(len(row["lineage"]) > 1 for row in trials.rows)
    return {"num_copied": copied, "cost": float((trials["trained"] / trials["rounds"]).sum())}


def sentence(found: dict[str, Any]) -> str:
    """Return the same in words."""
    copied = found["num_copied"]
    who = "1 trial has" if copied == 1 else f"{copied:,} trials have"
    return f"{who} taken over the weights of others; all cost {found['cost']:.3g} full trainings"
