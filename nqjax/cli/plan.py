"""`nqjax plan`."""

import argparse
from typing import TYPE_CHECKING, Any

from nqjax.cli import averaged, cautions, output, process, reading, reruns, threshold
from nqjax.cli.options import (
    add_command,
    add_confidence,
    add_noise,
    add_search,
    constraints,
    read_positive,
    read_share,
    read_threshold,
    read_whole,
)

if TYPE_CHECKING:
    import numpy as np

    from nqjax.analysis.threshold import Selection
    from nqjax.confidence.bootstrap import Bootstrap
    from nqjax.estimation.noise_data import Noise


#: Resamples for the intervals, and their confidence.
_RESAMPLES = 400
_CONFIDENCE = 0.95

_EPILOG = """\
Without a question, the answer is what 10, 100 and 1,000 more trials would bring. Without a threshold it is averaged
over thresholds and gammas, and --width is that of this answer's interval, whose width is taken to shrink with the
square root of the number of trials. With a threshold the fit is taken as exact, intervals are those of a bootstrap, and
--width is that of the band of nqjax bands.

examples:
  nqjax plan trials.csv --metric error
  nqjax plan trials.csv --metric error --threshold 0.11 --score 0.096 --probability 0.9
  nqjax plan trials.csv --metric accuracy --maximize --threshold 0.89 --score 0.904 --probability 0.5 --json
  nqjax plan trials.csv --metric error --threshold 0.11 --width 0.002 --at 20 --confidence 0.8
"""


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "plan",
        _run,
        usage="nqjax plan FILE ... [--metric NAME] [--score S --probability P | --width W --at N] [options]",
        summary="what more trials would bring, or how many it takes to reach a score or a narrow interval",
        description="What would more trials bring? How many reach a score, or narrow the tuning curve's interval?",
        epilog=_EPILOG,
    )
    add_search(parser)
    add_noise(parser)
    parser.add_argument("--score", metavar="S", type=read_threshold, help="the score to reach, or a better one")
    parser.add_argument(
        "--probability", metavar="P", type=read_share, help="probability with which the best trial reaches it"
    )
    parser.add_argument(
        "--width", metavar="W", type=read_positive, help="the largest width of the tuning curve's interval"
    )
    parser.add_argument("--at", metavar="N", type=read_whole, help="the number of trials at which it has this width")
    add_confidence(parser, "the intervals, or with a threshold of the band")
    output.add_json(parser)


def _run(args: argparse.Namespace) -> None:
    given = tuple(getattr(args, name) is not None for name in ("score", "probability", "width", "at"))
    if given not in ((False,) * 4, (True, True, False, False), (False, False, True, True)):
        args.parser.error("give --score and --probability, or --width and --at, or none of them")
    scores = reading.read(args)
    process.use_compilation_cache()
    noise = reruns.read(args)
    asked: dict[str, float] = {}
    if args.score is not None:
        asked = {"score": args.score, "probability": args.probability}
    elif args.width is not None:
        asked = {"width": args.width, "at": args.at, "confidence": args.confidence}
    if averaged.leaves_open(args):
        _give_averaged(args, scores, noise, asked)
    else:
        _give_fit(args, scores, noise, asked)


def _give_averaged(
    args: argparse.Namespace, scores: "np.ndarray", noise: "Noise | None", asked: dict[str, float]
) -> None:
    """Print the plan by the answer that is averaged over thresholds."""
    from nqjax.report.averaged_plan import averaged_gains_document, averaged_plan_document
    from nqjax.report.plan import print_gains, print_plan

    post = averaged.answer(args, scores, args.confidence, noise=noise)
    head = output.head(args, post.limits, scores)
    document: Any = (
        averaged_plan_document(post, scores, head=head, asked=asked)
        if asked
        else averaged_gains_document(post, scores, head=head)
    )
    document["warnings"] = cautions.joined(document["warnings"], averaged.cautions_of(args, post))
    output.give(args, document, print_plan if asked else print_gains)


def _give_fit(args: argparse.Namespace, scores: "np.ndarray", noise: "Noise | None", asked: dict[str, float]) -> None:
    """Print the plan by the fit within one threshold."""
    import nqjax
    from nqjax.analysis.fit import fit_of
    from nqjax.report.plan import gains_document, plan_document, print_gains, print_plan

    chosen = threshold.resolve(args, scores, noise)
    fit = fit_of(chosen)
    head = output.head(args, chosen.study.limits, scores)
    found = cautions.cautions(args, chosen, fit)
    boot = _resampled(chosen) if args.width is None else None
    if not asked:
        gains = gains_document(fit, scores, head=head, constraints=constraints(args), boot=boot)
        gains["warnings"] = cautions.joined(gains["warnings"], found)
        output.give(args, gains, print_gains)
        return
    trials = float(nqjax.required_trials(fit, **asked))  # type: ignore[arg-type]
    plan = plan_document(fit, scores, trials, head=head, asked=asked, constraints=constraints(args), boot=boot)
    plan["warnings"] = cautions.joined(plan["warnings"], found)
    output.give(args, plan, print_plan)


def _resampled(chosen: "Selection") -> "Bootstrap | None":
    """Return refits of resamples for the intervals; None where resamples cannot be fitted."""
    import jax

    from nqjax.analysis.bootstrap import bootstrap_of
    from nqjax.errors import InputError

    try:
        boot = bootstrap_of(chosen, _RESAMPLES, jax.random.key(0), _CONFIDENCE)
        boot.interval("alpha")  # raises InputError for too few resamples
    except InputError:
        return None
    return boot
