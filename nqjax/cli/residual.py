"""`nqjax residual`."""

import argparse
import math
from typing import TYPE_CHECKING, Any

from nqjax.cli import output, process
from nqjax.cli.noise import CONFIDENCE as NOISE_CONFIDENCE
from nqjax.cli.options import (
    AUTO,
    add_command,
    add_confidence,
    add_threshold,
    level_of,
    limits,
    read_whole,
    threshold_of,
)
from nqjax.cli.reading import add_file
from nqjax.cli.searching import add_data, add_running, check_out, safe_in, task_of, telling
from nqjax.errors import InputError

if TYPE_CHECKING:
    from nqjax.trials.table import Trials

_EPILOG = """\
Configurations at evenly spaced quantiles of a search's scores are retrained with many seeds each, and the noise is
tested: is it normal, with one standard deviation inside the regime? After Ctrl-C, the same command continues.

examples:
  nqjax residual trials.jsonl --seeds 128 --out residual.jsonl
  nqjax residual trials.jsonl --seeds 32 --quantiles 8 --threshold 0.07 --out residual.jsonl
  nqjax noise residual.jsonl --config config_id --metric val_loss --threshold 0.07 --plot noise.png
"""


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "residual",
        _run,
        usage="nqjax residual TRIALS.jsonl --out RUNS.jsonl [--seeds N] [--quantiles K] [--threshold T] [options]",
        summary="retrain configurations of a search with many seeds, and test the noise model",
        description="Retrain configurations of a search with many seeds each, and test whether the noise model holds.",
        epilog=_EPILOG,
    )
    add_file(parser, "the .jsonl file that nqjax search has written")
    parser.add_argument(
        "--seeds", metavar="N", type=read_whole, default=128, help="runs of each configuration (default: 128)"
    )
    parser.add_argument(
        "--quantiles", metavar="K", type=read_whole, default=8, help="how many configurations (default: 8)"
    )
    add_running(parser)
    add_threshold(
        parser,
        "where the regime ends, for the verdict; auto chooses it from the search, none judges all (default: auto)",
    )
    add_confidence(parser, NOISE_CONFIDENCE)
    add_data(parser)
    output.add_json(parser)


def _run(args: argparse.Namespace) -> None:
    from nqjax.trials.table import read_trials

    if args.out is None:
        args.parser.error("give --out, the file of the runs")
    check_out(args.out)
    trials = read_trials(args.file)
    task = task_of(trials, args.file, args.data)
    process.use_compilation_cache()
    safe = safe_in(args.out)
    process.listen_for_ctrl_c("finishing the round", safe)
    process.say_warnings()
    from nqjax.search.experiments.residual import residual

    with telling(safe):
        residual(
            task,
            trials,
            num_seeds=args.seeds,
            num_quantiles=args.quantiles,
            out=args.out,
            population=args.population,
            progress=True,
        )
    _judge(args, trials)


def _judge(args: argparse.Namespace, trials: "Trials") -> None:
    from nqjax.checks.noise import noise_diagnostics
    from nqjax.report.head import head_of
    from nqjax.report.noise import noise_document, print_noise

    threshold, sigma = args.threshold, None
    if threshold == AUTO:
        threshold, sigma = _regime(trials)
    regime = limits(threshold, trials.minimize)
    found = noise_diagnostics(
        args.out,
        "config_id",
        trials.score,
        limits=regime,
        minimize=trials.minimize,
        fit=sigma,
        level=level_of(args.confidence),
    )
    end = threshold_of(regime, trials.minimize)
    head = head_of(args.out, trials.score, trials.minimize, end, trials.scores)
    output.give(args, noise_document(found, head=head, config="config_id"), print_noise)


def _regime(trials: "Trials") -> tuple[float | None, float | None]:
    """Return the threshold and the fitted sigma of the search, None if it has no regime."""
    from nqjax.checks.regime import find_regime

    try:
        regime = find_regime(trials.scores, minimize=trials.minimize)
    except InputError:  # too few different scores
        return None, None
    if regime.fit is None or not math.isfinite(regime.threshold):
        return None, None
    return regime.threshold, regime.fit.sigma or None
