"""``nqjax fit`` from the shell, imports and compilation included, with an empty and with a filled compilation cache."""

import os
import statistics
import sys
import tempfile

from bench.common import reference_folder, table, verdict
from bench.speed import wall
from nqjax.data import digits_mlp_path


def main(quick: bool = False) -> None:
    folder = reference_folder()
    if folder:
        arguments = [str(folder / "deberta_v3_multinli.csv"), "--metric", "accuracy_matched", "--maximize"]
        arguments += ["--threshold", "0.89", "--gamma", "1", "5"]
    else:
        arguments = [str(digits_mlp_path()), "--metric", "val_loss", "--threshold", "0.075"]
    with tempfile.TemporaryDirectory() as cache:
        env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        env["JAX_COMPILATION_CACHE_DIR"] = cache
        command = [sys.executable, "-m", "nqjax", "fit", *arguments]
        wall([sys.executable, "-m", "nqjax", "demo"], env | {"JAX_COMPILATION_CACHE_DIR": cache + "/other"})
        cold = wall(command, env)
        warm = statistics.median(wall(command, env) for _ in range(1 if quick else 3))
    rows = [
        ["cold", f"{cold:.2f} s", f"6 s: {verdict(cold, 6, at_least=False)}"],
        ["from the second time on", f"{warm:.2f} s", f"3.5 s: {verdict(warm, 3.5, at_least=False)}"],
    ]
    table("`nqjax fit` from the shell", ["", "wall", "target"], rows)
