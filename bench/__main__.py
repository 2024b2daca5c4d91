"""``python -m bench [accuracy] [speed] [cli]``: print the tables that bench/RESULTS.md keeps."""

import argparse
import importlib

from bench.common import machine

PARTS = ("accuracy", "speed", "cli")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of: {', '.join(PARTS)} (default: all)")
    chosen = parser.parse_args().parts or PARTS
    for unknown in set(chosen) - set(PARTS):
        parser.error(f"unknown part {unknown!r}; choose from {', '.join(PARTS)}")
    print(machine())
    for part in chosen:
        importlib.import_module(f"bench.{part}").main()


if __name__ == "__main__":
    main()
