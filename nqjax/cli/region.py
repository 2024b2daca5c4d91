"""`nqjax region`."""

import argparse
import warnings
from typing import Any

from nqjax.cli import output, process, threshold
from nqjax.cli.bands import METHODS as BANDS
from nqjax.cli.options import add_command, add_search, constraints, limits, read_seed, read_share, read_whole

_METHODS = ("profile", "consonance", "bootstrap", "posterior")


_EPILOG = """\
profile     what fits nearly as well as the best fit does; each interval has the confidence by itself
consonance  what keeps within a confidence band over the regime; all intervals together have the confidence: wide
bootstrap   percentiles of refitted resamples; with few scores it covers less than it says
posterior   credible intervals under a weak prior: right on average over it; nqjax posterior says more

docs/coverage.md has the coverage of all four, measured.

examples:
  nqjax region trials.csv --metric val_loss
  nqjax region trials.csv --metric error --threshold 0.11 --method consonance --confidence 0.8
  nqjax region trials.csv --metric error --threshold 0.11 --alpha 0 1 --beta 0 1 --json
"""


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "region",
        _run,
        usage="nqjax region FILE --metric NAME [--minimize | --maximize] [--threshold T|auto|none] [options]",
        summary="confidence intervals of the parameters and of the tuning curve",
        description="Confidence intervals: how good the model can get, what more trials would buy, and how sure it is.",
        epilog=_EPILOG,
    )
    add_search(parser)
    parser.add_argument("--method", choices=_METHODS, default=_METHODS[0], help="see below (default: profile)")
    parser.add_argument("--confidence", metavar="P", type=read_share, default=0.95, help="(default: 0.95)")
    parser.add_argument("--band", choices=BANDS, default=BANDS[0], help="of consonance (default: the first)")
    parser.add_argument("--resamples", metavar="N", type=read_whole, default=1000, help="of bootstrap (default: 1000)")
    parser.add_argument(
        "--seed", metavar="S", type=read_seed, default=0, help="of bootstrap and posterior (default: 0)"
    )
    output.add_printed(parser)


def _run(args: argparse.Namespace) -> None:
    from nqjax.trials.scores import read_scores

    scores = read_scores(args.file, args.metric)
    process.use_compilation_cache()
    import jax

    import nqjax
    from nqjax.report.confidence import print_confidence, region_document

    threshold.choose(args, scores)
    study: dict[str, Any] = {
        "limits": limits(args.threshold, args.minimize),
        "confidence": args.confidence,
        "minimize": args.minimize,
        **constraints(args),
    }
    notes: list[str] = []
    if args.method == "consonance":
        region: nqjax.Region = nqjax.consonance_region(scores, method=args.band, **study)
    else:
        key = jax.random.key(args.seed)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            region = nqjax.confidence_region(scores, method=args.method, key=key, num_resamples=args.resamples, **study)
        notes = [str(w.message) for w in caught if issubclass(w.category, nqjax.SamplingWarning)]
    document = region_document(region, head=output.head(args), trials=args.trials)
    document["warnings"] += notes
    output.give(args, document, print_confidence)
