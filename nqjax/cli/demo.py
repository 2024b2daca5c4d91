"""`nqjax demo`."""

import argparse
import shlex
from typing import Any

METRIC = "val_loss"


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "demo",
        usage="nqjax demo",
        help="fit the random search that ships with the package",
        description="Fit the random search that ships with the package: small neural networks on handwritten digits.",
        allow_abbrev=False,
    )
    parser.set_defaults(run=_run, parser=parser)


def _run(_: argparse.Namespace) -> None:
    from nqjax import data
    from nqjax.cli import parse

    command = ["fit", str(data.digits_mlp_path()), "--metric", METRIC]
    print(f"$ {shlex.join(['nqjax', *command])}\n", flush=True)
    fit_args = parse(command)
    fit_args.run(fit_args)
