"""`nqjax landscape`."""

import argparse
from typing import TYPE_CHECKING, Any

from nqjax.cli import output, process, reading
from nqjax.cli.options import add_command, add_threshold, read_positive
from nqjax.errors import InputError

if TYPE_CHECKING:
    from nqjax.landscape.embedding import Embedding
    from nqjax.landscape.landscape import Landscape

_EPILOG = """\
Two configurations are neighbours if they differ in one step of one hyperparameter. Numbers have an order; texts, truth
values and what --categorical names have none. On a complete grid everything is given. On a random search optima and
basins cannot be known, so they are refused, with the reason; what is estimated has its standard error. Several columns
of --metric, or several rows of one configuration, are runs of it: their noise says which optima are more than noise.

examples:
  nqjax landscape grid.jsonl --report landscape.html
  nqjax landscape grid.csv --metric 'val_loss_*' --categorical op
  nqjax landscape grid.csv --metric 'val_loss_*' --redraws 200
  nqjax landscape grid.csv --metric accuracy --maximize --threshold 0.9 --plot map.png
  nqjax landscape trials.csv --metric error --threshold auto --json
"""


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "landscape",
        _run,
        usage="nqjax landscape FILE ... [--metric NAME ...] [--minimize | --maximize] [options]",
        summary="the shape of a grid of scores: smoothness, optima deeper than noise, basins, importance",
        description="How smooth, flat and many-peaked is the landscape of a grid, and which of it is noise?",
        epilog=_EPILOG,
    )
    reading.add_files(parser)
    add_columns(parser)
    parser.add_argument(
        "--tolerance",
        metavar="T",
        type=read_positive,
        help="differences of losses up to T are none, and optima must be deeper (default: by the noise of runs)",
    )
    parser.add_argument(
        "--sigma", metavar="S", type=read_positive, help="the standard deviation of one run, if no runs measure it"
    )
    parser.add_argument(
        "--redraws",
        metavar="N",
        type=_read_redraws,
        default=0,
        help="redraw the noise N times, for intervals (95 %%) of the numbers if the same runs were repeated; "
        "200 are enough (default: 0, no intervals)",
    )
    add_threshold(
        parser,
        "where the regime ends: say how many of the deep optima are in it and which hyperparameters decide that; auto "
        "has it chosen by tests (default: none)",
        None,
    )
    parser.add_argument(
        "--plot", metavar="PICTURE", help="draw the map, every configuration a pixel: a .png, .svg or .pdf file"
    )
    parser.add_argument(
        "--embedding",
        metavar="PICTURE",
        help="draw the configurations in a plane (HOPE and UMAP, a minute or two), and print how far to trust it",
    )
    add_report(parser)
    output.add_json(parser)


def _read_redraws(text: str) -> int:
    from nqjax.landscape.redraws import FEWEST_DRAWS

    number = int(text) if text.isdecimal() and len(text) < 7 else -1
    if number and number < FEWEST_DRAWS:
        raise argparse.ArgumentTypeError(f"{text!r} is not 0, or a number from {FEWEST_DRAWS} to 100000")
    return number


