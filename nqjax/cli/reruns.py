"""Noise that a command is given: measured from a file of reruns, from repeated configurations, or from columns."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nqjax.cli.options import limits
from nqjax.errors import InputError

if TYPE_CHECKING:
    from nqjax.estimation.noise_data import Noise
    from nqjax.report.documents import NoiseInput
    from nqjax.trials.study import StudyTable

#: The value of --noise that takes configurations which occur several times in the file of the search.
REPEATS = "repeats"

#: A mean of columns may differ from the metric by this share of the range of the scores: both may be rounded.
_ROUNDING = 1e-3


class Measured(NamedTuple):
    """Measured noise, and what it was measured from."""

    noise: "Noise"
    source: str  # the file, or the columns
    config: list[str]  # columns that name the configuration of a run; none for columns of seeds


def read(args: argparse.Namespace) -> "Noise | None":
    """Read the noise of the only search, and keep it for the document; None if there is no --noise."""
    if len(args.noise or []) > 1:
        args.parser.error("argument --noise: give it once")
    (args.measured,) = read_each(args, [args.file], args.studies)
    return args.measured.noise if args.measured is not None else None


def read_each(args: argparse.Namespace, files: list[str], studies: "Sequence[StudyTable]") -> list[Measured | None]:
    """Read the noise of each search; one --noise is for all of them, several are for each in turn."""
    given = args.noise or []
    if not given:
        if args.noise_config:
            args.parser.error("argument --noise-config: it needs --noise, which says where the runs are")
        return [None] * len(files)
    if len(given) not in (1, len(files)):
        args.parser.error(f"argument --noise: give it once, or {len(files)} times, for each search in turn")
    each = zip(files, studies, given * len(files), strict=False)
    return [_measure(args, file, study, what) for file, study, what in each]


def _measure(args: argparse.Namespace, file: str, study: "StudyTable", what: str) -> Measured:
    from nqjax.checks.measured_noise import noise_from_reruns
    from nqjax.trials.readers.read import read_runs
    from nqjax.trials.reruns import reruns_of

    is_file = _is_file(what)
    if not (is_file or what == REPEATS):
        return _from_columns(args, study, what)
    runs = read_runs(what, args.metric, minimize=args.minimize) if is_file else study
    if is_file:
        args.runs = [*getattr(args, "runs", []), runs]
    found = reruns_of(runs, args.noise_config, study if is_file else None)
    try:
        noise = noise_from_reruns(found.columns, found.scores, **_regime(args))
    except InputError as error:
        raise InputError(f"--noise {what}: {error}") from None
    return Measured(noise, what if is_file else file, list(found.columns))


def _is_file(what: str) -> bool:
    """Return whether --noise has a file, folder or database, rather than columns."""
    from nqjax.trials.readers.flat import has_table_ending

    return "://" in what or has_table_ending(Path(what)) or os.path.lexists(what)


def _from_columns(args: argparse.Namespace, study: "StudyTable", what: str) -> Measured:
    """Measure the noise between columns of the search's file; its scores are one of them or their mean."""
    import numpy as np

    from nqjax.checks.measured_noise import noise_from_seeds
    from nqjax.trials.reruns import seed_columns

    if args.noise_config:
        args.parser.error("argument --noise-config: columns of seeds have a row for each configuration")
    if not any(mark in what for mark in ",*?["):
        raise InputError(f"--noise {what!r} is no file: give a file of reruns, {REPEATS}, or columns such as 'seed_*'")
    columns = seed_columns(study, what)
    table = np.stack([*columns.values()], axis=1)
    averaged = 1
    if args.metric not in columns:
        scores, averaged = study.scores, table.shape[1]
        known = np.isfinite(scores) & np.all(np.isfinite(table), axis=1)
        means = np.mean(table[known], axis=1)
        if not np.allclose(scores[known], means, rtol=0, atol=_ROUNDING * float(np.ptp(means)) if known.any() else 0):
            raise InputError(f"--noise {what!r}: {args.metric} is neither one of these columns nor their mean")
    try:
        noise = noise_from_seeds(table, column_effects=True, averaged=averaged, **_regime(args))
    except InputError as error:
        raise InputError(f"--noise {what}: {error}") from None
    return Measured(noise, what, [])


def _regime(args: argparse.Namespace) -> dict[str, Any]:
    """Return the direction, and the limits of a threshold that is given: noise beyond it is of no interest."""
    threshold = args.threshold if isinstance(args.threshold, float) else None
    return {"limits": limits(threshold, args.minimize), "minimize": args.minimize}


def entry(measured: Measured | None) -> "NoiseInput | None":
    """Return the noise that was given for a document."""
    if measured is None:
        return None
    noise = measured.noise
    return {
        "source": measured.source,
        "config": measured.config,
        "sigma": noise.sigma,
        "interval": list(noise.interval()),
        "degrees_of_freedom": noise.degrees_of_freedom,
        "configurations": noise.configurations,
        "num_runs": noise.num_runs,
        "num_failed": noise.num_failed,
        "num_left_out": noise.num_left_out,
    }
