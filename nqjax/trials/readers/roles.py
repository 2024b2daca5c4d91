"""Say what each column of a table is: metric, hyperparameter, cost, status, trial, epoch, split, rank or clock."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from nqjax.trials.readers.cells import status_of, to_number
from nqjax.trials.readers.directions import direction_by_name, words_of
from nqjax.trials.readers.table import Table

#: Roles of columns.
METRIC = "metric"
CONFIG = "config"
STATUS = "status"
TRIAL = "trial"
EPOCH = "epoch"
COST = "cost"
SPLIT = "split"
RANK = "rank"
CLOCK = "clock"
BUDGET = "budget"
PARENT = "parent"
CURVE = "curve"
DATASET = "dataset"
CONSTANT = "constant"
OTHER = "other"

#: Beginnings of the names of hyperparameters in the files of common tools.
CONFIG_PREFIXES = (
    *("params_", "params.", "param_", "params/", "config.", "config/", "hyperparameters.", "hparams.", "hparams/"),
    *("hp/", "hp.", "hyperparameters/", "parameters.", "parameter."),
)

#: Beginnings of the names of metrics.
_METRIC_PREFIXES = ("metrics.", "metrics/", "values_", "mean_test_", "mean_train_", "summary.", "summary/")

#: Beginnings of names that are neither.
_OTHER_PREFIXES = (
    "user_attrs_",
    "system_attrs_",
    "tags.",
    "tag.",
    "info.",
    "info/",
    "std_",
    "tuner/",
    "unnamed:",
    "_wandb",
)

#: Whole names, in lower case, by role. Of several columns of a role, the one named first here is taken.
NAMES = {
    STATUS: ("state", "status", "trial_status", "trial_state", "run_status", "outcome", "result_status"),
    TRIAL: (
        *(
            "trial_id",
            "trial",
            "trial_number",
            "trial number",
            "number",
            "run_id",
            "run id",
            "run",
            "run_name",
            "trial_name",
        ),
        *("name", "experiment_id", "config_id", "configuration_id", "config_number", "candidate", "candidate_id", "id"),
        *("job_id", "uid", "uuid", "index", "", "unnamed: 0", "config", "configuration"),
    ),
    EPOCH: (
        *("epoch", "training_iteration", "iteration", "step", "_step", "global_step", "iter", "round", "steps"),
        *("trainer/global_step", "epochs_trained", "iterations_since_restore"),
    ),
    COST: (
        *("time_total_s", "duration", "duration_s", "runtime", "_runtime", "train_time", "training_time", "seconds"),
        *(
            "elapsed",
            "elapsed_time",
            "wall_time",
            "walltime",
            "mean_fit_time",
            "fit_time",
            "time",
            "gpu_hours",
            "hours",
        ),
        *("minutes", "runtime_s", "time_s", "total_time", "cpu_time", "gpu_seconds", "train_seconds", "flops"),
    ),
    CLOCK: (
        *(
            "timestamp",
            "_timestamp",
            "date",
            "datetime",
            "datetime_start",
            "datetime_complete",
            "start_time",
            "end_time",
        ),
        *(
            "created",
            "created_at",
            "started",
            "started_at",
            "finished_at",
            "ended",
            "ended_at",
            "updated",
            "updated_at",
        ),
        *("finished", "time_stamp", "starttime", "endtime", "refresh_time", "book_time"),
    ),
    BUDGET: ("tuner/epochs", "budget", "n_resources", "resource", "fidelity", "max_budget"),
    PARENT: ("parent", "parent_id", "parent_run_id", "tags.mlflow.parentrunid", "parent_run"),
    DATASET: (
        "dataset",
        "data_set",
        "dataset_name",
        "task",
        "task_name",
        "benchmark",
        "env",
        "environment",
        "env_name",
    ),
    OTHER: (
        *(
            "seed",
            "random_seed",
            "random_state",
            "notes",
            "user",
            "tags",
            "sweep",
            "group",
            "job type",
            "hostname",
            "pid",
        ),
        *("host", "node_ip", "logdir", "time_this_iter_s", "time_since_restore", "timesteps_total", "episodes_total"),
        *("done", "trial_dir", "experiment_tag", "should_checkpoint", "checkpoint_dir_name", "warmup_time", "iter"),
        *("repeat", "replicate", "fold", "comment", "description", "git_hash", "commit", "url", "path", "folder"),
        *("artifact_uri", "experiment_name", "best_step", "best_epoch", "best_round", "rounds"),
        *("mean_score_time", "experiment", "timesteps_since_restore", "iterations_since_restore", "params"),
    ),
}

#: Columns of true or false that say whether a trial failed.
_FLAGS = ("failed", "is_failed", "has_failed", "crashed", "diverged")

#: Words of names that are metrics though they have no direction.
_METRIC_WORDS = ("score", "value", "objective", "metric", "result", "fitness", "target", "performance")

#: Values of a column that are looked at to find its role.
_VALUES_LOOKED_AT = 2000

#: Scores of one fold, split or seed.
_SPLITS = re.compile(r"(split|fold|seed|cv|rep|repeat|run)[_-]?\d+([_/.-].*)?|.+[_/.-](split|fold|seed)[_-]?\d+")


def find_roles(table: Table) -> dict[str, str]:
    """Return the role of each column, from what the source records, its name and its values."""
    recorded = table.recorded.roles
    has_marked = CONFIG in recorded.values() or any(
        name.casefold().startswith(CONFIG_PREFIXES) for name in table.columns
    )
    return {
        name: recorded.get(name) or _role(name, _sampled(values), has_marked) for name, values in table.columns.items()
    }


def _sampled(values: Sequence[Any]) -> Sequence[Any]:
    """Return enough values to see what a column holds."""
    return values[:: max(len(values) // _VALUES_LOOKED_AT, 1)]


def _role(name: str, values: Sequence[Any], has_marked: bool) -> str:
    low = name.casefold().strip()
    if any(isinstance(value, list | tuple) for value in values):
        return CURVE if low.startswith("curve") or low == "intermediate_values" else OTHER
    by_name = role_by_name(name)
    if by_name is not None and _agrees(by_name, low, values):
        return by_name
    if low in _FLAGS and all(_truth(value) is not None or value is None for value in values):
        return STATUS
    if low.startswith(_OTHER_PREFIXES):
        return OTHER
    if low in ("std", "stderr", "sem") or {"std", "stderr", "sem"} & set(words_of(name)):
        return OTHER
    if _is_numeric(values) and is_metric_name(name):
        return METRIC
    if has_marked:
        return OTHER
    different = {str(value) for value in values if value not in (None, "")}
    if len(different) <= 1:
        return CONSTANT
    # Text that differs in each row is a comment or a path.
    return CONFIG if _is_numeric(values) or len(different) <= max(0.5 * len(values), 2) else OTHER


def role_by_name(name: str) -> str | None:
    """Return the role that a column's name gives it, or None."""
    low = name.casefold().strip()
    words = words_of(name)
    for role in (BUDGET, PARENT):
        if low in NAMES[role]:
            return role
    if low.startswith(CONFIG_PREFIXES):
        return CONFIG
    if words and (words[0] == "rank" or words[-1] in ("rank", "ranking")):
        return RANK
    if _SPLITS.fullmatch(low):
        return SPLIT
    word = low.rpartition(".")[2]
    for role in (STATUS, TRIAL, EPOCH, COST, CLOCK, DATASET, OTHER):
        if low in NAMES[role] or (word and word in NAMES[role] and not low.startswith(_METRIC_PREFIXES)):
            return role
    return METRIC if low.startswith(_METRIC_PREFIXES) else None


