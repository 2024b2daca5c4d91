"""Options and output of the commands that measure methods in random trials."""

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nqjax.cli import output
from nqjax.cli.options import add_seed, read_trials

if TYPE_CHECKING:
    from nqjax.analysis.worth import Worth


def add_answer(parser: argparse.ArgumentParser, drawn: str) -> None:
    """Declare the options of the answer and the seed; ``drawn`` is what the picture shows."""
    parser.add_argument(
        "--report", metavar="PAGE", help="write a page with the answer, the table and a picture (.html)"
    )
    parser.add_argument("--plot", metavar="PICTURE", help=f"draw {drawn}: a .png, .svg or .pdf file")
    add_seed(parser, "the searches")
    output.add_json(parser)


def whole_numbers(of: str) -> Callable[[str], list[int]]:
    """Return a reader of whole numbers of something."""

    def read(text: str) -> list[int]:
        numbers = read_trials(text)
        if any(n != int(n) for n in numbers):
            raise argparse.ArgumentTypeError(f"give whole numbers of {of}")
        return [int(n) for n in numbers]

    return read


def check_answer(args: argparse.Namespace) -> None:
    """Raise InputError if the answer could not be written."""
    output.check_output(args)
    if args.report is not None:
        from nqjax.report.page import check_page

        check_page(args.report)


def give_worth(args: argparse.Namespace, document: dict[str, Any], found: "Mapping[str, Mapping[str, Worth]]") -> None:
    """Print the answer, and write the picture and the page that are asked for."""
    from nqjax.report.worth import print_worth

    output.give(args, document, print_worth)
    if args.plot is None and args.report is None:
        return
    from nqjax.report.worth_page import save_worth, save_worth_picture

    if args.plot is not None:
        save_worth_picture(args.plot, {name: own["observed"] for name, own in found.items()})
    if args.report is not None:
        save_worth(args.report, document, found, args.command_line)
