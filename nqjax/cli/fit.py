"""`nqjax fit`."""

import argparse
from typing import Any

from nqjax.cli import output, process, reruns, threshold
from nqjax.cli.options import add_command, add_noise, add_search

_EPILOG = """\
The options of the parameters take one number, which fixes the parameter, or two, its lowest and its highest value; an
end may be -inf or inf. Scores that are missing, NaN or infinite are failed runs, which count as worse than all scores.

examples:
  nqjax fit trials.csv --metric val_loss
  nqjax fit trials.csv --metric val_loss --threshold 3.695
  nqjax fit trials.jsonl --metric metrics.accuracy --maximize --threshold 0.89 --beta 0 1
  nqjax fit trials.parquet --metric val_loss --gamma 1 8 --json | jq .alpha
  nqjax fit trials.csv --metric val_loss --threshold 3.695 --plot curve.png
  nqjax fit trials.csv --metric val_loss --noise reruns.csv --noise-config learning_rate dropout
"""


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "fit",
        run,
        usage="nqjax fit FILE --metric NAME [--minimize | --maximize] [--threshold T|auto|none] [options]",
        summary="fit the noisy quadratic distribution to the scores in a file",
        description="Fit the noisy quadratic distribution to the scores of a random search, one trial a row.",
        epilog=_EPILOG,
    )
    add_arguments(parser)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_search(parser)
    add_noise(parser)
    output.add_output(parser)


def run(args: argparse.Namespace) -> None:
    """Fit the scores, print the fit and draw its tuning curve."""
    from nqjax.trials.scores import read_scores

    output.check_output(args)
    scores = read_scores(args.file, args.metric)

    process.use_compilation_cache()
    noise = reruns.read(args)
    from nqjax.analysis.fit import fit_of
    from nqjax.report.fit import print_fit

    chosen = threshold.resolve(args, scores, noise)
    fit = fit_of(chosen)
    document = output.fit_document(args, fit, scores, chosen.study.limits)
    output.give(args, {**document, "regime": threshold.movement(args, scores, chosen, noise)}, print_fit)
    output.draw(args, fit, scores)
