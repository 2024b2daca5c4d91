"""`nqjax compare`."""

import argparse
from typing import TYPE_CHECKING, Any

from nqjax.cli import averaged, cautions, output, process, reading, reruns, threshold
from nqjax.cli.options import (
    add_command,
    add_constraints,
    add_noise,
    add_study,
    add_threshold,
    constraints,
    read_numbers,
)
from nqjax.cli.sampling import AVERAGED, METHODS, add_sampler, sampler
from nqjax.errors import InputError

if TYPE_CHECKING:
    import jax
    import numpy as np

    from nqjax.estimation.noise_data import Noise
    from nqjax.posterior.comparison import Comparable
    from nqjax.trials.study import StudyTable

_EPILOG = """\
Each search is averaged over thresholds of its own and over gamma, unless one threshold is given for both (or
--method quadrature, which takes the threshold that tests choose for known). Numbers of trials are those of the first
search; with --cost, the second one makes as many as cost the same.

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
    add_sampler(parser, averaged=True)
    output.add_printed(parser)


def _run(args: argparse.Namespace) -> None:
    if args.trials is not None and any(n != int(n) for n in args.trials):
        raise InputError("--trials has a fraction of a trial: give whole numbers of trials")
    studies = [reading.read_one(args, file) for file in (args.file, args.other)]
    reading.keep(args, studies)
    scores = [study.scores for study in studies]
    files = [args.file, args.other]
    process.use_compilation_cache()
    noises = reruns.read_each(args, files, studies)
    process.listen_for_ctrl_c()
    if args.method is None:
        args.method = AVERAGED if averaged.leaves_open(args) else METHODS[0]

    import jax
    import numpy as np

    import nqjax
    from nqjax.report.comparison import comparison_document, print_comparison

    keys = jax.random.split(jax.random.key(args.seed))
    posts, searches, notes = [], [], []
    for file, study, key, measured in zip(files, studies, keys, noises, strict=True):
        y = study.scores
        try:
            post, warned = _sampled(_of_study(args, study), y, key, None if measured is None else measured.noise)
        except InputError as error:
            raise InputError(f"{file}: {error}") from None
        posts.append(post)
        searches.append(_entry(args, post, file, y, measured, [*study.warnings, *warned]))
        notes += [f"{file}: {warning}" for warning in warned]
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


def _of_study(args: argparse.Namespace, study: "StudyTable") -> argparse.Namespace:
    """Return the arguments as those of one of the searches."""
    return argparse.Namespace(**{**vars(args), "studies": [study]})


def _sampled(
    args: argparse.Namespace, scores: "np.ndarray", key: "jax.Array", noise: "Noise | None"
) -> "tuple[Comparable, list[str]]":
    """Return the posterior of one search, and what limits it, in sentences."""
    import warnings

    import nqjax

    if args.method == AVERAGED:
        shape = args.chains, args.samples
        average = averaged.answer(args, scores, args.confidence, key=key, shape=shape, noise=noise)
        return average, cautions.joined(average.warnings, averaged.cautions_of(args, average))
    study: dict[str, Any] = {"minimize": args.minimize, "noise": noise, **constraints(args)}
    limits = threshold.resolve(args, scores, noise).study.limits
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", nqjax.SamplingWarning)
        post = nqjax.sample_posterior(scores, key=key, progress=True, limits=limits, **study, **sampler(args))
    return post, [str(w.message) for w in caught if issubclass(w.category, nqjax.SamplingWarning)]


def _entry(
    args: argparse.Namespace,
    post: "Comparable",
    file: str,
    scores: "np.ndarray",
    measured: "reruns.Measured | None",
    warned: list[str],
) -> dict[str, Any]:
    """Return what the document says of one search; ``warned`` are the warnings about its file and its answer."""
    from nqjax.report.comparison import search_entry

    head = output.head(args, post.limits, scores)
    return {"file": file, "noise": reruns.entry(measured), **search_entry(post, scores, head, warned)}