def _agrees(role: str, low: str, values: Sequence[Any]) -> bool:
    """Return whether the values of a column can have the role that its name gives it."""
    if role == STATUS:
        known = [value for value in values if value not in (None, "")]
        return bool(known) and sum(status_of(value) is not None for value in known) >= 0.5 * len(known)
    if role in (EPOCH, RANK, METRIC, SPLIT):
        return _is_numeric(values)
    if role == DATASET:
        return not _is_numeric(values)
    if role == TRIAL and low in (
        "config",
        "configuration",
        "number",
        "index",
        "run",
        "name",
        "candidate",
        "experiment",
    ):
        return len({str(value) for value in values}) > 1
    return True


def is_metric_name(name: str) -> bool:
    """Return whether a column's name is that of a metric."""
    return direction_by_name(name) is not None or bool(set(words_of(name)) & set(_METRIC_WORDS))


def _is_numeric(values: Sequence[Any]) -> bool:
    """Return whether a column holds numbers, with at most as many other words."""
    known = [value for value in values if value not in (None, "")]
    if not known:
        return False
    good = 0
    for value in known:
        number = to_number(value)
        if number is None and isinstance(value, str):
            number = 0.0 if status_of(value) or re.fullmatch(r"[+-]?[\d.,'\s]+%?", value.strip()) else None
        good += number is not None
    return 2 * good >= len(known)


def _truth(value: Any) -> bool | None:
    """Return the truth that a value stands for, or None."""
    if isinstance(value, str):
        return {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}.get(
            value.strip().lower()
        )
    number = None if value is None else to_number(bool(value) + 0 if isinstance(value, bool) else value)
    return {0.0: False, 1.0: True}.get(number) if number is not None else None


def is_failed_flag(name: str) -> bool:
    """Return whether a column of this name says by true or false whether a trial failed."""
    return name.casefold().strip() in _FLAGS


def truths(values: Sequence[Any]) -> list[bool]:
    """Return the truth of each value, False where it is missing."""
    return [bool(_truth(value)) for value in values]


def first_of(role: str, roles: Mapping[str, str]) -> str | None:
    """Return the column of a role that is named first among its names, or the first in the table; None without one."""
    found = [name for name, one in roles.items() if one == role]
    order = NAMES.get(role, ())

    def place(name: str) -> float:
        low = name.casefold().strip()
        word = low.rpartition(".")[2]
        return order.index(low) if low in order else order.index(word) if word in order else math.inf

    return min(found, key=place) if found else None
