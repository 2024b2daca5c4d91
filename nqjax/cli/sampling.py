"""Options of a posterior's sampler."""

import argparse
from typing import Any

from nqjax.cli.options import add_confidence, add_seed, at_least

#: Samplers of a posterior within one regime, and the one that averages over all.
METHODS = ("quadrature", "nuts")
AVERAGED = "averaged"


def add_sampler(parser: argparse.ArgumentParser, averaged: bool = False) -> None:
    """Declare the options of the sampler; ``averaged`` says whether it may average over all thresholds."""
    if averaged:
        parser.add_argument(
            "--method",
            choices=(AVERAGED, *METHODS),
            help="the sampler, see below (default: averaged; quadrature with a threshold)",
        )
    else:
        text = "the sampler, see below (default: quadrature)"
        parser.add_argument("--method", choices=METHODS, default=METHODS[0], help=text)
    add_confidence(parser, "the credible intervals")
    for name, least, default, text in (
        ("chains", 1, 4, "number of chains"),
        ("warmup", 50, 500, "steps in which each chain adapts"),
        ("samples", 4, 1000, "draws from each chain"),
    ):
        parser.add_argument(
            f"--{name}", metavar="N", type=at_least(least), default=default, help=f"{text} (default: {default})"
        )
    add_seed(parser, "the random numbers")


def sampler(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options of the sampler, as `nqjax.sample_posterior` takes them."""
    return {
        "method": args.method,
        "confidence": args.confidence,
        "num_chains": args.chains,
        "num_warmup": args.warmup,
        "num_samples": args.samples,
    }
