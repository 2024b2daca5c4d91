"""Find out what a source is, and read its table."""

import glob
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nqjax.errors import InputError
from nqjax.trials.readers import databases, frames, hyperopt, keras_tuner, mlflow, optuna, ray_tune, scikit_learn
from nqjax.trials.readers.combine import combined
from nqjax.trials.readers.exports import recognized
from nqjax.trials.readers.flat import TABLE_ENDINGS, has_table_ending, json_value, read_flat
from nqjax.trials.readers.table import Recorded, Table, table_of_objects

#: Beginning of the address of a database that is a file.
_SQLITE = "sqlite:///"


#: Tools whose files may hold several studies.
_WITH_STUDIES = ("Optuna", "MLflow")


def read_table(source: Any, study: str | None = None) -> Table:
    """Return the table of a source, which may be a file, a folder, a pattern, an address, a list or an object."""
    if isinstance(source, str | os.PathLike):
        table = _read_place(os.fspath(source), study)
    elif isinstance(source, list | tuple) and source and all(isinstance(one, str | os.PathLike) for one in source):
        table = _read_places([os.fspath(one) for one in source], study)
    else:
        table = _read_object(source)
    if study is not None and table.recorded.tool not in _WITH_STUDIES:
        raise InputError(f"{table.source} holds one search: leave out --study (study=), or choose rows with --where")
    return recognized(table)


def _read_places(sources: Sequence[str], study: str | None) -> Table:
    """Return one table of several sources; a file that is named twice is read once."""
    if len(sources) == 1:
        return _read_place(sources[0], study)
    different: dict[str, str] = {}
    for source in sources:
        for file in _files_of(source):
            different.setdefault(os.path.realpath(file) if "://" not in file else file, file)
    return combined([_read_place(file, study) for file in different.values()], ", ".join(sources))


def _files_of(source: str) -> list[str]:
    """Return the files that a pattern matches, or the source itself."""
    if any(mark in source for mark in "*?[") and "://" not in source and not _exists(Path(source)):
        found = sorted(glob.glob(source, recursive=True))  # noqa: PTH207
        if not found:
            raise InputError(f"no file matches {source!r}")
        return found
    return [source]


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _read_place(source: str, study: str | None) -> Table:
    """Return the table of one file, folder, pattern or address."""
    if "://" in source:
        return _read_address(source, study)
    files = _files_of(source)
    if files != [source]:
        return _read_places(files, study) if len(files) > 1 else _read_place(files[0], study)
    path = Path(source)
    if path.is_dir():
        return _read_folder(path, study)
    return _read_file(path, study)


def _read_address(source: str, study: str | None) -> Table:
    if source.startswith(_SQLITE):
        return databases.read_database(Path(source.removeprefix(_SQLITE)), study)
    raise InputError(
        f"{source}: only files are read, and databases as sqlite:///FILE; in Python, give the object: "
        "nqjax.read_study(optuna.load_study(...)) or a data frame"
    )


def _read_file(path: Path, study: str | None) -> Table:
    if path.is_file() and databases.is_database(path):
        return databases.read_database(path, study)
    if path.is_file() and path.suffix.lower() in (".log", ".jsonl", ".json", ".journal") and optuna.is_journal(path):
        return optuna.read_journal(path, study)
    if path.is_file() and path.suffix.lower() == ".json":
        value, _ = json_value(path)
        if keras_tuner.is_trial(value):
            return keras_tuner.table_of_trials([value], str(path))
    if path.suffix.lower() in (".pkl", ".pickle", ".joblib") and path.exists():
        raise InputError(
            f"{path} is a pickle, which may run any program when it is opened: write its trials to a CSV file"
        )
    return read_flat(path)


def _read_folder(folder: Path, study: str | None) -> Table:
    """Return the table of a folder: that of a tool, or the tables in it as one study."""
    if keras_tuner.is_project(folder):
        return keras_tuner.read_project(folder)
    if ray_tune.is_experiment(folder):
        return ray_tune.read_experiment(folder)
    if mlflow.is_store(folder):
        return mlflow.read_store(folder, study)
    files = sorted(str(file) for file in folder.iterdir() if file.is_file() and has_table_ending(file))
    if not files:
        raise InputError(
            f"{folder} is a directory without trials: give a file, or a folder with files that end in "
            f"{', '.join(TABLE_ENDINGS)}, or that of Ray Tune, KerasTuner or MLflow"
        )
    return combined([_read_file(Path(file), study) for file in files], str(folder))


def _read_object(source: Any) -> Table:
    """Return the table of an object in memory; its package is not imported here."""
    package = type(source).__module__.partition(".")[0]
    if package == "optuna" and hasattr(source, "trials"):
        return optuna.read_study_object(source)
    if package == "ray" and hasattr(source, "get_dataframe"):
        return ray_tune.read_result_grid(source)
    if package == "hyperopt" and hasattr(source, "trials"):
        return hyperopt.read_trials_object(source)
    if scikit_learn.is_cv_results(source):
        return scikit_learn.read_cv_results(source)
    if scikit_learn.is_cv_results(getattr(source, "cv_results_", None)):
        return scikit_learn.read_search(source)
    if frames.is_frame(source):
        return frames.read_frame(source)
    if isinstance(source, Mapping) and source and all(_is_column(one) for one in source.values()):
        return frames.table_of_columns(source, "the mapping")
    if isinstance(source, list | tuple) and source and all(isinstance(one, Mapping) for one in source):
        return table_of_objects(((None, one) for one in source), "the list", Recorded("list"))
    raise InputError(
        f"a {type(source).__name__} cannot be read as a study: give a file, a folder, a data frame, a list of "
        "dictionaries, or a study of Optuna, scikit-learn, Ray or Hyperopt"
    )


def _is_column(value: Any) -> bool:
    return hasattr(value, "__len__") and hasattr(value, "__iter__") and not isinstance(value, str | bytes | Mapping)
