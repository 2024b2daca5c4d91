"""`nqjax fit-many`."""

import argparse
import glob
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nqjax.cli import output, process, reading
from nqjax.cli.options import (
    AUTO,
    add_command,
    add_constraints,
    add_study,
    add_threshold,
    constraints,
    limits,
    read_share,
    read_trials,
)
from nqjax.errors import InputError, visible
from nqjax.runtime import interrupt
from nqjax.runtime.extras import require

if TYPE_CHECKING:
    from nqjax.estimation.fit import Fit
    from nqjax.estimation.fits_file import Store
    from nqjax.estimation.many import Failure


#: Number of files that are read before their scores are fitted.
_FILES_AT_ONCE = 256

#: Numbers of trials of the columns of the tuning curve.
_TRIALS = tuple(2**k for k in range(11))

_EPILOG = """\
Rows that are counted are safe: after Ctrl-C, or a crash, the same command continues, and with more files it adds their
rows. If a file cannot be read or fitted, the column "failure" has the reason. The column "study" is the path of the
file from the folder of FITS; a file that has a row is not read again, even if it has changed since. The columns
"median_best_N" are the tuning curve: the median of the best score after N trials.

examples:
  nqjax fit-many 'sweeps/*.csv' --metric val_loss --out fits.parquet
  nqjax fit-many 'sweeps/*.csv' --metric val_loss --quantile 0.4 --out fits.parquet
  nqjax fit-many 'runs/**/*.jsonl' --metric metrics.accuracy --maximize --threshold 0.89 --out fits.parquet
"""


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "fit-many",
        _run,
        usage="nqjax fit-many FILES ... --metric NAME --out FITS.parquet [--threshold T|auto|none] [options]",
        summary="fit many files, one row each in a Parquet file",
        description="Fit the noisy quadratic distribution to many searches, one in each file.",
        epilog=_EPILOG,
    )
    parser.add_argument("files", metavar="FILES", nargs="+", help="files, or patterns such as 'sweeps/*.csv' in quotes")
    add_study(parser)
    parser.add_argument("--out", metavar="FITS", required=True, help="the .parquet file to write, or to continue")
    regime = parser.add_mutually_exclusive_group()
    regime.add_argument(
        "--quantile", metavar="Q", type=read_share, help="the regime is the best share Q of the scores of each file"
    )
    add_threshold(
        regime,
        "where the regime ends, for all files; auto chooses it for each by tests; none uses all scores (default: auto)",
    )
    add_constraints(parser)
    parser.add_argument(
        "--trials",
        metavar="N ...",
        type=read_trials,
        default=_TRIALS,
        help="the numbers of trials at which to give the tuning curve, a column each (default: 1 2 4 ... 1024)",
    )
    parser.add_argument("--float32", action="store_true", help="compute in single precision, for accelerators")
    parser.add_argument("--retry-failed", action="store_true", help="read and fit files again that have a failure")
    output.add_json(parser)


def _run(args: argparse.Namespace) -> None:
    require("pyarrow", "parquet", "nqjax fit-many")
    from nqjax.estimation.fits_file import Store
    from nqjax.runtime.progress import Progress

    reading.need_metric(args)
    given = constraints(args)
    settings = {
        "metric": args.metric,
        **({"where": args.where} if args.where else {}),
        **({"per_trial": args.per_trial} if args.per_trial else {}),
        "minimize": args.minimize,
        "quantile": args.quantile,
        "threshold": None if args.quantile is not None else args.threshold,
        "float32": args.float32,
        "trials": list(args.trials),
        **{name: list(value) if isinstance(value, tuple) else value for name, value in given.items()},
    }
    process.listen_for_ctrl_c(
        safe=lambda: (
            f"interrupted; the rows that were counted are in {visible(args.out)} or beside it, and the same "
            "command continues"
        )
    )
    with Store(args.out, settings, [f"median_best_{n:g}" for n in args.trials]) as store:
        files = _files(args.files, store)
        done = store.studies()
        skipped = {name for name, good in done.items() if good or not args.retry_failed}
        left = {name: file for name, file in files.items() if name not in skipped}
        new = 0
        try:
            if left:
                process.use_compilation_cache()
                with Progress("studies", len(files), done=len(files) - len(left)) as bar:
                    for rows in _rows(left, args, given):
                        store.add(rows)
                        new += len(rows)
                        bar.advance(len(rows))
        except KeyboardInterrupt:
            safe = f"{len(files.keys() & store.studies().keys()):,} of {len(files):,} studies have their rows"
            interrupt.tell(f"interrupted; {safe}, and the same command continues")
            raise
        store.join()
        rows_in_file = store.studies()
    failed = sum(not good for good in rows_in_file.values())
    found = {"file": args.out, "num_studies": len(rows_in_file), "num_new": new, "num_failed": failed}
    output.give(args, found, lambda shown, _: print(_summary(shown)))


