"""Trials of earlier searches, from which a search may begin."""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from nqjax.errors import InputError
from nqjax.search.configurations import resolve
from nqjax.search.optimizers.cube import EncodedSpace
from nqjax.search.optimizers.warm_start import Earlier
from nqjax.search.space import Config, Derived, DiscreteUniform, Distribution, Fixed, describe, searched
from nqjax.trials.columns import listed_names
from nqjax.trials.json_lines import JSON_ENDINGS
from nqjax.trials.readers.read import read_study
from nqjax.trials.reruns import PREFIXES
from nqjax.trials.search_lines import HEADER, Row
from nqjax.trials.study import FAILED, FINISHED, StudyTable
from nqjax.trials.table import Trials, read_trials

#: Settings of searches whose scores are on one scale.
_SCALE = ("task", "task_settings", "score", "minimize")


@dataclass(frozen=True)
class EarlierTrials:
    """Trials of an earlier search: what `nqjax.search.run` and `nqjax.search.replicate` take as ``prior``.

    Parameters
    ----------
    configs : sequence of dict
        The hyperparameters of each trial.
    scores : sequence of float, shape (trials,)
        NaN for a trial that failed.
    minimize : bool, optional
        Whether lower scores are better, as they are by default.
    scale : {"values", "ranks"}, optional
        "values": the scores are on the scale of the new search, as those of the same task are. "ranks" (the default):
        they may be on another; both searches' scores are replaced by normal scores of their ranks.

    Raises
    ------
    InputError
        There is no trial with a score, the lengths differ, or the scale is unknown.

    Examples
    --------
    >>> import jax
    >>> from nqjax.search import Function, EarlierTrials, Uniform, replicate
    >>> square = Function(lambda config: config["x"] ** 2, {"x": Uniform(-1, 1)})
    >>> configs = [{"x": i / 10} for i in range(-10, 11)]
    >>> known = EarlierTrials(configs, square.values(configs), scale="values")
    >>> runs = replicate(square, ["tpe"], replications=2, num_trials=5, key=jax.random.key(0), prior=known)
    >>> bool((runs.scores["tpe"].min(axis=1) < 0.1).all())
    True
    """

    configs: Sequence[Mapping[str, Any]]
    scores: Sequence[float]
    minimize: bool = True
    scale: Literal["values", "ranks"] = "ranks"

    def __post_init__(self) -> None:
        scores = np.asarray(self.scores, np.float64)
        if scores.shape != (len(self.configs),):
            raise InputError(
                f"the prior has {len(self.configs)} configurations and scores of shape {scores.shape}: give one each"
            )
        if not np.isfinite(scores).any():
            raise InputError("the prior has no trial with a score: give earlier trials that finished")
        if self.scale not in ("values", "ranks"):
            raise InputError(f"scale is {self.scale!r}: give 'values' or 'ranks'")
        object.__setattr__(self, "configs", tuple(dict(config) for config in self.configs))
        object.__setattr__(self, "scores", tuple(scores.tolist()))


def as_prior(source: Any, settings: Mapping[str, Any]) -> EarlierTrials:
    """Return the prior of a table, a study or a file, for a search with these settings.

    Its scores count as values if it is a search of the same task, with the same settings and score; else as ranks.
    Trials that were stopped early or have not ended are left out.

    Raises
    ------
    InputError
        It cannot be read, or has no score.
    """
    if isinstance(source, EarlierTrials):
        return source
    if isinstance(source, str | Path) and _is_of_a_search(Path(source)):
        source = read_trials(source)
    if isinstance(source, Trials):
        return _of_trials(source, settings)
    if not isinstance(source, StudyTable):
        source = _study_of(source, settings.get("score"))
    return _of_study(source, settings)


def _is_of_a_search(path: Path) -> bool:
    if path.suffix not in JSON_ENDINGS or not path.is_file():
        return False
    with path.open("rb") as file:
        return HEADER.encode() in file.read(len(HEADER) + 16)


def _study_of(source: Any, score: str | None) -> StudyTable:
    source = str(source) if isinstance(source, Path) else source
    if score is not None:
        try:
            return read_study(source, score)
        except InputError:
            pass  # the source may say itself which column has the scores
    return read_study(source)


def _of_trials(trials: Trials, settings: Mapping[str, Any]) -> EarlierTrials:
    names = trials.settings["space"]
    kept = [row for row in trials.rows if row.get("status", FINISHED) == FINISHED]

    def config_of(row: Row) -> Config:
        return {name: row[name] for name in names if name in settings["space"] or _is_searched(names[name])}

    then, now = (json.dumps([own.get(name) for name in _SCALE]) for own in (trials.settings, settings))
    scores = [math.nan if row.get(trials.score) is None else row[trials.score] for row in kept]
    scale: Literal["values", "ranks"] = "values" if then == now else "ranks"
    return EarlierTrials([config_of(row) for row in kept], scores, trials.minimize, scale)


