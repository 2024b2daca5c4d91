"""`nqjax posterior`."""

import argparse
from pathlib import Path
from typing import Any

from nqjax.cli import output, process, threshold
from nqjax.cli.options import (
    add_command,
    add_sampler,
    add_search,
    constraints,
    limits,
    sampler,
)
from nqjax.errors import InputError

_EPILOG = """\
nuts        NumPyro's sampler for each gamma, in the proportions that quadrature gives the gammas
quadrature  independent draws from a grid over the posterior, with a Metropolis step: seconds less, and as good

Credible intervals are statements of probability given the scores, the model, the threshold and the prior, which
docs/posterior.md has.

examples:
  nqjax posterior trials.csv --metric val_loss --report posterior.html
  nqjax posterior trials.csv --metric error --threshold 0.11 --alpha 0 1 --beta 0 1 --prob 0.9
  nqjax posterior trials.csv --metric error --method quadrature --draws draws.parquet --json
"""


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "posterior",
        _run,
        usage="nqjax posterior FILE --metric NAME [--minimize | --maximize] [--threshold T|auto|none] [options]",
        summary="the Bayesian posterior of the parameters and of the tuning curve, with a report",
        description="The posterior: probabilities of what the model can reach, and of what more trials would buy.",
        epilog=_EPILOG,
    )
    add_search(parser)
    add_sampler(parser)
    parser.add_argument("--report", metavar="PAGE", help="write everything to one page, a .html file")
    parser.add_argument("--draws", metavar="OUT", help="write the draws to a Parquet file, a row each")
    output.add_printed(parser)


def _run(args: argparse.Namespace) -> None:
    from nqjax.trials.scores import read_scores

    if args.report is not None:
        from nqjax.report.page import check_page

        check_page(args.report)
    if args.draws is not None and not Path(args.draws).resolve().parent.is_dir():
        raise InputError(f"there is no folder {str(Path(args.draws).parent)!r} for the draws")
    scores = read_scores(args.file, args.metric)
    process.use_compilation_cache()
    process.listen_for_ctrl_c()
    import warnings

    import jax

    import nqjax
    from nqjax.report.posterior import posterior_document, print_posterior

    chosen = threshold.choose(args, scores)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nqjax.SamplingWarning)  # the document says it
        study: dict[str, Any] = {
            "limits": limits(args.threshold, args.minimize),
            "minimize": args.minimize,
            **constraints(args),
        }
        post = nqjax.sample_posterior(scores, key=jax.random.key(args.seed), progress=True, **study, **sampler(args))
    args.confidence = args.prob
    why = None
    if chosen is not None:
        p_value = next(one.p_value for one in chosen.path if one.threshold == chosen.threshold)
        why = {"p_value": p_value, "level": chosen.level, "reason": chosen.reason}
    head = {**output.head(args), "command": args.command_line, "regime": why}
    document = posterior_document(post, head=head, trials=args.trials, seed=args.seed)
    if args.draws is not None:
        _save_draws(args.draws, post)
    output.give(args, document, print_posterior)
    if args.report is not None:
        from nqjax.report.page import save_page

        save_page(args.report, post, document)


def _save_draws(path: str, post: Any) -> None:
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet

    from nqjax.runtime.files import written_whole

    chain, draw = np.indices(post.alpha.shape)
    names = ("alpha", "beta", "gamma", "sigma", "regime_probability")
    columns = {"chain": chain, "draw": draw, **{name: getattr(post, name) for name in names}}
    try:
        with written_whole(path, "wb") as file:
            parquet.write_table(pa.table({name: np.ravel(x) for name, x in columns.items()}), file)
    except OSError as error:
        raise InputError(f"--draws cannot write {path!r}: {error.strerror or error}") from error
