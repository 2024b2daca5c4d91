"""`nqjax demo`."""

import argparse
import shlex
from typing import Any

from nqjax.cli.options import add_command

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
    from nqjax import data
    from nqjax.cli import parse

    command = ["fit", str(data.digits_mlp_path()), "--metric", METRIC]
    print(f"$ {shlex.join(['nqjax', *command])}\n", flush=True)
    fit_args = parse(command)
    fit_args.run(fit_args)
