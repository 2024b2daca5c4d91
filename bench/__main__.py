"""``python -m bench [PART ...] [--quick] [--cache FOLDER]``: print the tables that bench/RESULTS.md keeps."""

import argparse
import importlib
import os

from bench.common import machine

PARTS = (
    "accuracy",
    "speed",
    "fits",
    "many",
    "landscape",
    "redraws",
    "samples",
    "findings",
    "cost",
    "bands",
    "coverage",
    "thresholds",
    "shapes",
    "plans",
    "reruns",
    "incumbents",
    "stopping",
    "comparison",
    "checks",
    "subsamples",
    "surface",
    "surface_data",
    "surface_tpe",
    "gamma",
    "worth",
    "worth_coverage",
    "references",
    "optimizer_speed",
    "warm_start",
    "fidelity",
    "hypergradients",
    "nested",
    "pareto",
    "pbt",
    "real_trainings",
    "proposals",
    "kernel",
    "posterior",
    "calibration",
    "integrals",
    "search",
    "cli",
    "compilation",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of: {', '.join(PARTS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and searches: minutes less, and rougher")
    parser.add_argument("--cache", metavar="FOLDER", help="where long parts keep what is done (default: build/bench)")
    args = parser.parse_args()
    if args.cache:
        os.environ["NQJAX_BENCH_CACHE"] = args.cache
    for unknown in set(args.parts) - set(PARTS):
        parser.error(f"unknown part {unknown!r}; choose from {', '.join(PARTS)}")
    print(machine())
    for part in args.parts or PARTS:
        importlib.import_module(f"bench.{part}").main(quick=args.quick)


if __name__ == "__main__":
    main()
