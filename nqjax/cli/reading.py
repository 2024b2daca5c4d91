"""Read what a command is given: files, folders, databases; choose rows; say what was inferred and what is doubtful."""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nqjax.errors import InputError, one_line

if TYPE_CHECKING:
    import numpy as np

    from nqjax.trials.study import StudyTable


def add_file(parser: argparse.ArgumentParser, text: str) -> None:
    """Declare the only file of a command."""
    parser.add_argument("file", metavar="FILE", help=text)


def add_files(parser: argparse.ArgumentParser, several: str = "several files or a pattern are one search") -> None:
    """Declare the files of a search; ``several`` says what more than one are."""
    text = (
        "the trials: a table (.csv, .tsv, .json, .jsonl, .parquet), sqlite:///FILE of Optuna or MLflow, a folder of "
        f"Ray Tune, KerasTuner or MLflow; {several}"
    )
    parser.add_argument("file", metavar="FILE", nargs="+", help=text)


def add_rows(parser: argparse.ArgumentParser) -> None:
    """Declare the options that choose rows."""
    parser.add_argument(
        "--where",
        metavar="CONDITION",
        action="append",
        help="take the rows that fulfil it, such as \"State == 'finished'\" or dataset=Cora; several must all hold",
    )
    parser.add_argument(
        "--per-trial",
        choices=("last", "best"),
        help="which report of a trial counts, if each has several rows (default: last, if a column counts the epochs)",
    )
    parser.add_argument("--study", metavar="NAME", help="the study or experiment, if a database or store has several")


def read(args: argparse.Namespace) -> "np.ndarray":
    """Read the only search of a command; return its scores.

    Afterwards the arguments have the metric and the direction, a name of the source to show, and the studies.
    """
    sources = args.file
    for source in sources:
        check_exists(source)
    study = read_one(args, sources if len(sources) > 1 else sources[0])
    args.file = sources[0] if len(sources) == 1 else f"{sources[0]} and {len(sources) - 1} more"
    keep(args, [study])
    return study.scores


def read_one(args: argparse.Namespace, source: "str | Sequence[str]", *, may_be_stopped: bool = False) -> "StudyTable":
    """Read one search; without a direction that is given or recorded, lower scores are better.

    With ``may_be_stopped``, all its trials may have been stopped early.
    """
    from nqjax.trials.readers.read import read_or_minimize

    study = read_or_minimize(
        source,
        args.metric,
        minimize=args.minimize,
        where=args.where,
        per_trial=args.per_trial,
        study=args.study,
    )
    if not may_be_stopped:
        from nqjax.analysis.cautions import check_not_stopped

        check_not_stopped(study)
    if not any(map(_is_finite, study.scores)):
        raise InputError(f"{study.source}: all {len(study)} runs failed: there is no finite score")
    return study


def check_exists(source: str) -> None:
    """Raise InputError for a file that is not there, before anything is imported that takes time."""
    if not any(mark in source for mark in "*?[") and "://" not in source and not os.path.lexists(source):
        raise InputError(f"{source} does not exist; check the file's name")


def _is_finite(score: float) -> bool:
    return abs(score) < float("inf")


def keep(args: argparse.Namespace, studies: "Sequence[StudyTable]") -> None:
    """Keep studies for the document, with their metric and direction."""
    args.studies = list(studies)
    args.metric, args.minimize = studies[0].metric, studies[0].minimize


def say(args: argparse.Namespace) -> None:
    """Print the notes and warnings of what was read; only before an answer, because an error is one line."""
    studies: list[StudyTable] = getattr(args, "studies", [])
    for study in studies:
        about = f"{study.source}: " if len(studies) > 1 else ""
        for word, sentences in (("note", study.notes), ("warning", study.warnings)):
            for sentence in sentences:
                print(f"nqjax: {word}: {one_line(about + sentence)}", file=sys.stderr)
    # Reruns are no search, so only what was inferred of their file is of interest.
    runs: list[StudyTable] = getattr(args, "runs", [])
    for sentence in dict.fromkeys(f"{one.source}: {note}" for one in runs for note in one.notes):
        print(f"nqjax: note: {one_line(sentence)}", file=sys.stderr)


def described(args: argparse.Namespace, document: dict[str, Any]) -> dict[str, Any]:
    """Return a document with what was read under ``data``, and its warnings first."""
    studies: list[StudyTable] = getattr(args, "studies", [])
    if not studies:
        return document
    data = [_entry(study) for study in studies]
    found = [warning for study in studies for warning in study.warnings]
    warnings = list(dict.fromkeys([*found, *document.get("warnings", [])]))
    return {**document, "warnings": warnings, "data": data[0] if len(data) == 1 else data}


def _entry(study: "StudyTable") -> dict[str, Any]:
    """Return what was read of a study for a document."""
    return {
        "source": study.source,
        "tool": study.tool,
        "num_rows": len(study),
        "direction_from": study.direction_from,
        "statuses": dict(Counter(study.status.tolist())),
        "config": list(study.config),
        "cost": study.cost_name,
        "splits": list(study.splits or ()),
        "sampler": study.sampler,
        "notes": list(study.notes),
    }


def need_metric(args: argparse.Namespace) -> None:
    """Refuse a command without a metric, which has several files or rows that are no trials; minimize by default."""
    if args.metric is None:
        args.parser.error("the following arguments are required: --metric")
    args.minimize = args.minimize is not False
