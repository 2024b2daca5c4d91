"""`nqjax fit-many`."""

import argparse
import glob
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nqjax.cli import process
from nqjax.cli.arguments import add_constraints, add_study, constraints, limits, read_share, read_threshold
from nqjax.errors import InputError

if TYPE_CHECKING:
    from nqjax.estimate import Fit
    from nqjax.many import Failure

#: Studies that are read before the next ones are fitted.
_AT_ONCE = 1024

_EPILOG = """\
The rows are safe as soon as they are counted: after Ctrl-C, or worse, the same command goes on where it was, and with
more files it adds their rows. A study that cannot be read or fitted has its reason in the column "failure".

examples:
  nqjax fit-many 'sweeps/*.csv' --metric val_loss --quantile 0.4 --out fits.parquet
  nqjax fit-many 'runs/**/*.jsonl' --metric metrics.accuracy --maximize --threshold 0.89 --out fits.parquet
"""


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "fit-many",
        usage="nqjax fit-many FILES ... --metric NAME --out FITS.parquet [--quantile Q | --threshold T] [options]",
        help="fit every file of many, one row each in a Parquet file",
        description="Fit the noisy quadratic distribution to each of many searches, a file each.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("files", metavar="FILES", nargs="+", help="files, or patterns such as 'sweeps/*.csv' in quotes")
    add_study(parser)
    parser.add_argument("--out", metavar="FITS", required=True, help="the .parquet file to write, or to go on with")
    regime = parser.add_mutually_exclusive_group()
    regime.add_argument(
        "--quantile", metavar="Q", type=read_share, help="the regime is each study's best share Q of its scores"
    )
    regime.add_argument("--threshold", metavar="T", type=read_threshold, help="where the regime ends, for all studies")
    add_constraints(parser)
    parser.add_argument("--float32", action="store_true", help="compute in single precision, for accelerators")
    parser.set_defaults(run=_run, parser=parser)


def _run(args: argparse.Namespace) -> None:
    from nqjax._progress import Progress
    from nqjax.store import Store

    given = constraints(args)
    settings = {
        "metric": args.metric,
        "minimize": args.minimize,
        "quantile": args.quantile,
        "threshold": args.threshold,
        "float32": args.float32,
        **{name: list(value) if isinstance(value, tuple) else value for name, value in given.items()},
    }
    files = _files(args.files)
    store = Store(args.out, settings)
    done = store.studies()
    left = [file for file in files if file not in done]
    process.listen_for_ctrl_c()
    failed = 0
    try:
        if left:
            process.use_compilation_cache()
            with Progress("studies", len(files), done=len(files) - len(left)) as bar:
                for rows in _rows(left, args, given):
                    store.add(rows)
                    failed += sum(row["failure"] is not None for row in rows)
                    bar.advance(len(rows))
    except KeyboardInterrupt:
        safe = f"{len(store.studies()):,} of {len(files):,} studies are in {store.folder}"
        print(f"interrupted; the same command goes on: {safe}", file=sys.stderr)
        raise
    total = store.join()
    print(f"{total:,} studies in {args.out}: {len(left):,} fitted now, {failed:,} of them flagged with a failure")


def _files(patterns: list[str]) -> list[str]:
    """Every file once, patterns expanded."""
    found: dict[str, None] = {}
    for pattern in patterns:
        matches = [pattern] if Path(pattern).exists() else sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207
        matches = [match for match in matches if not Path(match).is_dir()]
        if not matches:
            raise InputError(f"no file matches {pattern!r}")
        found.update(dict.fromkeys(matches))
    return list(found)


def _rows(files: list[str], args: argparse.Namespace, given: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """Read and fit the files, some at a time; yield rows as they are done."""
    from nqjax.constraints import read_constraints
    from nqjax.many import as_devices, fit_stream
    from nqjax.spacing import quantile_limits
    from nqjax.trials import read_scores

    checked = read_constraints(**given, minimize=args.minimize)
    dtype = "float32" if args.float32 else "float64"
    for start in range(0, len(files), _AT_ONCE):
        names, studies, regimes, failures = [], [], [], []
        for file in files[start : start + _AT_ONCE]:
            try:
                scores = read_scores(file, args.metric)
                regime = (
                    limits(args.threshold, args.minimize)
                    if args.quantile is None
                    else quantile_limits(scores, args.quantile, args.minimize)
                )
            except InputError as error:
                failures.append({"study": file, "failure": str(error)})
                continue
            names.append(file)
            studies.append(scores)
            regimes.append(regime)
        if failures:
            yield failures
        for places, fits in fit_stream(studies, regimes, args.minimize, checked, dtype, as_devices(None)):
            yield [_row(names[i], fit, regimes[i]) for i, fit in zip(places, fits, strict=True)]


def _row(name: str, fit: "Fit | Failure", regime: tuple[float, float]) -> dict[str, Any]:
    if hasattr(fit, "reason"):
        return _failure(name, fit.reason, regime)
    same = (
        "alpha beta gamma sigma loss converged gradient_norm regime_probability "
        "num_scores num_used num_censored num_failed"
    )
    return {
        "study": name,
        **{column: getattr(fit, column) for column in same.split()},
        "limit_low": fit.limits[0],
        "limit_high": fit.limits[1],
        "losses_by_gamma": list(fit.losses_by_gamma.values()),
        "failure": None,
    }


def _failure(name: str, reason: str, regime: tuple[float, float]) -> dict[str, Any]:
    return {"study": name, "limit_low": regime[0], "limit_high": regime[1], "failure": reason}
