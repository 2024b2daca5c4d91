"""`nqjax demo`: `nqjax fit` with the data that ship with the package."""

import argparse
import shlex
from typing import Any

from nqjax.cli import fit
from nqjax.cli.options import Parser, add_command

METRIC = "val_loss"


def add(commands: Any) -> None:
    """Declare the command."""
    add_command(
        commands,
        "demo",
        _run,
        usage="nqjax demo",
        summary="fit the random search that ships with the package",
        description="Fit the random search that ships with the package: small neural networks on handwritten digits.",
    )


def _run(_: argparse.Namespace) -> None:
    from nqjax.data import digits_mlp_path

    arguments = [str(digits_mlp_path()), "--metric", METRIC]
    print(f"$ {shlex.join(['nqjax', 'fit', *arguments])}\n", flush=True)
    parser = Parser(prog="nqjax fit")
    fit.add_arguments(parser)
    fit.run(parser.parse_args(arguments))