def _is_searched(description: Mapping[str, Any]) -> bool:
    return "fixed" not in description and "derived" not in description


def _of_study(study: StudyTable, settings: Mapping[str, Any]) -> EarlierTrials:
    minimize = bool(settings["minimize"])
    kept = np.flatnonzero(np.isin(study.status, (FINISHED, FAILED)))
    space = settings["space"]
    columns = {_bare(name, space): column for name, column in study.config.items()}
    columns = {
        name: column for name, column in columns.items() if name in space or len(set(column.astype(str).tolist())) > 1
    }
    configs = [{name: _plain(column[i]) for name, column in columns.items() if _is_there(column[i])} for i in kept]
    return EarlierTrials(configs, study.scores[kept].tolist(), minimize if study.minimize is None else study.minimize)


def _bare(name: str, space: Mapping[str, Any]) -> str:
    """Return the name of a column as the space has it: tools write ``params_rate`` and ``config/rate`` for ``rate``."""
    bare = (name.removeprefix(prefix) for prefix in PREFIXES)
    return name if name in space else next((one for one in bare if one in space), name)


def _is_there(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def encoded(prior: EarlierTrials, space: EncodedSpace) -> Earlier:
    """Return the trials of a prior as points of a space.

    Trials outside the space are left out, with a warning that says how many.

    Raises
    ------
    InputError
        A trial lacks a hyperparameter that is searched, or has one that the space lacks; or all lie outside.
    """
    wanted = searched(space.space)
    configs, scores, outside = [], [], []
    for number, (config, score) in enumerate(zip(prior.configs, prior.scores, strict=True)):
        other = [name for name in config if name not in space.space]
        if other:
            raise InputError(
                f"the prior has the hyperparameter {other[0]!r}, which the space lacks (it has "
                f"{listed_names(wanted)}): leave it out, or search it"
            )
        complete = _complete(space.space, config, number)
        if isinstance(complete, str):
            outside.append(complete)
        else:
            configs.append(complete)
            scores.append(score)
    if not np.isfinite(scores).any():
        example = f": {outside[0]}" if outside else ""
        raise InputError(f"no earlier trial with a score lies in the space{example}")
    if outside:
        warnings.warn(
            f"{len(outside):,} of {len(prior.scores):,} earlier trials lie outside the space and are left out: "
            f"{outside[0]}",
            stacklevel=2,
        )
    places = [space.encode(config) for config in configs]
    u, active = (np.array(part) for part in zip(*places, strict=True))
    values = np.array(scores, np.float64) * (1.0 if prior.minimize else -1.0)
    values[~np.isfinite(values)] = np.inf
    return Earlier(u, active, values, prior.scale == "ranks", tuple(configs))


class _OutsideError(Exception):
    """A value lies outside the space."""


def _complete(space: Mapping[str, Distribution], config: Mapping[str, Any], number: int) -> Config | str:
    """Return a configuration with its fixed and derived values; a text that says why if it lies outside."""

    def pick(name: str, leaf: Distribution) -> Any:
        if name not in config:
            if isinstance(leaf, Fixed):
                return leaf.value
            raise InputError(f"trial {number} of the prior lacks the hyperparameter {name!r}, which is searched")
        value = config[name]
        if isinstance(leaf, Fixed):
            inside = value == leaf.value
        else:
            try:
                leaf.share(value)
            except (InputError, TypeError, ValueError):
                inside = False
            else:
                inside = not isinstance(leaf, DiscreteUniform) or (
                    value == int(value) and leaf.low <= value <= leaf.high
                )
        if not inside:
            raise _OutsideError(f"{name} is {value!r} in trial {number}")
        return int(value) if isinstance(leaf, DiscreteUniform) else value

    try:
        return resolve(space, pick)
    except _OutsideError as error:
        return str(error)


def fingerprint(earlier: Earlier | None, space: EncodedSpace) -> dict[str, Any] | None:
    """Return what identifies a prior, for the header of a file; None without one."""
    if earlier is None:
        return None
    names = [name for name, entry in space.space.items() if not isinstance(entry, Derived)]
    rows = [
        [*(config[name] for name in names), float(score) if np.isfinite(score) else None]
        for config, score in zip(earlier.configs, earlier.scores, strict=True)
    ]
    text = json.dumps([names, rows, describe(space.space)], sort_keys=True)
    return {
        "trials": len(rows),
        "scale": "ranks" if earlier.by_ranks else "values",
        "sha256": hashlib.sha256(text.encode()).hexdigest()[:16],
    }
