"""`nqjax compare`."""

import argparse
from typing import Any

from nqjax.cli import output, process, reading, reruns, threshold
from nqjax.cli.options import (
    add_command,
    add_constraints,
    add_noise,
    add_sampler,
    add_study,
    add_threshold,
    constraints,
    read_numbers,
    sampler,
    threshold_of,
)
from nqjax.errors import InputError

_EPILOG = """\
Each search has its own threshold, chosen by tests, unless one is given for both. Numbers of trials are those of the
first search; with --cost, the second one makes as many as cost the same.

examples:
  nqjax compare ours.csv theirs.csv --metric error
  nqjax compare small.csv large.csv --metric accuracy --maximize --cost 1 4 --trials 16 64 256
"""


def read_cost(text: str) -> tuple[float, float]:
    """Return two positive numbers."""
    numbers = read_numbers(text)
    if len(numbers) != 2 or not all(0 < x < float("inf") for x in numbers):
        raise argparse.ArgumentTypeError("give two positive numbers: what a trial of each costs")
    return numbers[0], numbers[1]


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "compare",
        _run,
        usage="nqjax compare FILE FILE [--metric NAME] [--minimize | --maximize] [options]",
        summary="the probability that one search beats another at equal trials or equal cost",
        description="Which of two models wins if both are tuned with equal effort?",
        epilog=_EPILOG,
    )
    for name, text in (("file", "the trials of the first search"), ("other", "the trials of the second search")):
        parser.add_argument(name, metavar="FILE", help=text)
    add_study(parser)
    add_threshold(parser)
    add_constraints(parser)
    add_noise(parser)
    parser.add_argument(
        "--cost",
        metavar="A B",
        type=read_cost,
        default=(1.0, 1.0),
        help="costs of one trial of each search (default: 1 1)",
    )
    add_sampler(parser)
    output.add_printed(parser)


def _run(args: argparse.Namespace) -> None:
    if args.trials is not None and any(n != int(n) for n in args.trials):
        raise InputError("--trials has a fraction of a trial: give whole numbers of trials")
    studies = [reading.read_one(args, file) for file in (args.file, args.other)]
    reading.keep(args, studies)
    scores = [study.scores for study in studies]
    process.use_compilation_cache()
    noises = reruns.read_each(args, [args.file, args.other], studies)
    process.listen_for_ctrl_c()
    import warnings

    import jax
    import numpy as np

    import nqjax
    from nqjax.report.comparison import comparison_document, print_comparison

    posts: list[Any] = []
    notes, searches = [], []
    keys = jax.random.split(jax.random.key(args.seed))
    for name, y, key, measured in zip((args.file, args.other), scores, keys, noises, strict=True):
        noise = None if measured is None else measured.noise
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", nqjax.SamplingWarning)
            try:
                limits = threshold.resolve(args, y, noise).study.limits
                study: dict[str, Any] = {
                    "limits": limits,
                    "minimize": args.minimize,
                    "noise": noise,
                    **constraints(args),
                }
                posts.append(nqjax.sample_posterior(y, key=key, progress=True, **study, **sampler(args)))
            except InputError as error:
                raise InputError(f"{name}: {error}") from None
        searches.append(_entry(args, name, posts[-1], limits, y, measured))
        notes += [f"{name}: {w.message}" for w in caught if issubclass(w.category, nqjax.SamplingWarning)]
    document = comparison_document(
        nqjax.compare(posts[0], posts[1], np.asarray(output.trials(args, len(scores[0]))), cost=args.cost),
        (posts[0], posts[1]),
        metric=args.metric,
        minimize=args.minimize,
        cost=args.cost,
        seed=args.seed,
        searches=searches,
        names=(args.file, args.other),
        confidence=args.confidence,
        warnings=notes,
    )
    output.give(args, document, print_comparison)


def _entry(args: argparse.Namespace, name: str, post: Any, limits: Any, y: Any, measured: Any) -> dict[str, Any]:
    """Return what the document says of one of the searches."""
    from nqjax.report.tables import finite

    head = output.head(args, limits, y)
    return {
        "file": name,
        "threshold": threshold_of(limits, args.minimize),
        "num_used": post.num_used,
        "noise": reruns.entry(measured),
        **{key: head[key] for key in ("best_score", "threshold_shown")},  # type: ignore[literal-required]
        "num_scores": post.num_scores,
        "gamma_probabilities": {str(g): float(p) for g, p in post.gamma_probabilities.items()},
        "regime_start": finite(post.regime_start),
        "good": bool(post.diagnostics.good),
        "verdict": post.diagnostics.verdict,
    }
