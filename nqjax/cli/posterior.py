"""`nqjax posterior`."""

import argparse
from typing import Any

from nqjax.cli import averaged, output, process, reading, reruns, threshold
from nqjax.cli.options import add_command, add_noise, add_search, constraints
from nqjax.cli.sampling import AVERAGED, METHODS, add_sampler, sampler
from nqjax.errors import InputError
from nqjax.runtime.extras import require
from nqjax.runtime.files import check_writable

_EPILOG = """\
averaged    averaged over every threshold and over real gammas: the default without a threshold, and the only one whose
            intervals hold where the regime is a small share of the scores
quadrature  one threshold, chosen or given: independent draws from a grid over the posterior, corrected by a Metropolis
            step; the default with a threshold
nuts        the same by NumPyro's sampler for each gamma; slower

Credible intervals are statements of probability given the scores, the model, the threshold and the prior
(docs/posterior.md).

examples:
  nqjax posterior trials.csv --metric val_loss --report posterior.html
  nqjax posterior trials.csv --metric error --threshold 0.11 --alpha 0 1 --beta 0 1 --confidence 0.9
  nqjax posterior trials.csv --metric error --method quadrature --draws draws.parquet --json
"""


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "posterior",
        _run,
        usage="nqjax posterior FILE ... [--metric NAME] [--minimize | --maximize] [--threshold T|auto|none] [options]",
        summary="the Bayesian posterior of the parameters and of the tuning curve, with a report",
        description="The posterior: probabilities of the parameters and of what more trials would bring.",
        epilog=_EPILOG,
    )
    add_search(parser)
    add_noise(parser)
    add_sampler(parser, averaged=True)
    parser.add_argument(
        "--report", metavar="PAGE", help="write an HTML page with tables, pictures and diagnostics, a .html file"
    )
    parser.add_argument("--draws", metavar="OUT", help="write the draws to a Parquet file, one in each row")
    output.add_printed(parser)


def _run(args: argparse.Namespace) -> None:
    if args.report is not None:
        from nqjax.report.page import check_page

        check_page(args.report)
    if args.draws is not None:
        require("pyarrow", "parquet", "--draws")
    if args.draws is not None:
        check_writable(args.draws)
    scores = reading.read(args)
    process.use_compilation_cache()
    noise = reruns.read(args)
    process.listen_for_ctrl_c()
    if args.method is None:
        args.method = AVERAGED if averaged.leaves_open(args) else METHODS[0]
    if args.method == AVERAGED:
        _run_averaged(args, scores, noise)
        return
    import warnings

    import jax

    import nqjax
    from nqjax.report.posterior import posterior_document, print_posterior

    chosen = threshold.resolve(args, scores, noise)
    limits, regime = chosen.study.limits, chosen.regime
    study: dict[str, Any] = {"limits": limits, "minimize": args.minimize, "noise": noise, **constraints(args)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nqjax.SamplingWarning)  # the document has it
        post: Any = nqjax.sample_posterior(
            scores, key=jax.random.key(args.seed), progress=True, **study, **sampler(args)
        )
    why = None
    if regime is not None:
        why = {"p_value": regime.p_value, "level": regime.level, "reason": regime.reason}
    document = posterior_document(
        post,
        head=output.head(args, limits, scores),
        trials=output.trials(args, len(scores)),
        seed=args.seed,
        command=args.command_line,
        regime=why,
    )
    if args.draws is not None:
        _save_draws(args.draws, post)
    output.give(args, document, print_posterior)
    if args.report is not None:
        from nqjax.report.page import save_page

        described: Any = reading.described(args, dict(document))
        save_page(args.report, post, described)


def _run_averaged(args: argparse.Namespace, scores: Any, noise: Any) -> None:
    """Give the answer that is averaged over thresholds."""
    import jax

    key, shape = jax.random.key(args.seed), (args.chains, args.samples)
    average: Any = averaged.answer(args, scores, args.confidence, key=key, shape=shape, noise=noise)
    if args.draws is not None:
        _save_draws(args.draws, average)
    found = averaged.give(args, average, scores)
    if args.report is not None:
        from nqjax.report.averaged_page import save_averaged_page

        with_data: Any = reading.described(args, found)
        save_averaged_page(args.report, average, with_data, args.command_line)


def _save_draws(path: str, post: Any) -> None:
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet

    from nqjax.runtime.files import written_whole

    chain, draw = np.indices(post.alpha.shape)
    names = ("alpha", "beta", "gamma", "sigma", "regime_probability", *["threshold"] * hasattr(post, "threshold"))
    columns = {"chain": chain, "draw": draw, **{name: getattr(post, name) for name in names}}
    try:
        with written_whole(path, "wb") as file:
            parquet.write_table(pa.table({name: np.ravel(x) for name, x in columns.items()}), file)
    except OSError as error:
        raise InputError(f"--draws cannot write {path!r}: {error.strerror or error}") from error
