"""`nqjax demo`: `nqjax fit` with the data that ship with the package."""

import argparse
import shlex
from typing import Any

from nqjax.cli import analyze, fit
from nqjax.cli.options import Parser, add_command

METRIC = "val_loss"


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "demo",
        _run,
        usage="nqjax demo [--report PAGE]",
        summary="fit the random search that ships with the package",
        description="Fit the random search that ships with the package: small neural networks on handwritten digits.",
    )
    parser.add_argument("--report", metavar="PAGE", help="analyze it as well, and write an HTML page, a .html file")


def _run(args: argparse.Namespace) -> None:
    if args.report is not None:
        from nqjax.report.page import check_page

        check_page(args.report)
    from nqjax.data import digits_mlp_path

    arguments = [str(digits_mlp_path()), "--metric", METRIC]
    print(f"$ {shlex.join(['nqjax', 'fit', *arguments])}\n", flush=True)
    parser = Parser(prog="nqjax fit")
    fit.add_arguments(parser)
    fit.run(parser.parse_args(arguments))
    if args.report is not None:
        _analyze([*arguments, "--report", args.report])


def _analyze(arguments: list[str]) -> None:
    """Run `nqjax analyze`, after the line that does so."""
    print(f"\n$ {shlex.join(['nqjax', 'analyze', *arguments])}\n", flush=True)
    parser = Parser(prog="nqjax analyze")
    analyze.add_arguments(parser)
    args = parser.parse_args(arguments)
    args.command_line = shlex.join(["nqjax", "analyze", *arguments])
    analyze.run(args)
