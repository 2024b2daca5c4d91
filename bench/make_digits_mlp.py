"""Make ``digits_mlp.jsonl``, the random search that ships with the package.

    python -m bench.make_digits_mlp --out digits_mlp.jsonl

It is ``nqjax search digits-mlp --trials 1024``, with the learning curves, nine tenths of that file, left out.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import jax

from nqjax import search

TRIALS = 1024
SEED = 0


def main(argv: Sequence[str] | None = None) -> None:
    """Run the search and write its table without the curves."""
    parser = argparse.ArgumentParser(description="Make the random search that ships with the package.")
    parser.add_argument("--out", type=Path, required=True, help="the .jsonl file to write")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.jsonl"
        task = search.load("digits-mlp")
        search.run(task, num_trials=TRIALS, key=jax.random.key(SEED), out=whole, progress=True)
        with whole.open(encoding="utf-8") as lines, args.out.open("w", encoding="utf-8", newline="\n") as out:
            for line in lines:
                row = json.loads(line)
                row.pop("curve", None)
                print(json.dumps(row), file=out)


if __name__ == "__main__":
    main()
