"""`nqjax fit`."""

import argparse
from typing import TYPE_CHECKING, Any

from nqjax.cli import averaged, cautions, output, process, reading, reruns, threshold
from nqjax.cli.options import AUTO, add_command, add_noise, add_search

if TYPE_CHECKING:
    import numpy as np

    from nqjax.estimation.fit import Fit


_EPILOG = """\
Without a threshold the answer is averaged over all thresholds, and every estimate has an interval. With one it is the
fit of the scores that are as good or better, by the maximum product of spacings.

The options of the parameters take one number, which fixes the parameter, or two, its lowest and its highest value; an
end may be -inf or inf. Scores that are missing, NaN or infinite are failed runs, which count as worse than all scores.

examples:
  nqjax fit trials.csv --metric val_loss
  nqjax fit trials.csv --metric val_loss --threshold 3.695
  nqjax fit trials.jsonl --metric metrics.accuracy --maximize --threshold 0.89 --beta 0 1
  nqjax fit trials.parquet --metric val_loss --gamma 1 8 --json | jq .alpha
  nqjax fit trials.csv --metric val_loss --threshold 3.695 --plot curve.png
  nqjax fit sqlite:///study.db --study resnet
  nqjax fit shard-*.csv --metric val_loss --where "State == 'finished'"
  nqjax fit trials.csv --metric val_loss --noise reruns.csv --noise-config learning_rate dropout
"""


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "fit",
        run,
        usage="nqjax fit FILE ... [--metric NAME] [--minimize | --maximize] [--threshold T|auto|none] [options]",
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
    output.check_output(args)
    scores = reading.read(args)

    process.use_compilation_cache()
    noise = reruns.read(args)
    if averaged.leaves_open(args):
        post = averaged.answer(args, scores, noise=noise)
        averaged.give(args, post, scores)
        output.draw(args, post, scores)
        return
    from nqjax.analysis.fit import fit_of
    from nqjax.report.few import print_few
    from nqjax.report.fit import print_fit

    chosen = threshold.resolve(args, scores, noise)
    fit = fit_of(chosen)
    found = cautions.cautions(args, chosen, fit)
    document = output.fit_document(args, fit, scores, chosen.study.limits)
    document["warnings"] = cautions.joined(document["warnings"], found)
    document["few"] = few_of(args, fit, scores, found)
    if document["few"] is not None:
        output.give(args, document, print_few)
    else:
        output.give(args, {**document, "regime": threshold.movement(args, scores, chosen, noise)}, print_fit)
    output.draw(args, fit, scores)


def few_of(args: argparse.Namespace, fit: "Fit", scores: "np.ndarray", found: list[str]) -> dict[str, Any] | None:
    """Return the answer for few scores; None where there are enough, or where the user gave the threshold."""
    from nqjax.checks.few import is_too_few
    from nqjax.report.few import few_answer

    if args.threshold != AUTO or not is_too_few(fit.num_used):
        return None
    return {**few_answer(scores, minimize=args.minimize, num_used=fit.num_used), "warnings": found}