def _summary(found: dict[str, Any]) -> str:
    studies = "1 study" if found["num_studies"] == 1 else f"{found['num_studies']:,} studies"
    text = f"{studies} in {found['file']}: {found['num_new']:,} new"
    if not found["num_failed"]:
        return text
    has, them = ("has", "it") if found["num_failed"] == 1 else ("have", "them")
    why = f'the column "failure" says why, --retry-failed tries {them} again'
    return f"{text}; {found['num_failed']:,} of all {has} a failure ({why})"


def _files(patterns: list[str], store: "Store") -> dict[str, str]:
    """Return a mapping from each file's path, relative to the folder of the .parquet file, to the path to read.

    Each file appears once.
    """
    found: dict[str, str] = {}
    for pattern in patterns:
        matches = [pattern] if Path(pattern).exists() else sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207
        matches = [match for match in matches if not Path(match).is_dir() and not _is_of(store, match)]
        if not matches:
            raise InputError(f"no file matches {pattern!r}")
        for match in matches:
            name = os.path.relpath(match, store.path.parent)
            # Names are stored as text; bytes that are not UTF-8 are escaped.
            found.setdefault(os.fsencode(name).decode("utf-8", "backslashreplace"), match)
    return found


def _is_of(store: "Store", file: str) -> bool:
    """Return whether a file belongs to the store, which a pattern may match, too."""
    path = Path(os.path.abspath(file))  # noqa: PTH100 - without following links, as relpath does
    own = Path(os.path.abspath(store.path))  # noqa: PTH100
    return path == own or path.parent == own.with_name(store.folder.name)


def _rows(files: dict[str, str], args: argparse.Namespace, given: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """Read and fit the files, some at a time, and yield their rows."""
    from nqjax.analysis.fit_many import fitted_in_parts
    from nqjax.analysis.threshold import read_question

    chosen = args.quantile is None and args.threshold == AUTO
    question = read_question("auto" if chosen else None, None, args.minimize, None, **given)
    dtype = "float32" if args.float32 else "float64"
    every = iter(files.items())
    while some := list(itertools.islice(every, _FILES_AT_ONCE)):
        names, studies, regimes, failures = [], [], [], []
        for name, file in some:
            try:
                scores, regime = _read(file, args)
            except Exception as error:  # noqa: BLE001 - one bad file must not stop the others
                failures.append({"study": name, "failure": _reason(error)})
            else:
                names.append(name)
                studies.append(scores)
                regimes.append(regime)
        if failures:
            yield failures
        for start, fits in fitted_in_parts(studies, question, None if chosen else regimes, dtype):
            places = range(start, start + len(fits))
            yield [_row(names[i], fit, regimes[i], args.trials) for i, fit in zip(places, fits, strict=True)]


def _read(file: str, args: argparse.Namespace) -> tuple[Any, tuple[float, float]]:
    """Return the scores of a file, and its regime."""
    from nqjax.estimation.spacings import quantile_limits

    scores = reading.read_one(args, file).scores
    if args.quantile is not None:
        return scores, quantile_limits(scores, args.quantile, args.minimize)
    return scores, limits(None if args.threshold == AUTO else args.threshold, args.minimize)


def _reason(error: Exception) -> str:
    if isinstance(error, InputError):
        return str(error)
    return f"cannot be read: {type(error).__name__}: {error}"


def _row(name: str, fit: "Fit | Failure", regime: tuple[float, float], trials: tuple[float, ...]) -> dict[str, Any]:
    if hasattr(fit, "reason"):
        return _failure(name, fit.reason, regime)
    same = (
        "alpha beta gamma sigma loss converged gradient_norm regime_probability threshold p_value best_score "
        "num_scores num_used num_censored num_failed"
    )
    return {
        "study": name,
        **{column: getattr(fit, column) for column in same.split()},
        "limit_low": fit.limits[0],
        "limit_high": fit.limits[1],
        "losses_by_gamma": list(fit.losses_by_gamma.values()),
        **{f"median_best_{n:g}": score for n, score in zip(trials, fit.quantile_tuning_curve(trials), strict=True)},
        "failure": None,
    }


def _failure(name: str, reason: str, regime: tuple[float, float]) -> dict[str, Any]:
    return {"study": name, "limit_low": regime[0], "limit_high": regime[1], "failure": reason}
