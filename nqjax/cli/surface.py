"""`nqjax surface`."""

import argparse
from typing import Any

from nqjax.cli import output, process, reading
from nqjax.cli.landscape import add_report, check_report
from nqjax.cli.options import AUTO, add_command, add_confidence, add_seed, add_study, read_regime, read_whole
from nqjax.errors import InputError

_EPILOG = """\
Near its optimum the loss is a quadratic function of the hyperparameters. This command fits that surface to the trials
better than a threshold, and averages over thresholds. It does not matter how trials were chosen: random search,
Bayesian optimisation, grids and trials by hand all serve, and failed runs count as worse than the threshold.

examples:
  nqjax surface trials.csv --metric val_loss
  nqjax surface sqlite:///study.db --study resnet --propose 5
  nqjax surface trials.csv --metric val_loss --report surface.html
  nqjax surface trials.csv --metric accuracy --maximize --threshold 0.85 --json
"""


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "surface",
        _run,
        usage="nqjax surface FILE ... [--metric NAME] [--minimize | --maximize] [options]",
        summary="the best configuration, how sure, which combinations matter: from any trials, adaptive ones too",
        description="Where is the best configuration, how good is it, and which hyperparameters decide?",
        epilog=_EPILOG,
    )
    reading.add_files(parser)
    add_study(parser)
    parser.add_argument(
        "--threshold",
        metavar="T|auto|none",
        type=read_regime,
        default=AUTO,
        help="where the surface ends: a worse trial counts as worse, whatever its score; auto averages over "
        "thresholds, none uses all scores (default: auto)",
    )
    add_confidence(parser, "the intervals")
    parser.add_argument("--propose", metavar="N", type=read_whole, default=0, help="name N configurations to run next")
    parser.add_argument(
        "--method",
        choices=("ei", "thompson"),
        default="ei",
        help="how they are chosen: by expected improvement, or the best points of random draws (default: ei)",
    )
    add_seed(parser, "the draws")
    add_report(parser)
    output.add_json(parser)


def _run(args: argparse.Namespace) -> None:
    check_report(args)
    reading.read(args)
    process.use_compilation_cache()
    process.listen_for_ctrl_c()
    import warnings

    import jax

    import nqjax
    from nqjax.errors import FitWarning
    from nqjax.report.surface import print_surface, surface_document

    (study,) = args.studies
    if not study.config:
        raise InputError(f"{args.file} has no hyperparameters: a surface needs the configurations, too")
    key = jax.random.key(args.seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)  # the document has them
        found = nqjax.fit_surface(study, threshold=args.threshold, minimize=args.minimize, key=key)
        # The scores alone speak of random searches only.
        post = None if study.warnings else nqjax.confidence_region(study.scores, minimize=args.minimize, key=key)
    alone = post if isinstance(post, nqjax.AveragedPosterior) else None
    document = {
        **output.head(args, None, study.scores),
        **surface_document(
            found, confidence=args.confidence, post=alone, proposals=args.propose, method=args.method, key=key
        ),
    }
    output.give(args, document, print_surface)
    if args.report is not None:
        from nqjax.report.surface_page import save_surface

        save_surface(args.report, reading.described(args, document), found, args.command_line)