def add_report(parser: argparse.ArgumentParser) -> None:
    """Declare the option that writes a page."""
    parser.add_argument("--report", metavar="PAGE", help="write an HTML page with tables and pictures, a .html file")


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Declare the columns of scores and hyperparameters, the direction and the choice of rows."""
    parser.add_argument(
        "--metric",
        metavar="NAME",
        nargs="+",
        action="extend",
        help="the column that holds the scores, or several, or a pattern such as 'val_loss_*': runs of the same "
        "configurations",
    )
    direction = parser.add_mutually_exclusive_group()
    direction.add_argument(
        "--minimize",
        "--minimise",
        dest="minimize",
        action="store_true",
        default=None,
        help="lower scores are better (default, unless the file records the other direction)",
    )
    direction.add_argument(
        "--maximize", "--maximise", dest="minimize", action="store_false", default=None, help="higher scores are better"
    )
    for name, text in (
        ("--categorical", "hyperparameters whose numbers have no order"),
        ("--drop", "columns that are no hyperparameters"),
        ("--keep", "hyperparameters although each row has another value"),
    ):
        parser.add_argument(name, metavar="NAME", nargs="+", action="extend", default=[], help=text)
    reading.add_rows(parser)


def check_report(args: argparse.Namespace) -> None:
    """Raise InputError for a page that cannot be made, before any work is done."""
    if args.report is not None:
        from nqjax.report.page import check_page

        check_page(args.report)


def _run(args: argparse.Namespace) -> None:
    import dataclasses

    import numpy as np

    output.check_output(args)
    check_report(args)
    if args.embedding is not None:
        from nqjax.plots.style import check_picture
        from nqjax.runtime.extras import require

        check_picture(args.embedding)
        require("umap", "landscape", "an embedding by UMAP")
    from nqjax.landscape.reading import cautions, column_scores, landscape_of, read_columns
    from nqjax.report.landscape import landscape_document, print_landscape

    for source in args.file:
        reading.check_exists(source)
    study, names = read_columns(
        args.file if len(args.file) > 1 else args.file[0],
        args.metric,
        minimize=args.minimize,
        where=args.where,
        per_trial=args.per_trial,
        study=args.study,
    )
    args.file = args.file[0] if len(args.file) == 1 else f"{args.file[0]} and {len(args.file) - 1} more"
    scores = np.stack([column_scores(study, name) for name in names], axis=1)
    # What speaks against one random search is no fault of a grid.
    reading.keep(args, [dataclasses.replace(study, warnings=cautions(study))])
    options = {"categorical": args.categorical, "drop": args.drop, "keep": args.keep}
    land = landscape_of(study, scores, names, **options)
    if args.plot is not None:
        from nqjax.plots.maps import check_map

        check_map(land)
    tolerance = "noise" if args.tolerance is None else args.tolerance
    metrics = land.metrics(tolerance, sigma=args.sigma)
    threshold = _threshold(args, land)
    redraws = None
    if args.redraws:
        redraws = land.redraw(args.redraws, tolerance=tolerance, sigma=args.sigma, progress=not args.json)
    document = landscape_document(land, metrics, file=args.file, metric=names, threshold=threshold, redraws=redraws)
    embedding = None
    if args.embedding is not None:
        from nqjax.landscape.embedding import embed_landscape

        embedding = embed_landscape(land)
        document["embedding"] = {"method": "umap", "trustworthiness": embedding.trustworthiness}
    output.give(args, document, print_landscape)
    if args.report is not None:
        from nqjax.report.landscape_page import save_landscape_page

        save_landscape_page(args.report, land, metrics, reading.described(args, document), args.command_line)
    if embedding is not None or args.plot is not None:
        _draw(args, land, embedding, threshold)


def _draw(args: argparse.Namespace, land: "Landscape", embedding: "Embedding | None", threshold: float | None) -> None:
    """Write the pictures that were asked for."""
    from nqjax.plots.style import save

    if embedding is not None:
        from nqjax.plots.embeddings import embedding as draw_embedding

        save(draw_embedding(land, embedding).ax.figure, args.embedding)
    if args.plot is not None:
        from nqjax.plots.maps import landscape_map

        save(landscape_map(land, threshold=threshold).ax.figure, args.plot)


def _threshold(args: argparse.Namespace, land: "Landscape") -> float | None:
    """Return the threshold that was given or chosen; None for none."""
    if args.threshold != "auto":
        return args.threshold  # type: ignore[no-any-return]
    process.use_compilation_cache()
    import warnings

    import nqjax

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nqjax.FitWarning)
        regime = nqjax.find_regime(land.scores, minimize=land.minimize)
    if not regime.found:
        raise InputError(f"no threshold is acceptable ({regime.reason}): give one, or leave out --threshold")
    return float(regime.threshold)
